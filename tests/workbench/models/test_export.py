"""to_onnx: the export runs in other sizes than that of its trace, says how far it is off, and leaves no half file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import transformers
from torch import nn

import workbench as wb
from workbench.errors import InputError, RunError
from workbench.models.export.step import Step
from workbench.models.export.to_onnx import ExportedModel


@pytest.fixture(scope="module")
def exported(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return wb.load(bert).to_onnx(tmp_path_factory.mktemp("export") / "bert.onnx")


class Scaled(nn.Module):
    """Something of a user's own, with a dropout that shows whether it is evaluated."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.drop, self.norm = nn.Linear(8, 16), nn.Dropout(0.5), nn.BatchNorm1d(16)

    def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        y = self.norm(self.drop(self.first(x)))
        return y if scale is None else y * scale


X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 8)


def test_an_exported_bert_is_the_model_with_free_sizes(bert: Path, exported: ExportedModel) -> None:
    assert [str(spec) for spec in exported.info.inputs] == [
        "input_ids: int64 [batch, sequence]",
        "attention_mask: int64 [batch, sequence]",
        "token_type_ids: int64 [batch, sequence]",
    ]
    assert [str(spec) for spec in exported.info.outputs] == [
        "last_hidden_state: float32 [batch, sequence, 32]",
        "pooler_output: float32 [batch, 32]",
    ]
    original = wb.load(bert)
    for texts in (["A cup of tea."], ["She measured the time twice", "tea", "and trusted neither result of the two"]):
        feeds = original.feeds(texts)
        expected, results = original.run(feeds), exported.run(feeds)
        for name, value in expected.items():
            np.testing.assert_allclose(results[name], value, atol=1e-5)


def test_the_measured_difference_is_told_and_kept_in_the_file(exported: ExportedModel) -> None:
    export = exported.export
    assert export.source == "BertModel"
    assert [one.output for one in export.differences] == ["last_hidden_state", "pooler_output"]
    assert 0 < export.worst.relative < 1e-5
    assert len(export.checked) == 4
    assert "batch 3, sequence 16" in export.checked
    assert export.nbytes == exported._source.path.stat().st_size
    again = wb.load(exported._source.path).info.metadata
    assert again["difference"] == "; ".join(map(str, export.differences))
    assert again["exported_by"] == f"torch {torch.__version__}, transformers {transformers.__version__}"
    onnx.checker.check_model(exported._source.path)
    for shown in (str(export), export._repr_html_()):
        for words in ("BertModel", "last_hidden_state", "batch 3, sequence 16"):
            assert words in shown


def test_weights_keep_their_names_and_no_path_of_this_machine_is_written(bert: Path, exported: ExportedModel) -> None:
    # of the biases of an untrained model, all zeros, one is left
    matrices = {name: tensor.shape for name, tensor in wb.load(bert).tensors.items() if len(tensor.shape) == 2}
    assert len(matrices) == 16
    assert all(exported.tensors[name].shape in (shape, shape[::-1]) for name, shape in matrices.items())
    content = exported._source.path.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parent).encode() not in content


def test_a_module_of_ones_own_is_exported_in_evaluation_and_stays_in_training(tmp_path: Path) -> None:
    module = Scaled().train()
    model = wb.load(module)
    exported = model.to_onnx(tmp_path / "own.onnx", inputs={"x": X})
    assert str(exported.info.inputs[0]) == "x: float32 [batch, 8]"
    assert exported.export.checked == ("batch 2", "batch 1", "batch 3")
    np.testing.assert_allclose(exported.run({"x": X[:1]})["output"], model.run({"x": X[:1]})["output"], atol=1e-6)
    assert all(inner.training for inner in module.modules())
    assert int(module.norm.num_batches_tracked) == 0


def test_the_free_axes_can_be_named(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    image = np.ones((1, 3, 20, 24), np.float32)
    exported = wb.load(module).to_onnx(
        tmp_path / "m.onnx", inputs={"input": image}, dynamic={"input": {0: "batch", 3: "width"}}
    )
    assert exported.info.inputs[0].shape == ("batch", 3, 20, "width")
    assert exported.run({"input": np.ones((5, 3, 20, 31), np.float32)})["output"].shape == (5, 4)


class Branch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x


class Threes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, 24)


class Wandering(nn.Module):
    """Adds what Python counted, so that no two runs are alike."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Wandering.calls += 1
        return x + Wandering.calls


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Branch(), r"cannot export Branch to ONNX: .*data-dependent"),
        (Threes(), r"^the given Threes stopped: shape '\[-1, 24\]' is invalid"),
        (Wandering(), r"was not written: the export of Wandering is not what torch computes"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_cannot_be_exported_rightly_leaves_nothing(module: nn.Module, says: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=says):
        wb.load(module).to_onnx(tmp_path / "m.onnx", inputs={"x": X})
    assert not list(tmp_path.iterdir())


def test_a_file_is_overwritten_only_when_asked_and_only_by_a_whole_one(tmp_path: Path) -> None:
    path, model = tmp_path / "m.onnx", wb.load(Scaled().eval())
    path.write_text("mine")
    with pytest.raises(InputError, match="overwrite=True"):
        model.to_onnx(path, inputs={"x": X})

    def stop(step: Step) -> None:
        if step.text.startswith("checking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.to_onnx(path, inputs={"x": X}, overwrite=True, progress=stop)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]
    steps: list[Step] = []
    model.to_onnx(path, inputs={"x": X}, overwrite=True, progress=steps.append)
    assert wb.load(path).info.inputs[0].name == "x"
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("no/such/m.onnx", {}, "there is no folder"),
        (".", {}, "is a folder; name a file"),
        ("m.onnx", {"inputs": None}, "Inputs cannot be made up for x"),
        ("m.onnx", {"inputs": {"y": X}}, "no input 'y'"),
        ("m.onnx", {"dtype": "int8"}, "'float32', 'float16'"),
        ("m.onnx", {"outputs": ["z"]}, "no output 'z'"),
        ("m.onnx", {"dynamic": {"x": {5: "batch"}}}, r"5: 'batch' for 'x', which is \[3, 8\]"),
    ],
)
def test_mistakes_are_answered_before_anything_is_traced(
    path: str, options: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        wb.load(Scaled()).to_onnx(tmp_path / path, **{"inputs": {"x": X}, **options})  # type: ignore[arg-type]


def test_the_exporter_is_not_heard_and_loggers_stay_as_they_were(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [(name, logging.getLogger(name).level) for name in ("torch", "torch.onnx", "")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wb.load(Scaled()).to_onnx(tmp_path / "m.onnx", inputs={"x": X})
    assert not caught
    assert capfd.readouterr() == ("", "")
    assert [(name, logging.getLogger(name).level) for name in ("torch", "torch.onnx", "")] == before


@pytest.mark.parametrize(("dtype", "written"), [("bfloat16", "float32"), ("float16", "float16")])
def test_half_precision_keeps_its_dtype_and_bfloat16_becomes_float32(dtype: str, written: str, tmp_path: Path) -> None:
    kind = getattr(torch, dtype)
    exported = wb.load(nn.Linear(8, 4).to(kind)).to_onnx(
        tmp_path / "m.onnx", inputs={"input": torch.from_numpy(X).to(kind)}
    )
    assert exported.info.inputs[0].dtype == written
    assert exported.export.worst.relative < 2e-2
    assert exported.info.metadata.get("exported_dtype") == ("float32, from bfloat16" if written == "float32" else None)


def test_weights_beside_the_file_where_they_are_too_large_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.models.export.to_onnx.INLINE", 100)
    exported = wb.load(Scaled().eval()).to_onnx(tmp_path / "m.onnx", inputs={"x": X})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert exported.export.nbytes == sum(one.stat().st_size for one in tmp_path.iterdir())
    assert exported.run({"x": X})["output"].shape == (3, 16)


SIZES = {"vocab_size": 99}
USUAL = {**SIZES, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
BART = {
    "d_model": 32,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}
ARCHITECTURES = {
    "BertForSequenceClassification": ("bert", USUAL),
    "BertForTokenClassification": ("bert", USUAL),
    "BertForQuestionAnswering": ("bert", USUAL),
    "BertForMaskedLM": ("bert", USUAL),
    "DistilBertModel": ("distilbert", {**SIZES, "dim": 32, "n_layers": 2, "n_heads": 4}),
    "RobertaModel": ("roberta", {**USUAL, "max_position_embeddings": 40}),
    "DebertaV2Model": ("deberta-v2", USUAL),
    "MPNetModel": ("mpnet", USUAL),
    "ModernBertModel": ("modernbert", {**USUAL, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2}),
    "GPT2LMHeadModel": ("gpt2", {**SIZES, "n_embd": 32, "n_layer": 2, "n_head": 4}),
    "LlamaForCausalLM": ("llama", {**USUAL, "num_key_value_heads": 2}),
    "Qwen2ForCausalLM": ("qwen2", {**USUAL, "num_key_value_heads": 2}),
    "T5ForConditionalGeneration": ("t5", {**SIZES, **T5}),
    "BartForConditionalGeneration": ("bart", {**SIZES, **BART}),
    "ViTForImageClassification": ("vit", {**USUAL, "image_size": 32, "patch_size": 16}),
    "ResNetForImageClassification": ("resnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_of_each_kind_export(name: str, tmp_path: Path) -> None:
    kind, sizes = ARCHITECTURES[name]
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **{"bos_token_id": 1, "eos_token_id": 2, **sizes})
    getattr(transformers, name)(config).save_pretrained(tmp_path / "model")
    exported = wb.load(tmp_path / "model").to_onnx(tmp_path / "model.onnx")
    assert exported.export.worst.relative < 1e-4
    assert all("batch" in (spec.shape or ()) for spec in (*exported.info.inputs, *exported.info.outputs))
    assert len(exported.export.checked) >= 3


@pytest.mark.large
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    module = nn.Sequential(*(nn.Linear(8192, 8192) for _ in range(9)))
    exported = wb.load(module).to_onnx(tmp_path / "m.onnx", inputs={"input": np.ones((1, 8192), np.float32)})
    assert (tmp_path / "m.onnx.data").stat().st_size > 2 << 30
    assert exported.export.worst.relative < 1e-4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"opset": "18"}, "opset='18'"),
        ({"opset": 0}, "opset=0"),
        ({"tolerance": "small"}, "tolerance='small'"),
        ({"tolerance": -1.0}, "from 0 on"),
        ({"dynamic": ["x"]}, "does not name axes"),
        ({"dynamic": {"x": [0]}}, "does not name axes"),
        ({"outputs": []}, "names no output"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_before_the_trace(
    wrong: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        wb.load(Scaled()).to_onnx(tmp_path / "model.onnx", inputs={"x": X}, **wrong)
    assert not list(tmp_path.iterdir())


def test_an_opset_that_torch_does_not_give_is_no_silent_other_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="opset=3 was asked for"):
        wb.load(Scaled()).to_onnx(tmp_path / "model.onnx", inputs={"x": X}, opset=3)
    assert not list(tmp_path.iterdir())
    assert wb.load(Scaled()).to_onnx(tmp_path / "model.onnx", inputs={"x": X}, opset=18).info.opset[""] == 18


def test_axes_are_named_anew_without_giving_inputs(bert: Path, tmp_path: Path) -> None:
    axes = {name: {0: "texts"} for name in ("input_ids", "attention_mask", "token_type_ids")}
    written = wb.load(bert).to_onnx(tmp_path / "model.onnx", dynamic=axes)
    assert {spec.shape for spec in written.info.inputs} == {("texts", 7)}
    with pytest.raises(InputError, match=r"names the input 'ids'; the inputs are 'input_ids'"):
        wb.load(bert).to_onnx(tmp_path / "other.onnx", dynamic={"ids": {0: "texts"}})
