"""The catalogue: what an operation is, and the mapping of all of them.

An operation is one object of type :class:`Op`, defined in ``ops/``: either in
``ops/elementwise.py``, where a formula suffices, or in a folder of its own.
:data:`OPS` finds them by walking that folder, so a new one is raced, tested and
documented without any other file being touched.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import UnknownOperationError

Shape = tuple[int, ...]
Inputs = dict[str, Any]
"""The arguments of one call, by name: ``op.function(**inputs)``."""


@dataclass(frozen=True)
class Cost:
    """What one call has to do at the least, whoever does it.

    Parameters
    ----------
    bytes_read, bytes_written
        Bytes that must cross the memory bus once.
    flops
        Floating-point operations; an ``exp`` or a division counts as one.
    """

    bytes_read: int
    bytes_written: int
    flops: int

    @property
    def nbytes(self) -> int:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be from the float64 truth: ``atol + rtol * |truth|``."""

    rtol: float
    atol: float


@dataclass(frozen=True)
class Op:
    """One operation of the catalogue.

    Parameters
    ----------
    name
        The name of the public function, as in ``fused_kernels.<name>``.
    summary
        One line: the formula in words.
    family
        What it works on: ``"elements"``, ``"rows"`` or ``"matrices"``.
    function
        The public function; takes ``out=``.
    reference
        The usual NumPy way of writing it, with the same arguments but ``out``.
    sample
        ``sample(shape, dtype, rng)`` makes realistic :data:`Inputs`.
    cost
        ``cost(**inputs)`` gives the :class:`Cost` of a call.
    shapes
        Shapes worth racing, the first one being the default.
    dimensions
        What each number of a shape means, such as ``("rows", "columns")``.
    tolerance
        Per dtype name; what the contract tests and a race hold it to.
    peers
        How other libraries do the same: ``"torch"`` is a function without
        arguments that imports torch and returns a callable on tensors;
        ``"onnx"`` is a function of the inputs that returns :class:`OnnxGraph`;
        ``"jax"``, ``"numexpr"`` and ``"polyglot"`` (polyglot-bridge) are like
        ``"torch"``, on the library's own arrays, and may be missing.
    """

    name: str
    summary: str
    family: str
    function: Callable[..., Any]
    reference: Callable[..., Any]
    sample: Callable[[Shape, np.dtype[Any], np.random.Generator], Inputs]
    cost: Callable[..., Cost]
    shapes: tuple[Shape, ...]
    dimensions: tuple[str, ...]
    tolerance: Mapping[str, Tolerance]
    peers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def truth(self, **inputs: Any) -> Any:
        """Return the reference computed in float64 (float64 inputs: in long double)."""
        return self.reference(**{name: _widened(value) for name, value in inputs.items()})


@dataclass(frozen=True)
class OnnxNode:
    """One ONNX node; ``inputs`` and ``outputs`` are names of values."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OnnxGraph:
    """The same operation as a small ONNX graph.

    Parameters
    ----------
    nodes
        In the order of execution.
    inputs
        The arrays that are fed at each run, by name.
    constants
        Arrays that are stored in the graph, such as an axis or a factor.
    outputs
        Names of the results, in the order of the operation's own.
    """

    nodes: tuple[OnnxNode, ...]
    inputs: Mapping[str, Any]
    constants: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("out",)


class Catalog(Mapping[str, Op]):
    """Operations by name, found by walking ``ops/`` on first use."""

    def __init__(self) -> None:
        self._ops: dict[str, Op] = {}
        self._added: set[str] = set()
        self._complete = False

    def add(self, op: Op) -> None:
        """Enter the operation of a user; an earlier one of the same name is replaced."""
        self._found()
        self._ops[op.name] = op
        self._added.add(op.name)

    def remove(self, name: str) -> None:
        """Take out an operation of a user; a built-in one stays.

        Raises
        ------
        UnknownOperationError
            If no user has added one of this name.
        """
        if name not in self._added:
            raise UnknownOperationError(name, tuple(self._added))
        self._added.remove(name)
        del self._ops[name]

    def is_added(self, name: str) -> bool:
        """Whether the operation of this name is a user's."""
        return name in self._added

    def __getitem__(self, name: str) -> Op:
        found = self._found()
        if name not in found:
            raise UnknownOperationError(name, tuple(found))
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._found()))

    def __len__(self) -> int:
        return len(self._found())

    def __contains__(self, name: object) -> bool:
        return name in self._found()

    def __repr__(self) -> str:
        return f"<{len(self)} operations: {', '.join(self)}>"

    def _found(self) -> dict[str, Op]:
        if not self._complete:
            ops = importlib.import_module(".ops", __package__)

            for name in sorted(module.name for module in pkgutil.iter_modules(ops.__path__) if module.name[0] != "_"):
                for op in importlib.import_module(f"{ops.__name__}.{name}").OPERATIONS:
                    self._ops.setdefault(op.name, op)
            self._complete = True
        return self._ops


OPS = Catalog()


def _widened(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.longdouble if value.dtype == np.float64 else np.float64)
    return value
