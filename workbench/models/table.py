"""A model's tensors by name: looked up, filtered, grouped by module."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from workbench.errors import InputError, LoadError
from workbench.text import format_bytes, format_sizes

from .tensor import Tensor

if TYPE_CHECKING:
    import pandas as pd


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
        if name in self._tensors:
            return self._tensors[name]
        if not self._tensors:
            raise InputError(f"There is no tensor {name!r}: the model has none.")
        near = [other for other in self._tensors if str(name) in other]
        known = near or difflib.get_close_matches(str(name), self._tensors) or list(self._tensors)
        raise InputError(
            f"There is no tensor {name!r} among {len(self)}; for example there are: {', '.join(known[:5])}."
        )

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.values())

    @property
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

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per tensor: name, dtype, shape (as text ``384 x 1536``), elements, bytes."""
        import pandas as pd

        return pd.DataFrame(
            {
                "name": [tensor.name for tensor in self.values()],
                "dtype": [tensor.dtype for tensor in self.values()],
                "shape": [format_sizes(tensor.shape) for tensor in self.values()],
                "elements": [tensor.size for tensor in self.values()],
                "bytes": [tensor.nbytes for tensor in self.values()],
            }
        )

    def __repr__(self) -> str:
        shown = list(self.values())[:20]
        more = [f"... and {len(self) - len(shown)} more"] if len(self) > len(shown) else []
        return "\n".join([f"{len(self)} tensors, {format_bytes(self.nbytes)}", *map(repr, shown), *more])

    def _repr_html_(self) -> str:
        from workbench.views import cards

        return cards.tensor_table(self)
