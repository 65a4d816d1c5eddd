"""docs/operations.md, written from the catalogue: ``make docs``."""

from __future__ import annotations

import inspect
from pathlib import Path

from fused_kernels import OPS, Op

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
PEERS = {
    "torch": "torch",
    "onnx": "ONNX Runtime",
    "jax": "JAX",
    "numexpr": "numexpr",
    "polyglot": "polyglot-bridge",
}
_HEAD = """# The operations

Written by `make docs` from the catalogue, `fused_kernels.OPS`. Each is a function of `fused_kernels`: NumPy in, NumPy
out; torch in, torch out; on a GPU, CuPy and torch's CUDA tensors likewise. The dtypes are those that are computed as
they are; float16 and bfloat16 are computed in float32, integers in float64. [kernels/README.md](../kernels/README.md)
says what all of them promise, [performance.md](performance.md) how fast they are.
"""


def page() -> str:
    """Return the text of docs/operations.md."""
    ops = [OPS[name] for name in OPS if not OPS.is_added(name)]
    families = sorted({op.family for op in ops})
    return "\n".join([_HEAD, *(_family(name, [op for op in ops if op.family == name]) for name in families)])


def _family(name: str, ops: list[Op]) -> str:
    return "\n".join([f"## On {name}", "", *map(_operation, ops)])


def _operation(op: Op) -> str:
    bare = inspect.signature(op.function)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in bare.parameters.values()]
    signature = bare.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    what = (inspect.getdoc(op.function) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")
    peers = ", ".join(["NumPy", *(name for key, name in PEERS.items() if key in op.peers)])
    return (
        f"### {op.name}\n\n```python\n{op.name}{signature}\n```\n\n{what}\n\n"
        f"- computes: {op.summary}\n- dtypes: {', '.join(op.tolerance)}\n- raced against: {peers}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
