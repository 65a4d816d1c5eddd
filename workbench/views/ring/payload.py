"""What a message carries: arguments of an operation, a text, or a Python literal; and what a reply is called."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS, Op
from workbench.bench.racing.contest import parse_shape
from workbench.errors import InputError
from workbench.pipelines.results import Answer, Classification, Entities, Generation
from workbench.ring.metrics import KernelStatus
from workbench.text import counted, format_bytes, format_some
from workbench.views import controls, html

_SEVERAL = 3
_MOST_BYTES = 1 << 30
"""Of an argument that is made here."""


def operation_of(status: KernelStatus) -> Op | None:
    """Return the operation of the catalogue that a kernel runs, None if it runs something else.

    A formula that is no operation is none either: nothing says what its arguments are like.
    """
    kind, _, name = status.runs.rpartition(" ")
    return OPS[name] if kind in ("the operation", "the formula") and name in OPS else None


def takes_texts(status: KernelStatus) -> bool:
    """Tell whether a kernel runs a pipeline, whose messages are texts."""
    return status.runs.startswith("a pipeline")


def sample(op: Op, shape: str, dtype: str) -> tuple[Any, str]:
    """Return realistic arguments of an operation, and the code that makes the same.

    Raises
    ------
    workbench.errors.InputError
        If the shape is none of the operation's.
    """
    sizes = parse_shape(shape)
    if len(sizes) != len(op.dimensions):
        wanted = " x ".join(op.dimensions)
        raise InputError(f"{op.name} is asked for {wanted}, which are {len(op.dimensions)} numbers; got {shape!r}.")
    largest = max((a * b for a, b in itertools.combinations(sizes, 2)), default=sizes[0])
    if largest * np.dtype(dtype).itemsize > _MOST_BYTES:
        raise InputError(f"{shape} of {dtype} is more than {format_bytes(_MOST_BYTES)}; write a smaller shape.")
    given = op.sample(sizes, np.dtype(dtype), np.random.default_rng(0))
    call = f'fk.OPS["{op.name}"].sample({sizes}, np.dtype("{dtype}"), np.random.default_rng(0))'
    return given, call


def written(text: str, *, texts: bool) -> tuple[Any, str]:
    """Return what is written in a field as a payload, and as code.

    Parameters
    ----------
    text
        A Python literal; what is none is a text. For a pipeline a text, several as lines, or a dict of its arguments.
    texts
        Whether it is for a pipeline.

    Raises
    ------
    workbench.errors.InputError
        If nothing is written.

    Examples
    --------
    >>> written("[1, 2]", texts=False), written("two words", texts=False)
    (([1, 2], '[1, 2]'), ('two words', '"two words"'))
    """
    if not text.strip():
        raise InputError("There is no message. Write a text, or a Python literal such as 3, [1, 2] or {'a': 1}.")
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text.strip()
    if texts and not isinstance(value, dict):
        lines = [line for line in text.splitlines() if line.strip()]
        value = lines if len(lines) > 1 else lines[0]
    return value, controls.literal(value)


def said(value: Any) -> str:
    """Say in a line what a kernel answered.

    >>> said(np.zeros((2, 3), np.float32)), said([1, 2]), said({"a": 1})
    ('float32 2 \u00d7 3, from 0 to 0', '[1, 2]', "{'a': 1}")
    """
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return str(value)
    if isinstance(value, Classification):
        return f"{value.label}, {value.score:.3f}"
    if isinstance(value, Answer):
        return f"{value.text!r}, {value.score:.3f}"
    if isinstance(value, Generation):
        return html.shorten(value.text, 120)
    if isinstance(value, Entities):
        return format_some([f"{one.word} {one.entity}" for one in value]) if len(value) else "no names"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and any(map(_is_record, value[:1])):
        more = f"; {counted(len(value) - _SEVERAL, 'more')}" if len(value) > _SEVERAL else ""
        return "; ".join(said(one) for one in value[:_SEVERAL]) + more.removesuffix("s")
    return html.shorten(_shown(value), 120)


def _array(value: np.ndarray[Any, Any]) -> str:
    words = f"{value.dtype} {html.shape_text(value.shape)}"
    if value.dtype.kind not in "fiu" or not value.size:
        return words
    return f"{words}, from {html.number(float(value.min()))} to {html.number(float(value.max()))}"


def _is_record(value: Any) -> bool:
    return isinstance(value, np.ndarray | Entities) or (is_dataclass(value) and not isinstance(value, type))


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # a repr of the user's
        return f"{type(value).__name__}, whose repr raises {type(error).__name__}"
