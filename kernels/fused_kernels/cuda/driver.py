"""Kernels on the card: loaded once for each device, started by the driver on the caller's stream.

The driver is called itself, and neither CuPy nor torch: it is there wherever there is a GPU, serves the arrays of both,
and starts a kernel in a few microseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Any

from fused_kernels.errors import KernelError

from .compile import ENTRY, machine_code
from .launch import Card, Launch
from .source import Kernel

_MULTIPROCESSORS, _THREADS, _MAJOR, _MINOR = 16, 39, 75, 76
"""CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, _MAX_THREADS_PER_MULTIPROCESSOR, _COMPUTE_CAPABILITY_MAJOR, _MINOR."""
_functions: dict[tuple[Kernel, int], ctypes.c_void_p] = {}
_stream = functools.lru_cache(maxsize=256)(ctypes.c_void_p)
_Pointers = ctypes.c_char_p * 1


def starter(launch: Launch, device: int) -> Callable[[bytes, int], None]:
    """Return what starts a kernel with a packed struct on a stream, and waits for nothing.

    Raises
    ------
    KernelError
        If the driver refuses the kernel, in its own words; what is returned does the same.
    """
    with current(device):
        function = function_of(launch.kernel, device)
    driver, context, grid, block = driver_library(), _context(device).value, launch.grid, launch.block
    # By local names, since each look-up costs a call some nanoseconds.
    launch_kernel, get_current, pointer, byref = (
        driver.cuLaunchKernel,
        driver.cuCtxGetCurrent,
        ctypes.c_void_p,
        ctypes.byref,
    )

    def start(packed: bytes, stream: int) -> None:
        found = pointer()
        check(get_current(byref(found)))
        if found.value != context:
            with current(device):
                start(packed, stream)
            return
        # The driver copies what the pointers point to before it returns.
        check(launch_kernel(function, grid, 1, 1, block, 1, 1, 0, _stream(stream), _Pointers(packed), None))

    return start


def function_of(kernel: Kernel, device: int) -> ctypes.c_void_p:
    """Return the driver's handle of a kernel, whose device is current; it is compiled and loaded if it has to be."""
    found = _functions.get((kernel, device))
    if found is None:
        driver, module, found = driver_library(), ctypes.c_void_p(), ctypes.c_void_p()
        # A module is never unloaded: its kernels serve as long as the process lives.
        check(driver.cuModuleLoadData(ctypes.byref(module), machine_code(kernel, architecture(device))))
        check(driver.cuModuleGetFunction(ctypes.byref(found), module, ENTRY.encode()))
        _functions[kernel, device] = found
    return found


@functools.cache
def architecture(device: int) -> str:
    """Return the architecture of a GPU, as ``"sm_90"``."""
    return f"sm_{_attribute(_MAJOR, device)}{_attribute(_MINOR, device)}"


@functools.cache
def card(device: int) -> Card:
    """Describe a GPU."""
    return Card(_attribute(_MULTIPROCESSORS, device), _attribute(_THREADS, device))


@contextlib.contextmanager
def current(device: int) -> Iterator[None]:
    """Make the device's primary context, which is the one of CuPy and torch, current for a while."""
    driver, context, found = driver_library(), _context(device), ctypes.c_void_p()
    check(driver.cuCtxGetCurrent(ctypes.byref(found)))
    if found.value == context.value:
        yield
        return
    check(driver.cuCtxPushCurrent_v2(context))
    try:
        yield
    finally:
        check(driver.cuCtxPopCurrent_v2(ctypes.byref(found)))


@functools.cache
def driver_library() -> Any:
    """Return the driver's library, ready for use.

    Raises
    ------
    KernelError
        If there is no driver, or no GPU.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise KernelError(f"There is no driver of an NVIDIA GPU here ({error}).") from error
    check(driver.cuInit(0), driver)
    return driver


def check(status: int, driver: Any = None) -> None:
    """Raise KernelError for a status that is none of success, with the driver's name and words for it."""
    if not status:
        return
    driver, name, text = driver or driver_library(), ctypes.c_char_p(), ctypes.c_char_p()
    driver.cuGetErrorName(status, ctypes.byref(name))
    driver.cuGetErrorString(status, ctypes.byref(text))
    words = ": ".join(part.value.decode() for part in (name, text) if part.value)
    raise KernelError(f"CUDA: {words or f'error {status}'}.")


def _attribute(attribute: int, device: int) -> int:
    found = ctypes.c_int()
    check(driver_library().cuDeviceGetAttribute(ctypes.byref(found), attribute, _device(device)))
    return found.value


def _device(device: int) -> ctypes.c_int:
    found = ctypes.c_int()
    check(driver_library().cuDeviceGet(ctypes.byref(found), device))
    return found


@functools.cache
def _context(device: int) -> ctypes.c_void_p:
    found = ctypes.c_void_p()
    check(driver_library().cuDevicePrimaryCtxRetain(ctypes.byref(found), _device(device)))
    return found
