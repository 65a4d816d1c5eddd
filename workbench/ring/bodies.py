"""From what a user names to what runs it: operations, formulas, pipelines, handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError
from workbench.text import did_you_mean

from .body import Body, FunctionBody, spread
from .options import LaunchOptions
from .similarity import RowsKept

if TYPE_CHECKING:
    from .cuda.pool import Pool


def add(x: Any, y: Any, *, out: Any = None) -> Any:
    """Return the sums of the elements of two arrays."""
    return np.add(x, y, out=out) if isinstance(x, np.ndarray | Sequence) or out is not None else x + y


def dot(x: Any, y: Any) -> Any:
    """Return the sum of the products of the elements of two arrays."""
    return np.vdot(x, y) if isinstance(x, np.ndarray | Sequence) else (x * y).sum()


def _of_two(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a function of one payload: two arrays as a tuple, or the arguments by name."""
    run, names = spread(function), inspect.signature(function).parameters.keys()

    def of_two(payload: Any) -> Any:
        kind = type(payload)
        if not ((kind is tuple and len(payload) == 2) or (kind is dict and {"x", "y"} <= payload.keys() <= names)):
            what = f"{len(payload)} arguments" if kind in (tuple, dict) else kind.__name__
            raise InputError(
                f"{function.__name__} takes two arrays, as a tuple: kernel.call((x, y)), or by name; got {what}."
            )
        return run(payload)

    return of_two


BUILT_IN: Mapping[str, tuple[Callable[..., Any], Callable[[], Any] | None]] = {
    "similarity_matrix": (RowsKept.answer, RowsKept),
    "add": (_of_two(add), None),
    "dot": (_of_two(dot), None),
}
"""Kernels that come with the workbench: a handler, and what makes its state."""
ON_CARD = ("scale", "softmax")
"""Operations of the catalogue that the persistent kernel has, beside the kernels that come with the workbench."""


def make_body(name: str, options: LaunchOptions, pool: Pool | None = None) -> Body:
    """Return what runs the messages of a kernel: on the GPU if there are rings, and the persistent kernel has it.

    Raises
    ------
    workbench.errors.InputError
        If nothing of the name is known, the handler cannot be called, or it takes other arguments.
    """
    handler = name if options.handler is None else options.handler
    if isinstance(handler, str):
        handler = _named(handler, asked=options.handler is not None)
    if isinstance(handler, _BuiltIn):
        runs = f"the kernel {handler.name}"
        if pool is not None and options.state is None:
            return _card_body(handler.name, runs, pool)
        return FunctionBody(handler.function, runs, options.state or handler.state, computes=True)
    if found := _operation(handler):
        operation, runs = found
        if options.state is not None:
            raise InputError(f"Kernel {name!r} runs {runs}, which has no state. Leave state=... out.")
        if pool is not None and operation.__name__ in ON_CARD:
            return _card_body(operation.__name__, runs, pool)
        return FunctionBody(spread(operation), runs, computes=True)
    if options.state is None and _is_pipeline(handler):
        return FunctionBody(spread(handler), f"a pipeline for {handler.task}")
    if not callable(handler):
        raise InputError(
            f"Kernel {name!r} cannot run {handler!r}. handler is the name of an operation, a function of fused_kernels "
            "or of @fk.elementwise, a pipeline, or a function of the payload."
        )
    _check_handler(name, handler, options.state)
    return FunctionBody(handler, f"the handler {getattr(handler, '__name__', type(handler).__name__)}", options.state)


def _card_body(name: str, runs: str, pool: Pool) -> Body:
    """Return what runs an operation on the GPU."""
    from .cuda.body import OperationBody
    from .cuda.rows_kept import SimilarityBody

    return SimilarityBody(name, runs, pool) if name == "similarity_matrix" else OperationBody(name, runs, pool)


class _BuiltIn:
    def __init__(self, name: str) -> None:
        self.name = name
        self.function, self.state = BUILT_IN[name]


def _named(name: str, *, asked: bool) -> Any:
    import fused_kernels as fk

    if name in BUILT_IN:
        return _BuiltIn(name)
    if name in fk.OPS:
        return fk.OPS[name].function
    known = [*BUILT_IN, *fk.OPS]
    what = f"handler={name!r}" if asked else f"A kernel {name!r} without a handler"
    raise InputError(
        f"{what} names no operation.{did_you_mean(name, known)} Give a function, LaunchOptions(handler=...), or one "
        f"of: {', '.join(known)}."
    )


def _operation(handler: Any) -> tuple[Callable[..., Any], str] | None:
    """Return an operation of the catalogue, or a formula, and what it is; None if it is neither."""
    import fused_kernels as fk

    if isinstance(handler, fk.Op):
        return handler.function, f"the operation {handler.name}"
    name = getattr(handler, "__name__", "")
    if name in fk.OPS and fk.OPS[name].function is handler:
        return handler, f"the operation {name}"
    return (handler, f"the formula {name}") if hasattr(handler, "formula") and callable(handler) else None


def _is_pipeline(handler: Any) -> bool:
    from workbench.pipelines.task import Pipeline

    return isinstance(handler, Pipeline)


def _check_handler(name: str, handler: Callable[..., Any], state: Callable[[], Any] | None) -> None:
    called = getattr(handler, "__call__", None)  # noqa: B004 - an object whose class has an async __call__
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called):
        raise InputError(
            f"The handler of kernel {name!r} is a coroutine function. A kernel runs plain functions, in a thread; "
            "await its answers with acall."
        )
    wanted = 1 if state is None else 2
    try:
        inspect.signature(handler).bind(*[None] * wanted)
    except TypeError as error:
        form = "handler(payload)" if state is None else "handler(state, payload)"
        raise InputError(
            f"The handler of kernel {name!r} is called as {form}, which it does not take: {error}."
        ) from None
    except ValueError:  # a function written in C that tells nothing of its arguments
        return
