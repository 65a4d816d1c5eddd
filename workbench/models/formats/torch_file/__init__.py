"""A lone file of ``torch.save``: its tensors, where that is asked for, and no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from workbench.errors import LoadError, RunError
from workbench.models.formats import Format, Option
from workbench.models.model import Model, ModelInfo, TensorTable
from workbench.models.pickled import looks_like_torch, pickled_tensors
from workbench.models.source import Source


class TorchFileModel(Model):
    """Tensors by name, and no way to run them."""

    def __init__(self, source: Source) -> None:
        tensors, metadata = pickled_tensors(source)
        self._given = source.given
        self.tensors = TensorTable(tensors)
        self.info = ModelInfo(
            format="torch_file",
            name=source.label,
            inputs=(),
            outputs=(),
            opset={},
            ir_version=None,
            producer="",
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=metadata,
        )

    def run(self, inputs: Any, outputs: list[str] | None = None) -> NoReturn:
        """Raise RunError: a file of tensors says nothing about what to compute."""
        raise RunError(
            f"{self._given} has tensors and no graph, so it cannot be run. Load the folder that it came from, the one "
            "with config.json; or give the module itself: module.load_state_dict(...), load(module)."
        )


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    if not options["allow_pickle"]:
        raise LoadError(
            f"{source.given} is a file of torch.save, a Python pickle, which could run any code when it is read. "
            f"Save the "
            "weights as .safetensors; or load it with allow_pickle=True, with which torch reads its tensors and runs "
            "nothing."
        )
    return TorchFileModel(source)


FORMAT = Format(
    name="torch_file",
    title="a file of torch.save",
    options=(Option("allow_pickle", bool, False, "read the tensors of a pickle, with torch's weights_only=True"),),
    recognises=lambda source: source.is_file and looks_like_torch(source.head),
    open=_open,
)
