"""A call with arrays on a GPU: the same checks as on the CPU, a plan, the launches."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fused_kernels import trace
from fused_kernels.errors import DtypeError, KernelError, ShapeError

from .arrays import FLOATS, Library, View
from .dtypes import castable, common_dtype, is_integer
from .launch import Plan


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
    multiprocessors
        Of the GPU.
    """

    arrays: Mapping[str, View | None]
    outs: tuple[View, ...]
    options: Mapping[str, Any]
    dtype: str
    multiprocessors: int


RESULTS = ("out", "second")
"""By which names launches know the results."""
_REMEMBERED = 4096
_plans: dict[Any, tuple[tuple[tuple[int, ...], ...], Plan]] = {}


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
    name = function.__name__
    given = {key: value for key, value in {**arrays, **integers}.items() if value is not None}
    outs = () if out is None else out if isinstance(out, tuple) else (out,)
    views = views_of(name, library, given, outs)
    common = common_dtype(name, {key: views[key].dtype for key in arrays if key in views})
    if common not in FLOATS:
        raise DtypeError(f"{name}: there is no kernel for {common} on the GPU. Convert the arrays, to float64 at most.")
    kinds = {key: _integers(name, key, views[key]) if key in integers else common for key in given}
    for key, kind in kinds.items():
        if views[key].dtype != kind:
            trace.note(f"{key}: copied, {views[key].dtype} read as {kind}")
            given[key] = library.contiguous(given[key], kind)
            views[key] = library.view(name, key, given[key])
    out_views = tuple(library.view(name, "out", item) for item in outs)
    check_outs(name, out_views, common)
    gpu = _module(name)
    direct = tuple(view for view in out_views if _is_direct(view, views, common, getattr(gpu, "IN_PLACE", False)))
    if len(direct) < len(out_views):
        direct = ()
    absent = {key: None for key in (*arrays, *integers) if key not in given}
    shapes, plan = _planned(function, gpu, library, {**views, **absent}, options, direct=direct, common=common)
    for view, shape in zip(out_views, shapes if out_views else (), strict=True):
        if view.shape != shape:
            raise ShapeError(f"{name}: the result has shape {shape} and out has {view.shape}. Pass an out of {shape}.")
    if plan.copies:
        for key in plan.copies:
            trace.note(f"{key}: copied, no kernel takes its strides")
            given[key] = library.contiguous(given[key], kinds[key])
            views[key] = library.view(name, key, given[key])
        _, plan = _planned(function, gpu, library, {**views, **absent}, options, direct=direct, common=common)
    if trace.listeners and trace.launching("cuda", plan.form, plan.reason):
        return out
    device = next(iter(views.values())).device
    if hasattr(gpu, "compute"):
        direct, results = (), gpu.compute(library, {**dict.fromkeys(absent), **given}, options)
    else:
        results = outs if direct else tuple(library.empty(shape, common, device) for shape in shapes)
        if plan.fill is not None:
            for result in results:
                library.fill(result, plan.fill)
        named = dict(zip(RESULTS, results, strict=False))
        start(library, plan, {key: view.address for key, view in views.items()}, named, device)
    if outs and not direct:
        trace.note("out: copied to, no kernel writes to it as it lies")
        for item, result in zip(outs, results, strict=True):
            library.assign(item, result)
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


def start(
    library: Library, plan: Plan, values: dict[str, int | float], results: Mapping[str, Any], device: int
) -> None:
    """Start the launches of a plan, with addresses and numbers by name, and results."""
    if not plan.launches:
        return
    for key, result in results.items():
        values[key] = library.view("", key, result).address
    work = library.empty((plan.scratch,), "uint8", device) if plan.scratch else None
    if work is not None:
        values["work"] = library.view("", "work", work).address
    library.execute([(launch, launch.packed(values)) for launch in plan.launches], device)


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


def check_outs(name: str, outs: tuple[View, ...], common: str) -> None:
    """Raise DtypeError if ``out`` cannot receive results of a dtype."""
    for view in outs:
        if not castable(common, view.dtype):
            raise DtypeError(f"{name}: the result is {common} and out is {view.dtype}. Pass an out of dtype {common}.")
        if any(length > 1 and not step for length, step in zip(view.shape, view.strides, strict=True)):
            raise DtypeError(f"{name}: elements of out share memory, as in a broadcast array. Pass a new one.")
    if len(outs) == 2 and _meet(*outs):
        raise DtypeError(f"{name}: out is a pair of arrays that share memory. Pass two arrays of their own.")


def _planned(
    function: Callable[..., Any],
    gpu: Any,
    library: Library,
    views: Mapping[str, View | None],
    options: Mapping[str, Any],
    *,
    direct: tuple[View, ...],
    common: str,
) -> tuple[tuple[tuple[int, ...], ...], Plan]:
    """Return the shapes of the results and the plan, which are remembered by all that they depend on."""
    device = next(view.device for view in views.values() if view is not None)
    key: Any = (
        function.__name__,
        library.name,
        common,
        *((name, view and (view.dtype, *view[2:], view.address % 16)) for name, view in views.items()),
        *((view.shape, view.strides, view.address % 16) for view in direct),
        *options.items(),
    )
    try:
        known = _plans.get(key)
    except TypeError:  # an option that cannot be hashed is one that the function refuses
        known = key = None
    if known is not None:
        return known
    shapes = _shapes(function, views, options)
    outs = direct or tuple(View(0, common, shape, _steps(shape), device) for shape in shapes)
    call = Call(views, outs, options, common, library.multiprocessors(device))
    fits = not direct or tuple(view.shape for view in direct) == shapes
    empty = not any(view.size for view in outs)
    # A plan for results that do not fit would be for nothing: the error is about to be raised.
    nothing = Plan("none", "there is nothing to compute")
    plan = gpu.plan(call) if fits and not empty else nothing
    if len(_plans) >= _REMEMBERED:
        _plans.clear()
    if key is not None:
        _plans[key] = shapes, plan
    return shapes, plan


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


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], 1
    for length in reversed(shape):
        steps.append(step)
        step *= length
    return tuple(reversed(steps))


def _integers(name: str, key: str, view: View) -> str:
    if not is_integer(view.dtype):
        raise DtypeError(f"{name}: {key} must hold integers or booleans; received {view.dtype} {view.shape}.")
    return "bool" if view.dtype == "bool" else "int64"


def _is_direct(out: View, inputs: Mapping[str, View], common: str, in_place: bool) -> bool:
    """Whether kernels may write to ``out`` itself."""
    if out.dtype != common or not out.is_contiguous:
        return False
    for view in inputs.values():
        same = view.address == out.address and view.shape == out.shape and view.strides == out.strides
        if _meet(view, out) and not (same and in_place):
            return False
    return True


def _meet(a: View, b: View) -> bool:
    (first, last), (begin, end) = a.span(), b.span()
    return first < end and begin < last
