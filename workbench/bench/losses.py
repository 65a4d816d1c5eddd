"""Why ours is slower where it is: known losses as data, a reason for each. The table of the suite quotes them."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

UNEXPLAINED = "not yet explained"


@dataclass(frozen=True)
class Loss:
    """A reason, and the cells that it holds for; a pattern such as ``"*"`` matches as in file names.

    Parameters
    ----------
    why
        One sentence, without a full stop.
    op, peer, shape, dtype
        Patterns; a shape reads as in ``"8x64"``.
    out
        Whether it holds with ``out=`` only (True), for new results only (False) or for both (None).
    """

    why: str
    op: str = "*"
    peer: str = "*"
    shape: str = "*"
    dtype: str = "*"
    out: bool | None = None


# The first that matches is taken, so the particular ones come before the general.
KNOWN = (
    Loss(
        op="scale",
        peer="numpy",
        shape="8x64",
        why="Python's call and the checks before the kernel cost more than NumPy's, which are in C",
    ),
    Loss(
        op="linear",
        peer="onnxruntime",
        why="its weight is a constant of the graph and is packed before the first run, ours is packed in each call",
    ),
)


def reason(op: str, peer: str, shape: tuple[int, ...], dtype: str, out: bool) -> str:
    """Return why ours loses to ``peer`` in a cell.

    >>> reason("scale", "numpy", (8, 64), "float32", True).partition(",")[0]
    "Python's call and the checks before the kernel cost more than NumPy's"
    """
    cell = {"op": op, "peer": peer, "shape": "x".join(map(str, shape)), "dtype": dtype}
    for loss in KNOWN:
        if loss.out in (None, out) and all(fnmatchcase(value, getattr(loss, name)) for name, value in cell.items()):
            return loss.why
    return UNEXPLAINED
