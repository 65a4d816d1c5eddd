"""Where kernels run: the CPU, or a GPU if there is one that can."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from workbench.errors import InputError, MissingLibraryError
from workbench.text import did_you_mean

Backend = Literal["auto", "cpu", "cuda"]


class Chosen(NamedTuple):
    """A backend, and why it is this one."""

    name: str
    why: str


def choose(backend: str) -> Chosen:
    """Return the backend that was asked for, or the best one.

    Raises
    ------
    workbench.errors.InputError, workbench.errors.MissingLibraryError
        If there is no such backend, or ``"cuda"`` cannot run here.
    """
    if backend not in get_args(Backend):
        known = ", ".join(map(repr, get_args(Backend)))
        raise InputError(f"backend={backend!r} is none of {known}.{did_you_mean(backend, get_args(Backend))}")
    if backend == "cpu":
        return Chosen("cpu", "it was asked for")
    obstacle = _obstacle()
    if backend == "cuda":
        raise obstacle
    return Chosen("cpu", f"auto: {obstacle}")


def _obstacle() -> Exception:
    """Return why no kernel can run on a GPU here."""
    use_cpu = 'or use backend="cpu"'
    try:
        import cupy
    except ImportError:
        return MissingLibraryError(
            'backend="cuda" needs CuPy, which is not installed. With an NVIDIA GPU: pip install cupy-cuda12x (or '
            f"cupy-cuda13x), {use_cpu}."
        )
    if not cupy.cuda.is_available():
        return InputError(
            'backend="cuda" needs an NVIDIA GPU, and CUDA sees none here. Look with nvidia-smi whether the driver does '
            f"and whether CUDA_VISIBLE_DEVICES hides it, {use_cpu}."
        )
    return InputError(
        'backend="cuda" has no persistent kernel in this version, so a GPU is not used by ring kernels yet. A handler '
        f"may use it through CuPy or torch on the CPU's worker, {use_cpu}."
    )
