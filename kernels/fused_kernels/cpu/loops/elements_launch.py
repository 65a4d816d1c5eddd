"""How a formula's loop over arrays of one shape is started: from Python; or at once, if all is as it usually is.

Both write down where everything lies, a task, and call the machine code of the formula by its address. So they are
compiled once for all formulas, however many arguments these have.
"""

# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fused_kernels.cpu.addresses import on_stack, put_at, word_at
from fused_kernels.cpu.argument_objects import item_of, length_of, number_in
from fused_kernels.cpu.array_objects import (
    axes_of,
    data_of,
    elements_of,
    float_in,
    float_size,
    given,
    is_alike,
    is_contiguous,
    is_none,
    is_plain,
    is_target,
    new_like,
    nothing,
    shared,
)
from fused_kernels.cpu.compile import entry, inline, kernel
from fused_kernels.cpu.fork_join import note_pace, team

SIZE, OUT, OPERANDS = 0, 8, 16
"""Where a task has the number of elements, the address of the result, and of each array; or a number, as a float64."""
PARALLEL_FROM, BOARD, PACE, NEW_LIMIT, LIMIT, CODES = 0, 1, 2, 3, 4, 5
"""Where a kit has what `fork_join.team` takes, with room for the pace; the bytes from which a new result, and any, are
made in another way; and the first code, 0 if not compiled yet.

The codes are ``code(state, shares, task)``, of `fork_join.parallel`, for float32 and float64 by turns; two for each
choice of arguments that are numbers, which is counted in bits.
"""
MOST = 6
"""Arguments that a formula can have for `attempt`."""
_UNLOCKED_FROM = 16 << 10
"""Bytes of a result from which other threads of Python may run meanwhile."""
_task_room = on_stack(OPERANDS + 8 * MOST)


@kernel("elements.launch")
def _launch(state, shares, code, size, out, arguments, task):  # type: ignore[no-untyped-def]
    at = data_of(task)
    put_at(at + SIZE, size)
    put_at(at + OUT, data_of(out))
    for k in range(length_of(arguments)):
        item = item_of(arguments, k)
        number = float_in(item)
        put_at(at + OPERANDS + 8 * k, data_of(item) if number == 0 else word_at(number))
    _call_for(nothing(), False, code, state, shares, at)


# It keeps Python's lock, since it makes new arrays, and to give it up would cost a tenth of the time.
@kernel("elements.attempt", nogil=False)
def _attempt(kit, out, arguments):  # type: ignore[no-untyped-def]
    at, kit_at, arity = _task_room(), data_of(kit), length_of(arguments)
    if arity > MOST:
        return nothing()
    first, numbers = _write(at, arguments)
    if first < 0:
        return nothing()
    model = item_of(arguments, first)
    size, count = float_size(model), elements_of(model)
    code = word_at(kit_at + 8 * (CODES + 2 * numbers + size // 8))
    limit = word_at(kit_at + 8 * (NEW_LIMIT if is_none(out) else LIMIT))
    nbytes, pace = count * size, kit_at + 8 * PACE
    state, shares, began = team(word_at(kit_at + 8 * BOARD), pace, nbytes, word_at(kit_at + 8 * PARALLEL_FROM))
    if code == 0 or axes_of(model) == 0 or count == 0 or nbytes >= limit or shares == 0:
        return nothing()
    if not is_none(out) and not _is_result(out, model, at, numbers, arity):
        return nothing()
    result = new_like(model) if is_none(out) else shared(out)
    if is_none(result):
        return nothing()
    put_at(at + SIZE, count)
    put_at(at + OUT, data_of(result))
    _call_for(result, nbytes >= _UNLOCKED_FROM, code, state, shares, at)
    note_pace(state, pace, began, nbytes)
    return result


@inline
def _write(at, arguments):  # type: ignore[no-untyped-def]
    """Write the operands down; return the position of the first array, and which arguments are numbers, as bits.

    The position is -1 if there is none, or if they do not fit one another.
    """
    first, numbers = -1, 0
    for k in range(length_of(arguments)):
        item, place = item_of(arguments, k), at + OPERANDS + 8 * k
        if is_plain(item):
            if float_size(item) == 0 or not is_contiguous(item):
                return -1, 0
            if first < 0:
                first = k
            else:
                model = item_of(arguments, first)
                if float_size(item) != float_size(model) or not is_alike(item, model):
                    return -1, 0
            put_at(place, data_of(item))
        else:
            known, value = number_in(item)
            if not known:
                return -1, 0
            put_at(place, value)
            numbers |= 1 << k
    return first, numbers


@inline
def _is_result(out, model, at, numbers, arity):  # type: ignore[no-untyped-def]
    """Whether ``out`` can receive the result: it lies exactly over an input, or apart from it."""
    size = float_size(model)
    if not is_plain(out) or float_size(out) != size or not is_target(out) or not is_alike(out, model):
        return False
    mine, nbytes = data_of(out), elements_of(out) * size
    fits = True
    for k in range(arity):
        its = word_at(at + OPERANDS + 8 * k)
        fits = fits and (numbers >> k & 1 != 0 or its == mine or its + nbytes <= mine or mine + nbytes <= its)
    return fits


@intrinsic
def _call_for(_context: Any, result: Any, unlocked: Any, code: Any, state: Any, shares: Any, task: Any) -> Any:
    """Call the code of a formula, with Python's lock given up meanwhile or not; if it raises, give up the result."""
    words = (types.int64,) * 3

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        api = context.get_python_api(builder)
        result, unlocked, code, *values = args
        saved = cgutils.alloca_once_value(builder, cgutils.get_null_value(ir.IntType(8).as_pointer()))
        with builder.if_then(unlocked, likely=False):
            builder.store(api.save_thread(), saved)
        callee = builder.inttoptr(code, context.call_conv.get_function_type(types.int64, words).as_pointer())
        status, _ = context.call_conv.call_function(builder, callee, types.int64, words, values)
        with builder.if_then(unlocked, likely=False):
            api.restore_thread(builder.load(saved))
        with cgutils.if_unlikely(builder, status.is_error):
            api.decref(builder.inttoptr(result, api.pyobj))
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(given, types.boolean, types.int64, *words), emit


launch = entry(_launch, *[types.int64] * 4, *[given] * 3)
"""``launch(state, shares, code, size, out, arguments, task)``: C-contiguous arrays of ``size``, and floats, in a tuple.

They must fit one another: nothing is looked at. ``task`` is room: an array of int64, two and one for each argument.
"""
attempt = entry(_attempt, *[given] * 3)
"""``attempt(kit, out, arguments)``: a kit, any object, and a tuple of any objects.

Returns the result, ``out`` or a new array, if the arguments are plain C-contiguous arrays of one native float dtype and
one shape, with at least one axis, and Python's own numbers; and ``out`` is such an array too, which may lie exactly
over others, and fits into the caches; or None, and the result has few bytes. Else it returns None, and nothing was
done.
"""
