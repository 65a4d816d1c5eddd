"""What a file is that no format takes, by its first bytes: for messages that say what to do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Model
from .source import Source, first_in_zip

_SIGNATURES = [
    (
        b"version https://git-lfs",
        "it is a pointer that Git LFS left in place of the file; run git lfs pull in its folder",
    ),
    (b"<!DOCTYPE", "it is a web page; download the file itself, not the page that shows it"),
    (b"<html", "it is a web page; download the file itself, not the page that shows it"),
    (
        b"PK\x03\x04",
        "it is a zip archive, and neither torch's nor NumPy's; unpack it and load what is in it",
    ),
    (b"PK\x05\x06", "it is a zip archive without a file in it"),
    (b"\x80\x02", "it is a Python pickle, which could run code; save the weights as .safetensors instead"),
    (b"\x80\x04", "it is a Python pickle, which could run code; save the weights as .safetensors instead"),
    (b"\x80\x05", "it is a Python pickle, which could run code; save the weights as .safetensors instead"),
    (b"GGUF", "it is a GGUF file, which is not read; take the model's .safetensors instead"),
    (b"\x89HDF", "it is an HDF5 file, perhaps of Keras; export the model to ONNX"),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"%PDF", "it is a PDF document"),
]


def what_it_is(source: Source) -> str:
    """Say in a clause what a file's content is, and what to do with it where that is known."""
    head = source.head
    if not head:
        return "it is empty"
    if first_in_zip(head).endswith(b"/data/0"):
        return "it is a TorchScript file, which is code; read it with torch.jit.load(path) and load the module"
    for signature, clause in _SIGNATURES:
        if head.startswith(signature) or (
            signature[:1] == b"<" and head.lstrip().lower().startswith(signature.lower())
        ):
            return clause
    if is_text(head):
        line = head.decode("utf-8", "replace").strip().splitlines()
        return f"it is a text file that begins {line[0][:40]!r}" if line else "it is a text file of blanks"
    return f"its first bytes are {head[:8].hex(' ')}"


def what_to_make_of(value: Any) -> str:
    """Say, with a blank before it, what to do with an object that is no model; empty where that is not known."""
    if isinstance(value, type):
        return f" {value.__name__} is a class: make one of it, and load that."
    if isinstance(value, Model):
        return " It is loaded already."
    if isinstance(value, Mapping):
        return " If it holds weights, save them first: safetensors.torch.save_file(weights, path)."
    return ""


def is_text(head: bytes) -> bool:
    """Return whether bytes read as text: UTF-8, perhaps cut off at the end, without control characters."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character >= " " or character in "\t\r\n\f" for character in text)
