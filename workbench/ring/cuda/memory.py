"""Memory and streams of the driver's, in the current context."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from fused_kernels.cuda import driver

NOT_READY = 600
"""CUDA_ERROR_NOT_READY: a stream still has work."""
_PORTABLE_AND_MAPPED = 1 | 2
_NON_BLOCKING = 1
"""A stream that neither waits for the default one nor holds it up."""


class Pinned(NamedTuple):
    """Memory of the host that the GPU sees.

    Parameters
    ----------
    host, device
        Its address, here and there.
    size
        Bytes.
    view
        The bytes.
    words
        The same as numbers of 8 bytes, each of which is read and written at once.
    """

    host: int
    device: int
    size: int
    view: memoryview[int]
    words: memoryview[int]


def pinned(size: int) -> Pinned:
    """Return new memory of the host, all zero."""
    library, host, device = driver.driver_library(), ctypes.c_void_p(), ctypes.c_uint64()
    driver.check(library.cuMemHostAlloc(ctypes.byref(host), ctypes.c_size_t(size), _PORTABLE_AND_MAPPED))
    driver.check(library.cuMemHostGetDevicePointer_v2(ctypes.byref(device), host, 0))
    assert host.value is not None
    ctypes.memset(host.value, 0, size)
    view = memoryview((ctypes.c_char * size).from_address(host.value)).cast("B")
    return Pinned(host.value, device.value, size, view, view.cast("Q"))


def free(what: Pinned | int) -> None:
    """Give memory back, of the host or of the device; nobody may touch it any more."""
    library = driver.driver_library()
    if isinstance(what, Pinned):
        driver.check(library.cuMemFreeHost(ctypes.c_void_p(what.host)))
    else:
        driver.check(library.cuMemFree_v2(ctypes.c_uint64(what)))


def zeros(size: int) -> int:
    """Return the address of new memory on the device, all zero."""
    library, found = driver.driver_library(), empty(size)
    driver.check(library.cuMemsetD8_v2(ctypes.c_uint64(found), 0, ctypes.c_size_t(size)))
    driver.check(library.cuStreamSynchronize(None))  # which has filled it, and is not the one of the kernel
    return found


def empty(size: int) -> int:
    """Return the address of new memory on the device."""
    found = ctypes.c_uint64()
    driver.check(driver.driver_library().cuMemAlloc_v2(ctypes.byref(found), ctypes.c_size_t(size)))
    return found.value


def copy(to: int, source: int, size: int) -> None:
    """Copy from one place on the device to another one, and wait for it."""
    driver.check(
        driver.driver_library().cuMemcpyDtoD_v2(ctypes.c_uint64(to), ctypes.c_uint64(source), ctypes.c_size_t(size))
    )
    driver.check(driver.driver_library().cuStreamSynchronize(None))


def upload(to: int, values: np.ndarray[Any, Any]) -> None:
    """Copy an array, in C order, to the device."""
    driver.check(
        driver.driver_library().cuMemcpyHtoD_v2(
            ctypes.c_uint64(to), ctypes.c_void_p(values.ctypes.data), ctypes.c_size_t(values.nbytes)
        )
    )


def download(source: int, values: np.ndarray[Any, Any]) -> None:
    """Copy from the device into an array in C order."""
    driver.check(
        driver.driver_library().cuMemcpyDtoH_v2(
            ctypes.c_void_p(values.ctypes.data), ctypes.c_uint64(source), ctypes.c_size_t(values.nbytes)
        )
    )


def stream() -> int:
    """Return a new stream that neither waits for the default one nor holds it up."""
    found = ctypes.c_void_p()
    driver.check(driver.driver_library().cuStreamCreate(ctypes.byref(found), _NON_BLOCKING))
    assert found.value is not None
    return found.value


def end_stream(handle: int) -> None:
    """Give a stream back."""
    driver.check(driver.driver_library().cuStreamDestroy_v2(ctypes.c_void_p(handle)))


def settle(handle: int) -> None:
    """Wait until a stream has done all that it was given."""
    driver.check(driver.driver_library().cuStreamSynchronize(ctypes.c_void_p(handle)))
