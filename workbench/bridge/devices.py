"""Which devices there are, and what to do where one is asked for that is not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, MissingLibraryError

if TYPE_CHECKING:
    import torch

PORTABLE = 1
"""cudaHostRegisterPortable: pinned for all devices, not only for the current one."""


def resolve(device: Any, cuda: bool | None) -> torch.device:
    """Return a device that is there.

    Parameters
    ----------
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, a ``torch.device``, or the name of another accelerator that torch knows.
    cuda
        Whether CUDA may be used: None if it is there, False never.

    Raises
    ------
    workbench.errors.InputError
        If it is no device, one that is switched off, or one that this machine does not have.
    workbench.errors.MissingLibraryError
        If the installed torch was built without it.
    """
    import torch

    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise InputError(f"There is no device {device!r}. Name one as torch does: 'cpu', 'cuda' or 'cuda:0'.") from None
    if found.type == "cpu":
        return torch.device("cpu")
    if found.type == "cuda":
        return torch.device("cuda", _cuda_index(found, cuda))
    if found.type == "meta":
        raise InputError("The device 'meta' has shapes and no memory, so that nothing can be taken there.")
    module = getattr(torch, found.type, None)
    if module is None or not getattr(module, "is_available", bool)():
        raise InputError(f"This machine has no device {str(found)!r} that torch can use. Use device='cpu'.")
    return found


def require_cuda(wanted: str) -> None:
    """Raise unless torch has CUDA and sees a GPU.

    Parameters
    ----------
    wanted
        What asks for it, as a message begins.

    Raises
    ------
    workbench.errors.InputError, workbench.errors.MissingLibraryError
        As :func:`resolve`.
    """
    import torch

    if torch.version.cuda is None:
        raise MissingLibraryError(
            f"{wanted} needs CUDA, and torch {torch.__version__} was built without it. Install a build with CUDA: "
            "pip install torch --index-url https://download.pytorch.org/whl/cu126; or use device='cpu'."
        )
    if not torch.cuda.is_available():
        raise InputError(
            f"{wanted} needs CUDA, and torch sees no GPU here. Look with nvidia-smi whether the driver does and "
            "whether CUDA_VISIBLE_DEVICES hides it; or use device='cpu'."
        )


def pin_memory(address: int, nbytes: int) -> Callable[[], None]:
    """Lock memory into place for the GPU, and return what undoes it: not torch's allocator, which rounds up and keeps.

    Raises
    ------
    OSError
        If CUDA refuses, for lack of memory or of the right to lock so much.
    """
    import torch

    cudart: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
    if code := int(cudart.cudaHostRegister(address, nbytes, PORTABLE)):
        # CUDA keeps the error and would tell it to whoever asks next, which is not their fault.
        with contextlib.suppress(RuntimeError):
            torch.cuda.synchronize()
            torch.zeros(1, device="cuda").add_(1)
        raise OSError(f"cudaHostRegister refused {nbytes} bytes with error {code}")

    def unpin() -> None:
        cudart.cudaHostUnregister(address)

    return unpin


def import_cupy(cuda: bool | None) -> Any:
    """Return CuPy, which is installed and sees a GPU.

    Raises
    ------
    workbench.errors.InputError, workbench.errors.MissingLibraryError
        Where CUDA is off, CuPy is not installed, or there is no GPU.
    """
    if cuda is False:
        raise InputError("CuPy's arrays lie on a GPU, and this bridge has cuda=False. Make one with cuda=True.")
    try:
        import cupy
    except ImportError as error:
        raise MissingLibraryError(
            "CuPy is not installed. Install the one for your driver: pip install cupy-cuda12x (or cupy-cuda13x)."
        ) from error
    if not cupy.cuda.is_available():
        raise InputError(
            "CuPy is installed and sees no GPU here. Look with nvidia-smi whether the driver does, or use to_numpy."
        )
    return cupy


def _cuda_index(device: torch.device, cuda: bool | None) -> int:
    import torch

    if cuda is False:
        raise InputError(f"The device {str(device)!r} is asked for, and this bridge has cuda=False. Use cuda=None.")
    require_cuda(f"The device {str(device)!r}")
    index = torch.cuda.current_device() if device.index is None else device.index
    if index >= (count := torch.cuda.device_count()):
        there = ", ".join(f"cuda:{number}" for number in range(count))
        raise InputError(f"There is no device {str(device)!r} on this machine; there are cpu, {there}.")
    return index


def module_of(value: Any) -> str:
    """Return the library that a value's class belongs to; ``"builtins"`` for Python's own.

    >>> import array
    >>> module_of(b""), module_of(array.array("f"))
    ('builtins', 'array')
    """
    return re.match(r"\w*", type(value).__module__)[0]  # type: ignore[index]
