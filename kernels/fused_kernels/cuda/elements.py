"""Formulas over arrays on a GPU: any strides and dtypes, broadcast against each other, in one kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fused_kernels import trace
from fused_kernels.dispatch import explain_received
from fused_kernels.errors import DtypeError, ShapeError

from .arrays import FLOATS, ITEMSIZE, Library, View
from .call import check_outs, start, views_of
from .dtypes import common_dtype
from .formula import Translation, translated
from .launch import NUMBER, Argument, Launch, Plan, grid_of
from .source import Kernel

_TYPES = {
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned",
    "int64": "i64",
    "uint64": "unsigned long long",
}
_THREADS = 256
_BLOCKS = 8
"""Of `_THREADS`, which fill a multiprocessor."""
_SMALL = 1 << 31
_REMEMBERED = 4096
_plans: dict[Any, tuple[tuple[int, ...], Plan]] = {}


class Operand(NamedTuple):
    """An argument of a formula: an array with its strides along the axes that are left, or a number.

    Parameters
    ----------
    name
        Of the argument.
    dtype
        As the array has it; None for a number.
    steps
        In elements.
    """

    name: str
    dtype: str | None
    steps: tuple[int, ...]


def run(operation: Any, library: Library, received: Mapping[str, Any], out: Any) -> Any:
    """Compute a formula where its arguments lie; as `conversion.convert_formula`.

    Raises
    ------
    DtypeError
        For what is neither an array of the library nor a number, and for dtypes without a kernel.
    ShapeError
        If shapes do not broadcast, or ``out`` has another shape than the result.
    FormulaError
        If the formula uses what a GPU has no counterpart for.
    """
    name = operation.__name__
    numbers = {key: _number(name, key, value) for key, value in received.items() if _is_number(value)}
    given = {key: value for key, value in received.items() if key not in numbers}
    for absent, value in given.items():
        if value is None:
            raise DtypeError(f"{name}: {absent} is None, and an array or a number is needed.")
    outs = () if out is None else (out,)
    views = views_of(name, library, given, outs)
    kinds = {key: view.dtype for key, view in views.items()}
    common = common_dtype(name, kinds or {"out": library.view(name, "out", out).dtype})
    if common not in FLOATS:
        raise DtypeError(f"{name}: there is no kernel for {common} on the GPU. Convert the arrays, to float64 at most.")
    target = None if out is None else library.view(name, "out", out)
    check_outs(name, () if target is None else (target,), common)
    direct = target is not None and target.dtype == common and not any(_clash(view, target) for view in views.values())
    device = next(iter(views.values())).device if views else target.device if target else 0
    key = (
        operation,
        library.name,
        common,
        tuple((at, view.dtype, *view[2:], view.address % 16) for at, view in views.items()),
        target and direct and (*target[1:], target.address % 16),
    )
    if key not in _plans:
        if len(_plans) >= _REMEMBERED:
            _plans.clear()
        cards = library.multiprocessors(device)
        _plans[key] = _planned(
            operation, views, received, target=target if direct else None, common=common, cards=cards
        )
    shape, plan = _plans[key]
    if target is not None and target.shape != shape:
        raise ShapeError(f"{name}: the result has shape {shape} and out has {target.shape}. Pass an out of {shape}.")
    if trace.listeners and trace.launching("cuda", plan.form, plan.reason):
        return out
    result = out if direct else library.empty(shape, common, device)
    values: dict[str, int | float] = {key: view.address for key, view in views.items()}
    values |= {NUMBER + key: number for key, number in numbers.items()}
    start(library, plan, values, {"out": result}, device)
    if target is not None and not direct:
        trace.note("out: copied to, no kernel writes to it as it lies")
        library.assign(out, result)
    return result if out is None else out


def _planned(
    operation: Any,
    views: Mapping[str, View],
    received: Mapping[str, Any],
    *,
    target: View | None,
    common: str,
    cards: int,
) -> tuple[tuple[int, ...], Plan]:
    name = operation.__name__
    try:
        shape = np.broadcast_shapes(*(view.shape for view in views.values()))
    except ValueError as error:
        shapes = {key: _Shown(view) for key, view in views.items()}
        raise ShapeError(
            f"{name}: the shapes do not broadcast; received {explain_received(**shapes)}. From the last axis on, "
            "lengths must be equal, or one of them 1."
        ) from error
    formula = translated(name, operation.formula)
    if target is not None and target.shape != shape:
        return shape, Plan("", "")
    if 0 in shape:
        return shape, Plan("none", "there is nothing to compute")
    out_steps = target.strides if target is not None else _steps(shape)
    steps = [out_steps] + [_broadcast(view, shape) for view in views.values()]
    lengths, steps = _collapsed(shape, steps)
    named = dict(zip(views, steps[1:], strict=True))
    operands = [
        Operand(key, views[key].dtype, named[key]) if key in views else Operand(key, None, ()) for key in received
    ]
    addresses = [0 if target is None else target.address, *(view.address for view in views.values())]
    sizes = [ITEMSIZE[common], *(_size(view.dtype) for view in views.values())]
    vector = _vector(lengths, steps, addresses, sizes)
    total = math.prod(lengths[:-1]) * -(-lengths[-1] // vector)
    kernel = _kernel(formula, operands, common, lengths, vector, small=total < _SMALL)
    grid = grid_of(-(-total // _THREADS), cards * _BLOCKS)
    inner = [*lengths[:-1], lengths[-1] // vector] if len(lengths) > 1 else lengths
    arguments: list[Argument] = ["out", total, *inner, *steps[0]]
    for operand in operands:
        arguments += [NUMBER + operand.name] if operand.dtype is None else [operand.name, *operand.steps]
    form = "vectors" if len(lengths) == 1 else "strided"
    reason = f"{grid} blocks, {vector} elements at once" + (f", over {len(lengths)} axes" if len(lengths) > 1 else "")
    return shape, Plan(form, reason, (Launch(kernel, grid, _THREADS, tuple(arguments)),))


def _kernel(
    formula: Translation, operands: Sequence[Operand], common: str, lengths: Sequence[int], vector: int, *, small: bool
) -> Kernel:
    """Write the kernel for operands of these dtypes: each thread takes ``vector`` elements along the last axis."""
    axes, accumulated = len(lengths), "double" if common == "float64" else "float"
    fields = [f"void* out; i64 total, length[{axes}], out_step[{axes}];"]
    reads, values, singles = [], [], []
    for place, operand in enumerate(operands):
        if operand.dtype is None:
            fields.append(f"double x{place};")
            values.append(f"A(a.x{place})")
            singles.append(values[-1])
            continue
        fields.append(f"const void* x{place}; i64 step{place}[{axes}];")
        kind, whole = _TYPES[operand.dtype], operand.steps[-1] == 1 or vector == 1
        count = vector if whole else 1
        reads.append(f"A v{place}[{count}]; load<{count}>((const {kind}*)a.x{place} + at{place}, v{place});")
        values.append(f"v{place}[{'i' if whole else '0'}]")
        singles.append(f"A(widened(((const {kind}*)a.x{place})[at * a.step{place}[0]]))")
    numbered = [place for place, operand in enumerate(operands) if operand.dtype is not None]
    index = "unsigned" if small else "i64"
    places = "".join(f" i64 at{place} = 0;" for place in numbered)
    along = "".join(f" at{place} += coordinate * a.step{place}[axis];" for place in numbered)
    rest = f"""
        if (to + {vector} > a.length[0]) {{
            for (i64 at = to; at < a.length[0]; at++)
                narrow(A({formula.name}<A>({", ".join(singles)})), (({_TYPES[common]}*)a.out)[at]);
            continue;
        }}"""
    source = f"""#include "elementwise.cuh"
{formula.text}
struct Elements {{ {" ".join(fields)} }};
__device__ inline void elements(const Elements& a) {{
    typedef {accumulated} A;
    const i64 threads = (i64)gridDim.x * blockDim.x;
    for (i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x; number < a.total; number += threads) {{
        {index} left = ({index})number;
        i64 to = 0;{places}
#pragma unroll
        for (int axis = {axes - 1}; axis >= 0; axis--) {{
            const {index} next = axis ? left / ({index})a.length[axis] : 0;
            const i64 coordinate = (i64)(left - next * ({index})a.length[axis]) * (axis == {axes - 1} ? {vector} : 1);
            left = next;
            to += coordinate * a.out_step[axis];{along}
        }}{rest if axes == 1 and lengths[0] % vector else ""}
        {" ".join(reads)}
        A found[{vector}];
#pragma unroll
        for (int i = 0; i < {vector}; i++) found[i] = {formula.name}<A>({", ".join(values)});
        store<{vector}>(({_TYPES[common]}*)a.out + to, found);
    }}
}}
"""
    return Kernel(source, "elements(a);", "Elements", _THREADS, ITEMSIZE[common] == 2)


def _vector(
    lengths: Sequence[int], steps: Sequence[tuple[int, ...]], addresses: Sequence[int], sizes: Sequence[int]
) -> int:
    """Return how many neighbours a thread may take: all arrays have them side by side, or one for all.

    Along a single axis a rest may be left, which the last of the threads takes one by one.
    """
    vector = 16 // max(sizes)
    while vector > 1:
        fits = steps[0][-1] == 1 and (lengths[-1] % vector == 0 or 1 == len(lengths) <= lengths[-1] // vector)
        for of_array, address, size in zip(steps, addresses, sizes, strict=True):
            along = of_array[-1] == 1 and not any(step % vector for step in of_array[:-1])
            fits = fits and (of_array[-1] == 0 or (along and address % (vector * size) == 0))
        if fits:
            break
        vector //= 2
    return vector


def _collapsed(
    shape: tuple[int, ...], steps: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Return axes as few as they can be: none of length 1, and neighbours that lie as one in all arrays as one."""
    axes: list[tuple[int, list[int]]] = []
    for axis, length in enumerate(shape):
        of_axis = [of_array[axis] for of_array in steps]
        if length == 1:
            continue
        if axes and all(before == length * step for before, step in zip(axes[-1][1], of_axis, strict=True)):
            axes[-1] = (axes[-1][0] * length, of_axis)
        else:
            axes.append((length, of_axis))
    axes = axes or [(1, [1] * len(steps))]
    return tuple(length for length, _ in axes), [
        tuple(steps) for steps in zip(*(steps for _, steps in axes), strict=True)
    ]


def _broadcast(view: View, shape: tuple[int, ...]) -> tuple[int, ...]:
    missing = len(shape) - len(view.shape)
    own = (0 if length == 1 else step for length, step in zip(view.shape, view.strides, strict=True))
    return (0,) * missing + tuple(own)


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _size(dtype: str) -> int:
    return ITEMSIZE.get(dtype) or np.dtype(dtype).itemsize


def _clash(view: View, out: View) -> bool:
    """Whether an input shares memory with ``out`` in another way than element by element."""
    (first, last), (begin, end) = view.span(), out.span()
    same = view.address == out.address and view.strides == out.strides and view.shape == out.shape
    return first < end and begin < last and not (same and view.dtype == out.dtype)


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number | np.bool_)


def _number(operation: str, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, OverflowError) as error:
        raise DtypeError(f"{operation}: {name} must be a real number that a float can hold.") from error


class _Shown(NamedTuple):
    """A view as `explain_received` writes arrays."""

    view: View

    @property
    def dtype(self) -> str:
        """Its dtype."""
        return self.view.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.view.shape
