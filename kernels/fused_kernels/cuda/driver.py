"""Kernels on the card: loaded once for each device, started by the driver on the caller's stream.

The driver is called itself, and neither CuPy nor torch: it is there wherever there is a GPU, serves the arrays of both,
and starts a kernel in a few microseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Iterable, Iterator
from typing import Any

from fused_kernels.errors import KernelError

from .compile import ENTRY, machine_code
from .launch import Launch
from .source import Kernel

_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""
_functions: dict[tuple[Kernel, int], ctypes.c_void_p] = {}


def start(launches: Iterable[tuple[Launch, bytes]], device: int, stream: int) -> None:
    """Start kernels in order, without waiting for any.

    Raises
    ------
    KernelError
        If the driver refuses one, in its own words.
    """
    driver = driver_library()
    with current(device):
        for launch, packed in launches:
            function = function_of(launch.kernel, device)
            # The driver copies what the pointers point to before it returns.
            pointer = ctypes.cast(ctypes.c_char_p(packed), ctypes.c_void_p)
            pointers = (ctypes.c_void_p * 1)(pointer.value)
            check(
                driver.cuLaunchKernel(
                    function, launch.grid, 1, 1, launch.block, 1, 1, 0, ctypes.c_void_p(stream), pointers, None
                )
            )


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
    driver, handle, found = driver_library(), _device(device), ctypes.c_int()
    parts = []
    for attribute in (_MAJOR, _MINOR):
        check(driver.cuDeviceGetAttribute(ctypes.byref(found), attribute, handle))
        parts.append(found.value)
    return f"sm_{parts[0]}{parts[1]}"


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


def _device(device: int) -> ctypes.c_int:
    found = ctypes.c_int()
    check(driver_library().cuDeviceGet(ctypes.byref(found), device))
    return found


@functools.cache
def _context(device: int) -> ctypes.c_void_p:
    found = ctypes.c_void_p()
    check(driver_library().cuDevicePrimaryCtxRetain(ctypes.byref(found), _device(device)))
    return found
