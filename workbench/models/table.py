"""A model's tensors by name: looked up, filtered, grouped by module."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.arrays import DTYPE_BITS
from workbench.errors import InputError, LoadError
from workbench.text import counted, did_you_mean, format_bytes, format_sizes

from .tensor import ORIGINS, Tensor

if TYPE_CHECKING:
    import pandas as pd

    from .modules import Module


class TensorTable(Mapping[str, Tensor]):
    """A model's tensors by name, in the file's order.

    Raises
    ------
    workbench.errors.LoadError
        If two of them have the same name.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._tensors: dict[str, Tensor] = {}
        for tensor in tensors:
            if self._tensors.setdefault(tensor.name, tensor) is not tensor:
                raise LoadError(f"Two tensors are named {tensor.name!r}; names must be unique. Write the model anew.")

    def __getitem__(self, name: str) -> Tensor:
        if name in self:
            return self._tensors[name]
        if not self._tensors:
            raise InputError(f"There is no tensor {name!r}: the model has none.")
        near = [other for other in self._tensors if str(name) in other]
        known = near or difflib.get_close_matches(str(name), self._tensors) or list(self._tensors)
        raise InputError(
            f"There is no tensor {name!r} among {len(self)}; for example there are: {', '.join(known[:5])}."
        )

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._tensors

    def get(self, name: str, default: Any = None) -> Any:
        """Return the tensor of that name, or ``default`` if there is none."""
        return self._tensors[name] if name in self else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.values())

    @cached_property
    def elements(self) -> int:
        """Number of elements of all tensors."""
        return sum(tensor.size for tensor in self.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """Bytes by dtype name, largest first."""
        totals: dict[str, int] = {}
        for tensor in self.values():
            totals[tensor.dtype] = totals.get(tensor.dtype, 0) + tensor.nbytes
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))

    def filter(
        self,
        name: str | None = None,
        *,
        dtype: str | None = None,
        origin: str | None = None,
        min_nbytes: int = 0,
        max_nbytes: int | None = None,
    ) -> TensorTable:
        """Return the tensors for which all that is given holds, in the same order.

        Parameters
        ----------
        name
            Pattern for the whole name, in which ``*`` stands for any text and ``?`` for one character: ``"*attn*"``.
        dtype
            Standard name, or a pattern for it: ``"float8*"``.
        origin
            ``"stored"``, ``"constant"`` or ``"filled"``; see :class:`Tensor`.
        min_nbytes, max_nbytes
            Bounds of the bytes in the file, both included.

        Raises
        ------
        workbench.errors.InputError
            If there is no such dtype or origin, or a pattern is no text.
        """
        for what, pattern in (("name", name), ("dtype", dtype)):
            if pattern is not None and not isinstance(pattern, str):
                raise InputError(f"{what}={pattern!r} is no pattern; give a text such as '*attn*'.")
        if dtype is not None and not any(fnmatchcase(known, dtype) for known in (*DTYPE_BITS, *self.dtypes)):
            raise InputError(
                f"There is no dtype {dtype!r}.{did_you_mean(dtype, DTYPE_BITS)} The tensors here have: "
                f"{', '.join(self.dtypes) or 'none, for there are no tensors'}."
            )
        if origin not in (None, *ORIGINS):
            raise InputError(f"origin={origin!r} is none of {', '.join(map(repr, ORIGINS))}.")
        return TensorTable(
            tensor
            for tensor in self.values()
            if (name is None or fnmatchcase(tensor.name, name))
            and (dtype is None or fnmatchcase(tensor.dtype, dtype))
            and origin in (None, tensor.origin)
            and min_nbytes <= tensor.nbytes
            and (max_nbytes is None or tensor.nbytes <= max_nbytes)
        )

    def only(self, names: Iterable[str]) -> TensorTable:
        """Return the tensors of these names, in their order."""
        return TensorTable(self[name] for name in names)

    def tree(self) -> Module:
        """Return the modules that the names tell of, each with its tensors and its share of the bytes.

        >>> import workbench as wb
        >>> wb.load("sample:mlp").tensors.tree()
        all: 4 tensors, 2.70 kB
          first     2.18 kB  80%  544
            weight  2.05 kB  76%  512
            bias      128 B   5%   32
          second      528 B  20%  132
            weight    512 B  19%  128
            bias       16 B  <1%    4
        """
        from .modules import Module

        return Module("", self, self.nbytes)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per tensor: name, dtype, shape, elements, bytes, share, module, origin.

        ``shape`` is text, ``384 x 1536``; ``share`` is that of the bytes of this table; ``module`` the name up to its
        last ``.``, ``/`` or ``:``.
        """
        import pandas as pd

        total = self.nbytes or 1
        return pd.DataFrame(
            {
                "name": [tensor.name for tensor in self.values()],
                "dtype": [tensor.dtype for tensor in self.values()],
                "shape": [format_sizes(tensor.shape) for tensor in self.values()],
                "elements": [tensor.size for tensor in self.values()],
                "bytes": [tensor.nbytes for tensor in self.values()],
                "share": [tensor.nbytes / total for tensor in self.values()],
                "module": [name[: max(name.rfind(mark) for mark in "./:") + 1].rstrip("./:") for name in self],
                "origin": [tensor.origin for tensor in self.values()],
            }
        )

    def __repr__(self) -> str:
        shown = list(self.values())[:20]
        more = [f"... and {len(self) - len(shown)} more"] if len(self) > len(shown) else []
        return "\n".join([f"{counted(len(self), 'tensor')}, {format_bytes(self.nbytes)}", *map(repr, shown), *more])

    def _repr_html_(self) -> str:
        from workbench.views.models import cards

        return cards.tensor_table(self)
