"""A call with arrays on a GPU: the same checks as on the CPU, a plan, the launches."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fused_kernels import trace
from fused_kernels.conversion.arguments import check_needed
from fused_kernels.errors import DtypeError, KernelError, ShapeError

from . import ready
from .arrays import Library
from .dtypes import castable, common_dtype, is_integer
from .launch import Card, Plan
from .ready import Ready, made_ready
from .views import View, steps_of


class Call(NamedTuple):
    """What an operation's ``gpu.plan`` knows.

    Parameters
    ----------
    arrays
        Inputs by name: floats of the dtype ``dtype``, and int64 or bool for indices and masks. None stays None.
    outs
        Where the results go.
    options
        As checked by the public function.
    dtype
        Of the results.
    card
        The GPU.
    """

    arrays: Mapping[str, View | None]
    outs: tuple[View, ...]
    options: Mapping[str, Any]
    dtype: str
    card: Card


def run(
    function: Callable[..., Any],
    library: Library,
    arrays: Mapping[str, Any],
    options: Mapping[str, Any],
    out: Any,
    *,
    integers: Mapping[str, Any],
) -> Any:
    """Compute an operation where its arguments lie.

    Parameters
    ----------
    function, arrays, options, out, integers
        As for `conversion.convert`.
    library
        Whose arrays they are.
    """
    outs = () if out is None else out if isinstance(out, tuple) else (out,)
    call = ready.described(function, library, (*arrays.values(), *integers.values()), options.values(), outs)
    known = ready.known(call) if call is not None and not trace.listeners else None
    if known is not None and call is not None:
        return _one_or_all(known.run(library, call.values, outs, (arrays, options)), out)
    check_needed(function, {**arrays, **integers})
    name = function.__name__
    given = {key: value for key, value in {**arrays, **integers}.items() if value is not None}
    views = views_of(name, library, given, outs)
    common = common_dtype(name, {key: views[key].dtype for key in arrays if key in views})
    kinds = {key: _integers(name, key, views[key]) if key in integers else common for key in given}
    copies = {key: f"{views[key].dtype} read as {kind}" for key, kind in kinds.items() if views[key].dtype != kind}
    if not copies:
        gpu = _module(name)
        every = {key: views.get(key) for key in (*arrays, *integers)}
        shapes = _shapes(function, every, options)
        out_views = tuple(library.view(name, "out", item) for item in outs)
        check_outs(name, out_views, common, shapes)
        may_be_input = getattr(gpu, "IN_PLACE", False)
        direct = bool(outs) and all(_is_direct(view, views, common, may_be_input) for view in out_views)
        device = next(iter(views.values())).device
        card, targets = library.card(device), out_views if direct else ()
        plan = _planned(gpu, every, targets, shapes=shapes, options=options, common=common, card=card)
        copies = dict.fromkeys(plan.copies, "no kernel takes its strides")
    if copies:
        for key, reason in copies.items():
            trace.note(f"{key}: copied, {reason}")
            given[key] = library.contiguous(given[key], kinds[key])
        more = {key: given.get(key) for key in integers}
        return run(function, library, {key: given.get(key) for key in arrays}, options, out, integers=more)
    if trace.listeners and trace.launching("cuda", plan.form, plan.reason):
        return out
    if outs and not direct:
        trace.note("out: copied to, no kernel writes to it as it lies")
    if hasattr(gpu, "compute"):
        made = Ready(shapes, common, device, direct=False, scratch=0, fill=None, launches=(), compute=gpu.compute)
    else:
        made = made_ready(library, plan, every, shapes, common, device=device, outs=out_views, direct=direct)
    if not is_in_the_way(views, out_views, direct=direct):
        ready.remember(call, made)
    values: list[float] = [0 if view is None else view.address for view in (*every.values(), *out_views)]
    return _one_or_all(made.run(library, values, outs, (arrays, options)), out)


def is_in_the_way(views: Mapping[str, View], outs: tuple[View, ...], *, direct: bool) -> bool:
    """Whether it is only for where ``out`` lies this time that kernels do not write to it."""
    return not direct and any(view.meets(out) for view in views.values() for out in outs)


def _one_or_all(results: tuple[Any, ...], out: Any) -> Any:
    return out if out is not None else results if len(results) > 1 else results[0]


@functools.cache
def _module(name: str) -> Any:
    """Return the module ``gpu`` of an operation."""
    place = f"fused_kernels.ops.{name}"
    if importlib.util.find_spec(f"{place}.gpu") is None:
        raise KernelError(
            f"{name}: there is no kernel for arrays on a GPU yet. Pass x.get() of a CuPy array, x.cpu() of a tensor."
        )
    return importlib.import_module(f"{place}.gpu")


def views_of(name: str, library: Library, given: Mapping[str, Any], outs: tuple[Any, ...]) -> dict[str, View]:
    """Return the views of all arguments, which lie on one GPU and belong to one library.

    Raises
    ------
    DtypeError
        If one does not.
    """
    for key, value in (*given.items(), *(("out", item) for item in outs)):
        if not library.owns(value):
            what = f"a {type(value).__module__.partition('.')[0]} {type(value).__name__}"
            raise DtypeError(
                f"{name}: {key} is {what}, and other arguments are {library.name}'s arrays on a GPU. "
                f"Bring all to one place: {key} to {library.name}'s GPU, or the others to the CPU."
            )
    views = {key: library.view(name, key, value) for key, value in given.items()}
    devices = {view.device for view in views.values()}
    devices |= {library.view(name, "out", item).device for item in outs}
    if len(devices) > 1:
        where = ", ".join(f"{key} on GPU {view.device}" for key, view in views.items())
        raise DtypeError(f"{name}: the arguments lie on several GPUs: {where}. Bring them to one.")
    return views


def check_outs(name: str, outs: tuple[View, ...], common: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    """Raise DtypeError or ShapeError if ``out`` cannot receive results of a dtype and shapes."""
    for view, shape in zip(outs, shapes, strict=False):
        if not castable(common, view.dtype):
            raise DtypeError(f"{name}: the result is {common} and out is {view.dtype}. Pass an out of dtype {common}.")
        if view.repeats:
            raise DtypeError(f"{name}: elements of out share memory, as in a broadcast array. Pass a new one.")
        if view.shape != shape:
            raise ShapeError(f"{name}: the result has shape {shape} and out has {view.shape}. Pass an out of {shape}.")
    if len(outs) == 2 and outs[0].meets(outs[1]):
        raise DtypeError(f"{name}: out is a pair of arrays that share memory. Pass two arrays of their own.")


def _planned(
    gpu: Any,
    views: Mapping[str, View | None],
    direct: tuple[View, ...],
    *,
    shapes: tuple[tuple[int, ...], ...],
    options: Mapping[str, Any],
    common: str,
    card: Card,
) -> Plan:
    outs = direct or tuple(View(0, common, shape, steps_of(shape), 0) for shape in shapes)
    if not any(view.size for view in outs):
        return Plan("none", "there is nothing to compute")
    plan: Plan = gpu.plan(Call(views, outs, options, common, card))
    return plan


def _shapes(
    function: Callable[..., Any], views: Mapping[str, View | None], options: Mapping[str, Any]
) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the results, or raise what the function does for arguments that do not fit.

    It is the function itself that says so, of arrays on the CPU with the same shapes, whose memory nobody touches.
    """
    stand_ins = {key: None if view is None else _stand_in(view) for key, view in views.items()}
    with trace.tracing(dry=True):
        found = function(**stand_ins, **options)
    return tuple(np.shape(part) for part in (found if isinstance(found, tuple) else (found,)))


def _stand_in(view: View) -> Any:
    return np.empty(view.shape, view.dtype if is_integer(view.dtype) else np.float32)


def _integers(name: str, key: str, view: View) -> str:
    if not is_integer(view.dtype):
        raise DtypeError(f"{name}: {key} must hold integers or booleans; received {view.dtype} {view.shape}.")
    return "bool" if view.dtype == "bool" else "int64"


def _is_direct(out: View, inputs: Mapping[str, View], common: str, in_place: bool) -> bool:
    """Whether kernels may write to ``out`` itself."""
    if out.dtype != common or not out.is_contiguous:
        return False
    return not any(view.meets(out) and not (in_place and view.lies_over(out)) for view in inputs.values())
