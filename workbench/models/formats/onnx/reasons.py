"""What ONNX Runtime and onnx say when they fail, in a few words."""

from __future__ import annotations

import re


def reason(error: BaseException) -> str:
    """Return an error's message in one line, without ONNX Runtime's codes and the places in its own source."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", str(error))
    while place := re.search(r"\S+\.(?:cc|h|cpp|cu|cuh):\d+ ", text):
        text = text[: place.start()] + text[_after_signature(text, place.end()) :]
    return " ".join(text.split()).rstrip(".")[:600] or type(error).__name__


def _after_signature(text: str, start: int) -> int:
    """Return where a C++ function's signature that begins at ``start`` ends; ``start`` if there is none."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if text[at] == ")" and depth == 0 and text[at + 1 : at + 2] != "(":
            rest = re.match(r"(::<lambda[^>]*>)?( const)?( \[with [^\]]*\])?\s*", text[at + 1 :])
            return at + 1 + (rest.end() if rest else 0)
    return start
