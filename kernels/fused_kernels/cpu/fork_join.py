"""A loop cut into shares, one for each thread: workers that spin for a moment and then sleep, and whoever calls.

A parallel loop of 10 µs is over before the threads of TBB or OpenMP are awake, or their spinning disturbs everybody
else. Here a worker that has just finished spins for about 100 µs, where the next call finds it within 0.2 µs, and
then sleeps. Share k is always offered to worker k, so that in a row of calls a part of an array stays in the caches of
one core. A worker that finds itself on the caller's core moves to another (see `cores`). The caller takes back each
share whose worker has not come, so it never waits for a thread to wake up; a second call at the same time computes all
its shares itself. An exception of a share, which ends that share only, is raised by the caller when all are done.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import atomic, python_lock
from .addresses import call, on_stack, put_at, word_at
from .compile import inline, kernel
from .cores import current_core, leave_core

_SPINS = 4000
"""Pauses before a worker sleeps: 100 µs on Zen 5."""
_PATIENCE = 10_000
"""Pauses before the caller yields its core to a worker that was interrupted in its share."""
_RARELY = 110_000
"""Nanoseconds from the end of a call to the next for which no worker stays awake."""
_WAKING = 50_000
"""Nanoseconds until a worker that was woken comes; what the caller alone does in that time it better does.

To wake it takes the caller 7 µs of them.
"""
_USUAL = 1_500
"""Nanoseconds that a loop takes on one thread at the size from which threads pay."""

# The state is raw memory that workers and callers share: words on cache lines of their own, a block for each worker.
_BUSY, _GENERATION, _FINISHED, _STOP = 0, 64, 128, 192
_CODE, _ARGUMENTS, _SHARES, _CORE, _CALLED = 256, 264, 272, 280, 288
_WORKERS = 320
_OFFERED, _ASLEEP, _MUTEX, _CONDITION, _BLOCK = 0, 64, 128, 192, 256


def state_bytes(workers: int) -> int:
    """Return the size of the state of so many workers, which starts as zeros on a cache line."""
    return _WORKERS + workers * _BLOCK


def parallel(name: str, body: Callable[..., None], *, key: str | None = "") -> Callable[..., int]:
    """Compile ``body(share, shares, *arguments)`` so that it runs once for each share, on as many threads.

    Parameters
    ----------
    name, key
        As in `kernel`.
    body
        Compiled, to be inlined: a function that does the part ``share`` of ``shares`` of the work.

    Returns
    -------
    callable
        ``launch(state, shares, *arguments)`` returns how many shares workers took. ``state`` is the address of the
        workers' state; with one share it is not used.
    """

    def launch(state: int, shares: int, *arguments: Any) -> Any:
        code, kept = _task(body, arguments)
        taken = run(state, shares, code, kept)
        _raise_from(kept)
        return taken

    return kernel(name, key=key)(launch)


@kernel("threads.prepare")
def prepare(state: int, workers: int) -> None:
    """Make what `workers` sleep on."""
    for worker in range(workers):
        block = state + _WORKERS + worker * _BLOCK
        _mutex_init(block + _MUTEX, 0)
        _condition_init(block + _CONDITION, 0)


@kernel("threads.work")
def work(state: int, worker: int) -> None:
    """Take shares until `stop`; the body of the thread ``worker``, counted from 1."""
    block = state + _WORKERS + (worker - 1) * _BLOCK
    while atomic.load(state + _STOP) == 0:
        spins = 0
        while atomic.load(block + _OFFERED) == 0 and spins < _SPINS:
            atomic.pause()
            spins += 1
        offered = atomic.load(block + _OFFERED)
        if offered == 0:
            _mutex_lock(block + _MUTEX)
            atomic.store(block + _ASLEEP, 1)  # 2 when it was told to wake up
            # Whoever offers or stops looks at _ASLEEP after having written, so one of the two sees the other.
            if atomic.load(block + _OFFERED) == 0 and atomic.load(state + _STOP) == 0:
                _condition_wait(block + _CONDITION, block + _MUTEX)
            atomic.store(block + _ASLEEP, 0)
            _mutex_unlock(block + _MUTEX)
        elif atomic.swap_if(block + _OFFERED, offered, 0):
            leave_core(atomic.load(state + _CORE))
            call(atomic.load(state + _CODE), (atomic.load(state + _ARGUMENTS), worker, atomic.load(state + _SHARES)))
            atomic.add(state + _FINISHED, 1)


@kernel("threads.stop")
def stop(state: int, workers: int) -> None:
    """Let all workers return."""
    atomic.store(state + _STOP, 1)
    for worker in range(workers):
        _wake(state + _WORKERS + worker * _BLOCK)


@inline
def run(state: int, shares: int, code: int, arguments: int) -> int:
    """Call the machine code ``code(arguments, share, shares)`` for each share; return how many workers took."""
    if shares == 1 or not atomic.swap_if(state + _BUSY, 0, 1):
        for share in range(shares):
            call(code, (arguments, share, shares))
        return 0
    generation = atomic.load(state + _GENERATION) + 1
    atomic.store(state + _GENERATION, generation)
    atomic.store(state + _CODE, code)
    atomic.store(state + _ARGUMENTS, arguments)
    atomic.store(state + _SHARES, shares)
    atomic.store(state + _CORE, current_core())
    atomic.store(state + _FINISHED, 0)
    for share in range(1, shares):
        block = state + _WORKERS + (share - 1) * _BLOCK
        # The number of the call, so that a late worker cannot mistake this offer for one that was taken back.
        atomic.store(block + _OFFERED, generation)
        if atomic.swap_if(block + _ASLEEP, 1, 2):
            _wake(block)
    call(code, (arguments, 0, shares))
    taken = 0
    for share in range(shares - 1, 0, -1):
        if atomic.swap_if(state + _WORKERS + (share - 1) * _BLOCK + _OFFERED, generation, 0):
            call(code, (arguments, share, shares))
        else:
            taken += 1
    pauses = 0
    while atomic.load(state + _FINISHED) < taken:
        atomic.pause()
        pauses += 1
        if pauses > _PATIENCE:
            _yield_core()
    atomic.store(state + _BUSY, 0)
    return taken


@inline
def run_holding(state: int, shares: int, code: int, arguments: int) -> None:
    """Do the same with Python's lock, which is given up meanwhile unless one share is all there is."""
    if shares == 1:
        call(code, (arguments, 0, 1))
    else:
        saved = python_lock.give_up()
        run(state, shares, code, arguments)
        python_lock.take_back(saved)


@inline
def team(board: int, pace: int, nbytes: int, parallel_from: int) -> tuple[int, int, int]:
    """Return state and shares for a loop over so many bytes, as `threads.board` has them; see `forms.shares_of`.

    There are no shares while the workers have to be started, and one where it would take longer to wake them, as far as
    the word at ``pace`` tells, or before it does, the size. Then the third is the time, for `note_pace`; else it is 0.
    """
    if nbytes < parallel_from:
        return 0, 1, 0
    state, most = word_at(board), word_at(board + 8)
    if most > 1 and atomic.load(state + _WORKERS + _ASLEEP) != 0:
        now, known = _nanoseconds(), word_at(pace)
        expected = known * nbytes >> 20 if known != 0 else _USUAL * nbytes // parallel_from
        if now - word_at(state + _CALLED) > _RARELY:
            if expected < _WAKING:
                return state, 1, now
            put_at(pace, known - (known >> 3))  # so that it is measured again, should it have been disturbed
    return state, min(most, 2 * nbytes // parallel_from), 0


@inline
def note_pace(state: int, pace: int, began: int, nbytes: int) -> None:
    """Write down how long the loop has taken on one thread, in nanoseconds for each MiB, and when it was done."""
    if began != 0:
        now = _nanoseconds()
        put_at(pace, ((now - began) << 20) // nbytes)
        put_at(state + _CALLED, now)


@inline
def _nanoseconds() -> int:
    room = _time_room()
    _clock_gettime(_MONOTONIC, room)
    seconds, rest = word_at(room), word_at(room + 8)
    found: int = seconds * 1_000_000_000 + rest
    return found


@inline
def _wake(block: int) -> None:
    _mutex_lock(block + _MUTEX)
    _condition_signal(block + _CONDITION)
    _mutex_unlock(block + _MUTEX)


_WORD = ir.IntType(64)
_INT = types.intc
_mutex_init = types.ExternalFunction("pthread_mutex_init", _INT(types.int64, types.int64))
_mutex_lock = types.ExternalFunction("pthread_mutex_lock", _INT(types.int64))
_mutex_unlock = types.ExternalFunction("pthread_mutex_unlock", _INT(types.int64))
_condition_init = types.ExternalFunction("pthread_cond_init", _INT(types.int64, types.int64))
_condition_wait = types.ExternalFunction("pthread_cond_wait", _INT(types.int64, types.int64))
_condition_signal = types.ExternalFunction("pthread_cond_signal", _INT(types.int64))
_yield_core = types.ExternalFunction("sched_yield", _INT())
_clock_gettime = types.ExternalFunction("clock_gettime", _INT(types.int64, types.int64))
_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", 1)
_time_room = on_stack(16)


@intrinsic
def _task(_context: Any, body: Any, arguments: Any) -> Any:
    """Return the addresses of a function that calls ``body(share, shares, *arguments)``, and of the arguments.

    Arguments and the error of a share lie on the caller's stack; it must not return before all shares are done.
    """
    called = body.get_call_type(_context, (types.intp, types.intp, *arguments.types), {})

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        compiled = body.dispatcher.get_compile_result(called)
        context.active_code_library.add_linking_library(compiled.library)
        kept = cgutils.alloca_once(builder, ir.LiteralStructType([_ERROR, args[1].type]))
        builder.store(_no_error(), cgutils.gep_inbounds(builder, kept, 0, 0))
        builder.store(args[1], cgutils.gep_inbounds(builder, kept, 0, 1))
        name = builder.module.get_unique_name("share")
        function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [_WORD] * 3), name)
        function.linkage = "internal"
        inside = ir.IRBuilder(function.append_basic_block())
        values = list(function.args[1:])
        given = inside.inttoptr(function.args[0], kept.type)
        values += cgutils.unpack_tuple(inside, inside.load(cgutils.gep_inbounds(inside, given, 0, 1)))
        if body.dispatcher.py_func.__code__.co_flags & inspect.CO_VARARGS:
            named = body.dispatcher.py_func.__code__.co_argcount
            values[named:] = [context.make_tuple(inside, called.args[-1], values[named:])]
        status, _ = context.call_internal_no_propagate(inside, compiled.fndesc, called, values)
        with cgutils.if_unlikely(inside, status.is_error):
            error = inside.insert_value(_no_error(), status.code, 0)
            error = inside.insert_value(error, inside.bitcast(status.excinfoptr, _ERROR.elements[1]), 1)
            inside.store(error, cgutils.gep_inbounds(inside, given, 0, 0))
        inside.ret_void()
        addresses = [builder.ptrtoint(function, _WORD), builder.ptrtoint(kept, _WORD)]
        return context.make_tuple(builder, sig.return_type, addresses)

    return types.UniTuple(types.int64, 2)(body, arguments), emit


_ERROR = ir.LiteralStructType([ir.IntType(32), ir.IntType(8).as_pointer()])
"""What a function of Numba returns, 0 if it raised nothing, and where it says what it raised."""


def _no_error() -> Any:
    return ir.Constant(_ERROR, None)


@intrinsic
def _raise_from(_context: Any, kept: Any) -> Any:
    """Raise what a share has raised, if any has."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        error = builder.load(builder.inttoptr(args[0], _ERROR.as_pointer()))
        code = builder.extract_value(error, 0)
        with cgutils.if_unlikely(builder, cgutils.is_not_null(builder, code)):
            where = context.call_conv._get_excinfo_argument(builder.function).type.pointee
            said = builder.bitcast(builder.extract_value(error, 1), where)
            context.call_conv.return_status_propagate(
                builder, context.call_conv._get_return_status(builder, code, said)
            )
        return context.get_dummy_value()

    return types.void(kept), emit
