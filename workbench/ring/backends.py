"""Where kernels run: the CPU, or a GPU if there is one that can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from fused_kernels.cuda.compile import nvrtc_library
from fused_kernels.errors import KernelError
from workbench.errors import InputError
from workbench.text import did_you_mean

if TYPE_CHECKING:
    from .cuda.pool import Pool

Backend = Literal["auto", "cpu", "cuda"]


class Chosen(NamedTuple):
    """A backend, and why it is this one.

    Parameters
    ----------
    name, why
        For a person.
    pool
        The rings of the GPU; None on the CPU.
    """

    name: str
    why: str
    pool: Pool | None = None


def choose(backend: str) -> Chosen:
    """Return the backend that was asked for, or the best one.

    Raises
    ------
    workbench.errors.InputError
        If there is no such backend, or ``"cuda"`` cannot run here.
    """
    if backend not in get_args(Backend):
        known = ", ".join(map(repr, get_args(Backend)))
        raise InputError(f"backend={backend!r} is none of {known}.{did_you_mean(backend, get_args(Backend))}")
    if backend == "cpu":
        return Chosen("cpu", "it was asked for")
    if backend == "auto":
        # A GPU is not looked for: the driver would start, and take memory, in every process that makes a runtime.
        return Chosen("cpu", 'auto: messages go to a GPU where backend="cuda" asks for it')
    try:
        return _on_gpu()
    except KernelError as error:
        raise InputError(
            f'backend="cuda" cannot run here: {error} Look with nvidia-smi whether the driver sees a GPU, or use '
            'backend="cpu".'
        ) from error


def _on_gpu() -> Chosen:
    from .cuda.facts import facts_of, obstacle
    from .cuda.pool import Pool

    facts = facts_of(0)
    if why_not := obstacle(facts):
        raise KernelError(f"{why_not}.")
    nvrtc_library()
    pool = Pool(0, facts)
    return Chosen("cuda", f"it was asked for: {pool.why}", pool)
