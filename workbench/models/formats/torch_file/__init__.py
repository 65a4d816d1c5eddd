"""A lone file of ``torch.save``: its tensors, where that is asked for, and no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import LoadError
from workbench.models.formats import Format, Option
from workbench.models.model import Model
from workbench.models.pickled import looks_like_torch, pickled_tensors
from workbench.models.source import Source
from workbench.models.weights import WeightsModel

_OWNER = (
    "Load the folder that it came from, the one with config.json; or give the module itself: "
    "module.load_state_dict(...), load(module)."
)


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    if not options["allow_pickle"]:
        raise LoadError(
            f"{source.given} is a file of torch.save, a Python pickle, which could run any code when it is read. Save "
            "the weights as .safetensors; or load it with allow_pickle=True, with which torch reads its tensors and "
            "runs nothing."
        )
    tensors, metadata = pickled_tensors(source)
    return WeightsModel("torch_file", source, tensors, _OWNER, metadata=metadata)


FORMAT = Format(
    name="torch_file",
    title="a file of torch.save",
    options=(Option("allow_pickle", bool, False, "read the tensors of a pickle, with torch's weights_only=True"),),
    recognises=lambda source: source.is_file and looks_like_torch(source.head),
    open=_open,
)
