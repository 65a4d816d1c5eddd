"""Formulas over arrays on a GPU: any strides and dtypes, broadcast against each other, in one kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fused_kernels import trace
from fused_kernels.dispatch import explain_received
from fused_kernels.errors import DtypeError, ShapeError

from . import ready
from .arrays import Library
from .call import check_outs, is_in_the_way, views_of
from .dtypes import TYPES, common_dtype, computed_in, itemsize
from .formula import Translation, translated
from .launch import NUMBER, Argument, Card, Launch, Plan, grid_of
from .ready import made_ready
from .source import Kernel
from .views import View, steps_of

_THREADS = 256
_SMALL = 1 << 31


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
    outs = () if out is None else (out,)
    call = ready.described(operation, library, received.values(), outs=outs)
    known = ready.known(call) if call is not None and not trace.listeners else None
    if known is not None and call is not None:
        return known.run(library, call.values, outs)[0]
    name = operation.__name__
    numbers = {key: _number(name, key, value) for key, value in received.items() if _is_number(value)}
    given = {key: value for key, value in received.items() if key not in numbers}
    for absent, value in given.items():
        if value is None:
            raise DtypeError(f"{name}: {absent} is None, and an array or a number is needed.")
    views = views_of(name, library, given, outs)
    target = None if out is None else library.view(name, "out", out)
    dtypes = {key: view.dtype for key, view in views.items()} or {"out": target.dtype if target else "float64"}
    # Python's numbers take the arrays' dtype, NumPy's have one of their own, as on the CPU.
    own = {key: value.dtype.name for key, value in received.items() if isinstance(value, np.generic)}
    common = common_dtype(name, dtypes | own)
    shape = _shape(name, views)
    check_outs(name, () if target is None else (target,), common, (shape,))
    direct = target is not None and _writes(common, target.dtype)
    direct = direct and not any(view.meets(target) and not view.lies_over(target) for view in views.values())  # type: ignore[arg-type]
    device = next(iter(views.values())).device if views else target.device if target else 0
    written = target if direct else None
    plan = _planned(operation, views, received, shape=shape, target=written, common=common, card=library.card(device))
    if trace.listeners and trace.launching("cuda", plan.form, plan.reason):
        return out
    if target is not None and not direct:
        trace.note("out: copied to, no kernel writes to it as it lies")
    out_views = () if target is None else (target,)
    every = {NUMBER + key if key in numbers else key: views.get(key) for key in received}
    made = made_ready(library, plan, every, (shape,), common, device=device, outs=out_views, direct=direct)
    if not is_in_the_way(views, out_views, direct=direct):
        ready.remember(call, made)
    values: list[float] = [views[key].address if key in views else numbers[key] for key in received]
    return made.run(library, [*values, *(view.address for view in out_views)], outs)[0]


def _shape(name: str, views: Mapping[str, View]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(view.shape for view in views.values()))
    except ValueError as error:
        shapes = {key: _Shown(view) for key, view in views.items()}
        raise ShapeError(
            f"{name}: the shapes do not broadcast; received {explain_received(**shapes)}. From the last axis on, "
            "lengths must be equal, or one of them 1."
        ) from error


def _planned(
    operation: Any,
    views: Mapping[str, View],
    received: Mapping[str, Any],
    *,
    shape: tuple[int, ...],
    target: View | None,
    common: str,
    card: Card,
) -> Plan:
    formula = translated(operation.__name__, operation.formula)
    if 0 in shape:
        return Plan("none", "there is nothing to compute")
    out_steps = target.strides if target is not None else steps_of(shape)
    steps = [out_steps] + [_broadcast(view, shape) for view in views.values()]
    lengths, steps = _collapsed(shape, steps)
    named = dict(zip(views, steps[1:], strict=True))
    operands = [
        Operand(key, views[key].dtype, named[key]) if key in views else Operand(key, None, ()) for key in received
    ]
    addresses = [0 if target is None else target.address, *(view.address for view in views.values())]
    kinds = (common, common if target is None else target.dtype)
    sizes = [itemsize(kinds[1]), *(itemsize(view.dtype) for view in views.values())]
    vector = _vector(lengths, steps, addresses, sizes)
    total = math.prod(lengths[:-1]) * -(-lengths[-1] // vector)
    kernel = _kernel(formula, operands, kinds, lengths, vector, small=total < _SMALL)
    grid = grid_of(-(-total // _THREADS), card.blocks(_THREADS))
    inner = [*lengths[:-1], lengths[-1] // vector] if len(lengths) > 1 else lengths
    changing = [NUMBER + operand.name if operand.dtype is None else operand.name for operand in operands]
    arguments: list[Argument] = ["out", *changing, total, *inner, *steps[0]]
    for operand in operands:
        arguments += operand.steps
    form = "vectors" if len(lengths) == 1 else "strided"
    reason = f"{grid} blocks, {vector} elements at once" + (f", over {len(lengths)} axes" if len(lengths) > 1 else "")
    return Plan(form, reason, (Launch(kernel, grid, _THREADS, tuple(arguments)),))


def _kernel(
    formula: Translation,
    operands: Sequence[Operand],
    kinds: tuple[str, str],
    lengths: Sequence[int],
    vector: int,
    *,
    small: bool,
) -> Kernel:
    """Write the kernel for operands of these dtypes: each thread takes ``vector`` elements along the last axis.

    ``kinds`` are the dtypes of the result and of what it is written to.
    """
    common, written = kinds
    axes = len(lengths)
    fields, step_fields = ["void* out;"], []
    reads, values, singles = [], [], []
    for place, operand in enumerate(operands):
        if operand.dtype is None:
            fields.append(f"double x{place};")
            values.append(f"A(a.x{place})")
            singles.append(values[-1])
            continue
        fields.append(f"const void* x{place};")
        step_fields.append(f"i64 step{place}[{axes}];")
        kind, whole = TYPES[operand.dtype], operand.steps[-1] == 1 or vector == 1
        count = vector if whole else 1
        reads.append(f"A v{place}[{count}]; load<{count}>((const {kind}*)a.x{place} + at{place}, v{place});")
        values.append(f"v{place}[{'i' if whole else '0'}]")
        singles.append(f"A(widened(((const {kind}*)a.x{place})[at * a.step{place}[0]]))")
    fields += [f"i64 total, length[{axes}], out_step[{axes}];", *step_fields]
    numbered = [place for place, operand in enumerate(operands) if operand.dtype is not None]
    index = "unsigned" if small else "i64"
    places = "".join(f" i64 at{place} = 0;" for place in numbered)
    along = "".join(f" at{place} += coordinate * a.step{place}[axis];" for place in numbered)
    rest = f"""
        if (to + {vector} > a.length[0]) {{
            for (i64 at = to; at < a.length[0]; at++)
                narrow(A({formula.name}<A>({", ".join(singles)})), (({TYPES[written]}*)a.out)[at]);
            continue;
        }}"""
    source = f"""#include "elementwise.cuh"
{formula.text}
struct Elements {{ {" ".join(fields)} }};
__device__ inline void elements(const Elements& a) {{
    typedef {computed_in(common)} A;
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
        store<{vector}>(({TYPES[written]}*)a.out + to, found);
    }}
}}
"""
    return Kernel(source, "elements(a);", "Elements", _THREADS, itemsize(written) == 2)


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


def _writes(common: str, written: str) -> bool:
    """Whether a kernel can write results of a dtype as another: rounded once from what they are computed in."""
    if itemsize(written) > itemsize(common):  # whose digits are those of the narrower
        return False
    return common == written or (computed_in(common) == computed_in(written) == "float" and common == "float32")


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
