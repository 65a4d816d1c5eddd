"""What the header says about this machine."""

from __future__ import annotations

from workbench.bench.environment import environment

from . import html


def machine_chips() -> str:
    """Return chips, as HTML: cores and vector unit, with the CPU as a tooltip, and the GPU, or that there is none."""
    here = environment()
    cores = f"{here['cores']} core{'s' if here['cores'] > 1 else ''} \N{MIDDLE DOT} {here['simd']}"
    chips = [(cores, str(here["cpu"])), (here["gpu"] or "no GPU", "as the driver of this machine says")]
    return "".join(
        f'<span class="fw-chip" title="{html.escape(note)}">{html.escape(text)}</span>' for text, note in chips
    )
