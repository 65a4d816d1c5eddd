"""How long a message takes to the GPU and back, beside a launch of the same work, and a graph of it.

Needs NumPy and NVIDIA's driver, and no library of arrays. Each reply's checksum, which the GPU computes of what it has
computed, is compared with that of the right values; what a launch leaves in memory is compared before and after.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from fused_kernels.cuda import driver
from fused_kernels.cuda.launch import Launch
from workbench.errors import RaceError
from workbench.ring.sampling import Timer, sampled

from . import memory
from . import program as programs
from .facts import facts_of
from .layout import COMMAND, DTYPES, PARTS, Command, Operation, Reply, checksum
from .plans import PLANS
from .program import Program, kernel

RING, LAUNCH, GRAPH = "send, GPU, reply", "launch, synchronise", "graph replay, synchronise"
NUMBERS, SOFTMAX = "256 numbers, GPU", "1 MB softmax, GPU"
_PART = 32
"""Bytes of what a chunk leaves behind."""


class Question(NamedTuple):
    """What is asked of the GPU.

    Parameters
    ----------
    operation
        Which.
    x
        Of what: float32, rows and columns.
    right
        The answer, in float64.
    tolerance
        By which float32 may differ from it.
    """

    operation: Operation
    x: np.ndarray[Any, Any]
    right: np.ndarray[Any, Any]
    tolerance: float


def questions() -> dict[str, Question]:
    """Return what is asked, by the name of the message."""
    draw = np.random.default_rng(0)
    few = draw.standard_normal((1, 256), np.float32)
    rows = draw.standard_normal((512, 512), np.float32)
    powers = np.exp(rows - rows.max(1, keepdims=True), dtype=np.float64)
    return {
        NUMBERS: Question(Operation.SCALE, few, few * 2.0, 0.0),
        SOFTMAX: Question(Operation.SOFTMAX, rows, powers / powers.sum(1, keepdims=True), 1e-6),
    }


def timed(
    message: str, rounds: int, seed: int, step: Callable[[int], object], *, device: int = 0
) -> dict[str, list[float]]:
    """Return the samples of each way of a message: seconds of a round trip, one a round.

    Parameters
    ----------
    message
        One of `questions`.
    rounds, seed
        How many samples, and of the order in each round.
    step
        Is told of each round before it.
    device
        The number of the GPU.

    Raises
    ------
    workbench.errors.RaceError
        If a result is wrong, or a reply says another checksum than that of the result.
    fused_kernels.errors.KernelError
        If the driver refuses something.
    """
    with ExitStack() as stack:
        stack.enter_context(driver.current(device))
        bench = _Bench(questions()[message], device, stack)

        def settle() -> None:
            with bench.program.quiet():  # so that the polls of one way are not beside the next one
                pass

        step(0)
        bench.check()
        samples = sampled(bench.ways, rounds, seed, settle=settle, step=step)
        bench.check()
    return samples


class _Bench:
    """One message, and the ways to have it answered; what it takes of the driver it gives back with the stack."""

    def __init__(self, asked: Question, device: int, stack: ExitStack) -> None:
        self._asked, size = asked, asked.x.nbytes
        x, self._out, parts = (_memory(bytes_, stack) for bytes_ in (size, size, PARTS * _PART))
        memory.upload(x, asked.x)
        rows, columns = asked.x.shape
        command = Command(1, asked.operation, DTYPES["float32"], x, 0, self._out, rows, columns, factor=2.0)
        self._command = PLANS[asked.operation](command)
        assert not self._command.first, "a launch does one phase"
        self.program = Program(device, facts_of(device))
        stack.callback(self.program.close)
        ring = self.program.ring()
        assert ring is not None
        self._ring = ring
        self._checksum = 0
        self._once = _Once(self._command, parts, device, stack)
        self.ways: dict[str, Timer] = {RING: self._through_ring, LAUNCH: self._once.launch, GRAPH: self._once.replay}

    def check(self) -> None:
        """Compare what each way leaves in memory with what it should be, and learn the checksum of that."""
        found = np.empty_like(self._asked.x)
        for way, run in self.ways.items():
            memory.upload(self._out, np.full_like(found, np.nan))
            if way == RING:
                reply = self._told()
            else:
                run(1)
            memory.download(self._out, found)
            if not np.allclose(found, self._asked.right, rtol=self._asked.tolerance, atol=self._asked.tolerance):
                raise RaceError(f"The way {way!r} gave a wrong result, so its time means nothing.")
            if way == RING:
                self._checksum = checksum(found)
                _compare(reply, self._checksum)

    def _told(self) -> Reply:
        self._ring.post(self._command)
        reply = self._ring.take()
        assert reply is not None
        return reply

    def _through_ring(self, calls: int) -> float:
        told, right = self._told, self._checksum
        began = time.perf_counter()
        for _ in range(calls):
            _compare(told(), right)
        return time.perf_counter() - began


class _Once:
    """The same work as an ordinary kernel, started by a launch or as a graph; each time is waited for."""

    def __init__(self, command: Command, parts: int, device: int, stack: ExitStack) -> None:
        library = driver.driver_library()
        self._packed = bytes(8) + COMMAND.pack(*command) + parts.to_bytes(8, "little")
        self._stream = memory.stream()
        stack.callback(memory.end_stream, self._stream)
        launch = Launch(kernel("once(a);", "OnceArguments"), command.chunks, programs.THREADS, ())
        self._start = driver.starter(launch, device)
        graph, node, self._graph = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        driver.check(library.cuGraphCreate(ctypes.byref(graph), 0))
        stack.callback(library.cuGraphDestroy, graph)
        argument = ctypes.create_string_buffer(self._packed, len(self._packed))
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(argument))
        function = driver.function_of(launch.kernel, device)
        params = _KernelNode(function, (launch.grid, 1, 1), (launch.block, 1, 1), 0, ctypes.addressof(arguments))
        driver.check(
            library.cuGraphAddKernelNode_v2(ctypes.byref(node), graph, None, ctypes.c_size_t(0), ctypes.byref(params))
        )
        driver.check(library.cuGraphInstantiateWithFlags(ctypes.byref(self._graph), graph, ctypes.c_uint64(0)))
        stack.callback(library.cuGraphExecDestroy, self._graph)
        self._replay, self._synchronise = library.cuGraphLaunch, library.cuStreamSynchronize

    def launch(self, calls: int) -> float:
        """Launch and wait so often."""
        start, packed, stream, synchronise, check = (
            self._start,
            self._packed,
            self._stream,
            self._synchronise,
            driver.check,
        )
        handle = ctypes.c_void_p(stream)
        began = time.perf_counter()
        for _ in range(calls):
            start(packed, stream)
            check(synchronise(handle))
        return time.perf_counter() - began

    def replay(self, calls: int) -> float:
        """Replay the graph and wait so often."""
        replay, graph, synchronise, check = self._replay, self._graph, self._synchronise, driver.check
        handle = ctypes.c_void_p(self._stream)
        began = time.perf_counter()
        for _ in range(calls):
            check(replay(graph, handle))
            check(synchronise(handle))
        return time.perf_counter() - began


class _KernelNode(ctypes.Structure):
    """CUDA_KERNEL_NODE_PARAMS_v2."""

    _fields_ = (
        ("function", ctypes.c_void_p),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("arguments", ctypes.c_void_p),
        ("extra", ctypes.c_void_p),
        ("kernel", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    )


def _memory(size: int, stack: ExitStack) -> int:
    address = memory.empty(size)
    stack.callback(memory.free, address)
    return address


def _compare(reply: Reply, right: int) -> None:
    if reply.checksum != right or reply.status:
        raise RaceError(f"A reply says another checksum than that of the result, {right}: {reply}.")
