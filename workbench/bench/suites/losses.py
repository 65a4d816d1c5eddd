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


_FRESH = (
    "a new array of a few megabytes is at times memory fresh from the system, whose pages cost as much as the "
    "arithmetic; in a race of three there is no difference"
)
_CROWDED = (
    "the arrays are in the last cache, which those of seven contenders share: in a race of three ours takes 0.91 to "
    "0.94 of the time of torch"
)
_EQUAL = "a product of this size is at the processor's limit in all libraries, within some percent"

# The first that matches is taken, so the particular ones come before the general.
KNOWN = (
    Loss(
        op="matmul",
        shape="128x128x128",
        why="threads are started for 20 us of work, and one that comes late is waited for: single races are faster or "
        "slower by how the system has placed them",
    ),
    Loss(op="matmul", why=_EQUAL),
    Loss(
        op="linear",
        peer="onnxruntime",
        why="its weight is a constant of the graph and is packed before the first run, ours is packed in each call",
    ),
    Loss(op="linear", why=_EQUAL),
    Loss(
        op="softmax",
        peer="onnxruntime",
        out=True,
        why="its exponential is shorter: results are 3.7e-7 off at the most, ours 2.8e-7",
    ),
    Loss(op="cosine_similarity", why=_EQUAL),
    *(Loss(op=op, out=False, why=_FRESH) for op in ("relu", "scale", "dropout_add", "log_softmax")),
    *(Loss(op=op, out=True, why=_CROWDED) for op in ("relu", "scale", "dropout_add")),
    Loss(
        op="sum_of_squares",
        peer="numpy",
        dtype="float64",
        why="BLAS's dot product keeps one running sum; ours adds blocks, whose error does not grow",
    ),
)


def reason(op: str, peer: str, shape: tuple[int, ...], dtype: str, out: bool) -> str:
    """Return why ours loses to ``peer`` in a cell.

    >>> reason("linear", "onnxruntime", (512, 768, 3072), "float32", True).partition(",")[0]
    'its weight is a constant of the graph and is packed before the first run'
    """
    cell = {"op": op, "peer": peer, "shape": "x".join(map(str, shape)), "dtype": dtype}
    for loss in KNOWN:
        if loss.out in (None, out) and all(fnmatchcase(value, getattr(loss, name)) for name, value in cell.items()):
            return loss.why
    return UNEXPLAINED
