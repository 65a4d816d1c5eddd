"""The states of a kernel, and the steps between them."""

from __future__ import annotations

from enum import StrEnum

from workbench.errors import StateError


class State(StrEnum):
    """Where a kernel is in its life; equal to its name: ``handle.state == "active"``."""

    LAUNCHED = "launched"
    """It takes messages, which wait; it has not run yet."""
    ACTIVE = "active"
    """It runs what comes."""
    DEACTIVATED = "deactivated"
    """It takes messages, which wait; its state is kept."""
    TERMINATED = "terminated"
    """It takes nothing more. Replies that were not received yet still can be."""


STEPS: dict[State, tuple[State, ...]] = {
    State.LAUNCHED: (State.ACTIVE, State.TERMINATED),
    State.ACTIVE: (State.DEACTIVATED, State.TERMINATED),
    State.DEACTIVATED: (State.ACTIVE, State.TERMINATED),
    State.TERMINATED: (),
}
"""From each state the ones that may follow."""


def check_step(kernel: str, old: State, new: State) -> None:
    """Raise unless a kernel may go from one state to another.

    Raises
    ------
    workbench.errors.StateError
        With both states, and where the kernel may go instead.
    """
    if new in STEPS[old]:
        return
    allowed = " or ".join(STEPS[old])
    instead = f"From {old} it may become {allowed}" if allowed else "Launch a new kernel in its place"
    raise StateError(f"Kernel {kernel!r} is {old} and cannot become {new}. {instead}.")
