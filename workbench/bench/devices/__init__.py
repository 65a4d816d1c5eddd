"""GPUs to race on: what a race needs of one, and which there is. One file for each library that can reach one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from workbench.bench.environment import gpu
from workbench.errors import InputError, MissingLibraryError

CPU, CUDA = "cpu", "cuda"
INSTALL = 'pip install "fusion-workbench[gpu]" for CuPy, or torch with CUDA as https://pytorch.org tells'


class Captured(Protocol):
    """A call that was captured as a graph."""

    returned: Any
    """What the call returned; each replay writes it anew."""

    def replay(self) -> None:
        """Enqueue the graph on the stream that is current."""


class Device(Protocol):
    """A GPU with a stream of its own, on which a race runs.

    What is enqueued (calls, marks, holds and flushes) runs in order, while the CPU goes on.

    Attributes
    ----------
    name
        As its driver tells it, such as ``"NVIDIA H200"``.
    library
        Whose arrays it makes and whose events it takes, with its version.
    l2
        Bytes of its second-level cache.
    """

    name: str
    library: str
    l2: int

    def __hash__(self) -> int:
        """Tell it from others."""

    def current(self) -> AbstractContextManager[Any]:
        """Make its stream the current one, for every library whose arrays are raced."""

    def put(self, values: Any, dtype: str | None = None) -> Any:
        """Return a new array of these values, a NumPy array; in another dtype if one is named."""

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new C-contiguous array."""

    def write(self, array: Any, values: Any) -> None:
        """Write the values of a NumPy array of the same shape into an array."""

    def copy(self, array: Any, other: Any) -> None:
        """Enqueue a copy of one array's values into another one of the same shape and dtype."""

    def record(self) -> Any:
        """Enqueue a mark, which takes the device's time when all before it is done."""

    def reached(self, mark: Any) -> bool:
        """Tell whether a mark has taken its time."""

    def seconds(self, first: Any, last: Any) -> float:
        """Return the seconds between two marks that were reached, by the device's clock."""

    def wait(self) -> None:
        """Wait until all that was enqueued on its stream is done; other streams are none of its business."""

    def idle(self) -> None:
        """Wait until the device has nothing to do, on any stream."""

    def flush(self) -> None:
        """Enqueue a write of several times the second-level cache, after which nothing else is in it."""

    def hold(self, seconds: float) -> None:
        """Enqueue a pause, in which the CPU can enqueue more; it ends by itself."""

    def capture(self, call: Callable[[], Any]) -> Captured:
        """Return a call as a graph; whatever the library raises if it cannot be captured."""


def find(device: str | Device | None, inputs: Any = None) -> Device | None:
    """Return the device of a name; None for the CPU.

    Its arrays are torch's where torch sees the GPU, else CuPy's; where ``inputs`` has arrays of CuPy, the other way
    round, since functions that are to be raced on them may know no tensors.

    Raises
    ------
    workbench.errors.InputError
        For another name, or if there is no GPU.
    workbench.errors.MissingLibraryError
        If there is one, and no library that can reach it.
    """
    if device is None or device == CPU:
        return None
    if not isinstance(device, str) and hasattr(device, "record"):
        return device
    if device != CUDA:
        raise InputError(f"device= is 'cpu' or 'cuda'; got {device!r}.")
    reasons = []
    makers = [("torch", "TorchDevice"), ("cupy", "CuPyDevice")]
    for library, maker in reversed(makers) if _has_cupy(inputs) else makers:
        try:
            found = _made(library, maker)
        except ImportError:
            reasons.append(f"{library} is not installed")
        except Exception as error:  # a driver too old, a card in use: each library has errors of its own
            reasons.append(f"{library}: {next(iter(str(error).splitlines()), type(error).__name__)}")
        else:
            return found
    said = "; ".join(reasons)
    if not gpu():
        raise InputError(
            f"There is no NVIDIA GPU here to race on ({said}). device='cpu' races on this machine's cores."
        )
    raise MissingLibraryError(f"The {gpu()} cannot be reached ({said}): {INSTALL}.")


def _has_cupy(inputs: Any) -> bool:
    """Tell whether an array of CuPy is among the inputs of a race."""
    values = (
        inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, tuple | list) else (inputs,)
    )
    return any(type(value).__module__.partition(".")[0] == "cupy" for value in values)


@cache
def _made(library: str, maker: str) -> Device:
    """Return a library's device, one for the process: what it has measured of the GPU stays true."""
    device: Device = getattr(import_module(f".{library}", __name__), maker)()
    return device
