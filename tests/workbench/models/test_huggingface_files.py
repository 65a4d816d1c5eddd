"""A checkpoint's files as nobody should write them: indices that lie, configurations that hold anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import workbench as wb
from workbench.errors import LoadError, RunError, WorkbenchError

from ..alike import same  # noqa: TID252

INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(own: Path) -> Path:
    """Give a checkpoint in two shards, with its index."""
    tensors = {name: tensor.numpy().copy() for name, tensor in wb.load(own).tensors.items()}
    names = sorted(tensors)
    (own / "model.safetensors").unlink()
    places = {}
    for shard, part in (("one.safetensors", names[::2]), ("two.safetensors", names[1::2])):
        save_file({name: tensors[name] for name in part}, own / shard, {"format": "pt"})
        places.update(dict.fromkeys(part, shard))
    (own / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return own


def rewritten(folder: Path, **changes: Any) -> None:
    index = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps({**index, "weight_map": {**index["weight_map"], **changes}}))


def test_two_shards_are_one_model(bert: Path, sharded: Path) -> None:
    assert set(wb.load(sharded).tensors) == set(wb.load(bert).tensors)
    texts = "A cup of tea."
    expected = wb.load(bert).run(texts)["last_hidden_state"]
    assert same(wb.load(sharded).run(texts)["last_hidden_state"], expected)


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../own/one.safetensors", "..", ".", "", "a/b", "a\\b", "no\0", "\ud800"]
)
def test_files_outside_the_folder_are_not_opened(place: str, sharded: Path) -> None:
    rewritten(sharded, more=place)
    with pytest.raises(LoadError, match=r"it is refused|lacks the file"):
        wb.load(sharded)


def test_an_index_and_shards_that_do_not_belong_together(sharded: Path) -> None:
    first = next(iter(json.loads((sharded / INDEX).read_text())["weight_map"]))
    rewritten(sharded, **{first: "two.safetensors"})
    with pytest.raises(LoadError, match=f"two.safetensors lacks 1 tensors .*{first!r}"):
        wb.load(sharded)
    rewritten(sharded, **{first: "one.safetensors"})
    wb.load(sharded)
    save_file({"spare": np.ones(2, np.float32)}, sharded / "three.safetensors")
    rewritten(sharded, more="three.safetensors")
    with pytest.raises(LoadError, match=r"three.safetensors lacks 1 tensors .*'more'"):
        wb.load(sharded)
    save_file({"spare": np.ones(2, np.float32), "more": np.ones(2, np.float32)}, sharded / "three.safetensors")
    with pytest.raises(LoadError, match=r"three.safetensors has 1 tensors that .* does not name, 'spare'"):
        wb.load(sharded)


def test_without_an_index_a_tensor_in_two_files_is_refused(sharded: Path) -> None:
    (sharded / INDEX).unlink()
    assert len(wb.load(sharded).tensors) == 39
    (sharded / "three.safetensors").write_bytes((sharded / "two.safetensors").read_bytes())
    with pytest.raises(LoadError, match="Two tensors are named"):
        wb.load(sharded)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no weight_map"),
        ('{"weight_map": {}}', "no weight_map"),
        ('{"weight_map": []}', "no weight_map"),
        ('{"weight_map": {"a": 1}}', "no weight_map"),
        ('{"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}}', "'a' twice"),
        ('{"weight_map": ' + "[" * 100_000, "not JSON"),
        ('{"weight_map": ' + "9" * 5000 + "}", "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_an_index_that_is_none(content: str | bytes, says: str, sharded: Path) -> None:
    (sharded / INDEX).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LoadError, match=says):
        wb.load(sharded)


def test_a_configuration_of_gigabytes_is_not_read(own: Path) -> None:
    with (own / "config.json").open("r+b") as file:
        file.truncate(200_000_000)
    with pytest.raises(LoadError, match="200 MB, and 100 MB is the most"):
        wb.load(own)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
KEYS = [
    "architectures",
    "model_type",
    "vocab_size",
    "hidden_size",
    "id2label",
    "num_labels",
    "dtype",
    "image_size",
    "num_channels",
    "type_vocab_size",
    "max_position_embeddings",
    "pad_token_id",
    "transformers_version",
]
KINDS = st.sampled_from(["bert", "vit", "t5", "gpt2", "roberta", "no such"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), kind=KINDS)
def test_a_configuration_may_hold_anything(changes: dict[str, Any], kind: str, own: Path) -> None:
    config = {"architectures": ["BertModel"], "model_type": kind, "hidden_size": 32, **changes}
    (own / "config.json").write_text(json.dumps(config))
    info = wb.load(own).info
    for spec in (*info.inputs, *info.outputs):
        assert all(size is None or isinstance(size, str) or size >= 0 for size in spec.shape or ())
    assert info.name in repr(info)
    assert info._repr_html_()


@pytest.mark.parametrize("name", ["logging", "AutoTokenizer", "BertConfig", "pipeline", "__version__", "a b", ""])
def test_an_architecture_that_is_no_model_is_not_called(name: str, own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "architectures": [name]}))
    if name:
        with pytest.raises(RunError, match="has no class"):
            wb.load(own).run({"input_ids": [[1]]})
    else:
        assert wb.load(own).run({"input_ids": [[1]]})["last_hidden_state"].size  # AutoModel decides


def test_code_of_the_model_itself_runs_only_when_asked(own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    places = {"AutoConfig": "own.OwnConfig", "AutoModelForMaskedLM": "own.OwnModel"}
    own_code = {"architectures": ["OwnModel"], "model_type": "own-kind", "auto_map": places}
    (own / "config.json").write_text(json.dumps({**config, **own_code}))
    trap = own / "it ran"
    (own / "own.py").write_text(
        f"""
import os, torch
from transformers import BertConfig, BertModel, PretrainedConfig
os.makedirs({str(trap)!r}, exist_ok=True)

class OwnConfig(BertConfig):
    model_type = "own-kind"

class OwnModel(BertModel):
    config_class = OwnConfig
"""
    )
    model = wb.load(own)
    for inputs in ({"input_ids": [[1]]}, "text"):
        with pytest.raises(WorkbenchError, match=r"trust_remote_code"):
            model.run(inputs)  # type: ignore[arg-type]
    assert not trap.exists()
    trusted = wb.load(own, trust_remote_code=True)
    assert "asked for" in trusted.info.metadata["trust_remote_code"]
    assert trusted.run({"input_ids": np.array([[1, 2]])})["last_hidden_state"].shape == (1, 2, 32)
    assert trap.exists()
    assert transformers.utils.logging.get_verbosity() != transformers.utils.logging.ERROR
