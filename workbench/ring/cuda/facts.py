"""What the driver says of a GPU, and whether a kernel may stay on it."""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path
from typing import NamedTuple

from fused_kernels.cuda import driver

_NAME = 100
_MULTIPROCESSORS, _TIMEOUT, _MAPS, _MODE, _MAJOR = 16, 17, 19, 20, 75
"""CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, _KERNEL_EXEC_TIMEOUT, _CAN_MAP_HOST_MEMORY, _COMPUTE_MODE, and
_COMPUTE_CAPABILITY_MAJOR."""
_PROHIBITED = 2
_ORDERED = ("x86_64", "AMD64", "i686")
"""Hosts whose stores others see in their order, without a fence that Python has no word for."""


class Facts(NamedTuple):
    """What matters of a GPU and its host.

    Parameters
    ----------
    name
        Of the GPU.
    multiprocessors
        How many it has.
    major
        The first number of its compute capability.
    timeout
        Whether the driver ends kernels that take long, as it does where the card also draws the screen.
    maps
        Whether the GPU sees memory of the host.
    mode
        The compute mode: 0 default, 2 prohibited, 3 one process.
    system
        ``"linux"``, ``"win32"``, or ``"wsl"``.
    machine
        The host's processors, as ``"x86_64"``.
    """

    name: str
    multiprocessors: int
    major: int
    timeout: bool
    maps: bool
    mode: int
    system: str
    machine: str


def facts_of(device: int) -> Facts:
    """Ask the driver.

    Raises
    ------
    fused_kernels.errors.KernelError
        If there is none, or no such GPU.
    """
    library, handle, found = driver.driver_library(), ctypes.c_int(), ctypes.c_int()
    driver.check(library.cuDeviceGet(ctypes.byref(handle), device))

    def fact(attribute: int) -> int:
        driver.check(library.cuDeviceGetAttribute(ctypes.byref(found), attribute, handle))
        return found.value

    name = ctypes.create_string_buffer(_NAME)
    driver.check(library.cuDeviceGetName(name, _NAME, handle))
    return Facts(
        name=name.value.decode(),
        multiprocessors=fact(_MULTIPROCESSORS),
        major=fact(_MAJOR),
        timeout=bool(fact(_TIMEOUT)),
        maps=bool(fact(_MAPS)),
        mode=fact(_MODE),
        system="wsl" if Path("/dev/dxg").exists() else sys.platform,
        machine=platform.machine(),
    )


def obstacle(facts: Facts) -> str:
    """Return why no message can reach the GPU; empty if they can."""
    if facts.major < 7:
        return f"{facts.name} has compute capability {facts.major}.x, and fences for the whole system need 7.0"
    if facts.mode == _PROHIBITED:
        return f"{facts.name} is in compute mode 'prohibited'; an administrator changes that: nvidia-smi -c DEFAULT"
    if not facts.maps:
        return f"{facts.name} does not see the host's memory, in which the messages lie"
    return ""


def why_not_persistent(facts: Facts) -> str:
    """Return why no kernel may stay on the card, so that each batch of messages is a launch; empty if one may."""
    if facts.system in ("win32", "wsl"):
        return "under Windows the driver collects launches and ends long ones"
    if facts.timeout:
        return "the driver ends long kernels here, as the card draws a screen"
    if facts.machine not in _ORDERED:
        return f"a {facts.machine} host may let its stores be seen in another order"
    return ""
