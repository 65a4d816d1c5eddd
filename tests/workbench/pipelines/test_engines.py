"""Which engine is chosen and why; the comparison with torch, remembered; other architectures; what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import InputError, MissingLibraryError, RunError
from workbench.models.export.step import Step
from workbench.pipelines.engines import Batch, Engine
from workbench.pipelines.engines.onnxruntime import OnnxEngine

from ..alike import same  # noqa: TID252
from .encoders import apart, batch, by_torch, cosine, loaded, opened, save


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("bert", tmp_path_factory.mktemp("bert"), "labels")


def test_the_comparison_with_torch_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save("bert", tmp_path / "model")
    steps: list[Step] = []
    engine = opened(tmp_path / "model", progress=steps.append)
    assert engine.why.endswith("in float32: cosine to torch 1.00000")
    assert engine.compared_now
    assert "checking the graph against torch" in map(str, steps)
    # in a new process, which then has no need of torch
    code = (
        "import sys, workbench as wb\n"
        "from workbench.pipelines.computing import Opening\n"
        "from workbench.pipelines.engines import open_engine\n"
        f"engine = open_engine(wb.load({str(tmp_path / 'model')!r}), 'hidden', Opening())\n"
        "print(engine.compared_now, engine.why)\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"False {engine.why}\n"


def test_other_weights_are_compared_anew(tmp_path: Path) -> None:
    first, second = save("bert", tmp_path / "first"), save("bert", tmp_path / "second", layer_norm_eps=1e-5)
    assert [opened(folder).compared_now for folder in (first, second, second, first)] == [True, True, False, False]


def test_in_int_8_the_error_is_measured_once(tmp_path: Path) -> None:
    folder = save("bert", tmp_path, layer_norm_eps=2e-5)
    assert [opened(folder, quantization=one).compared_now for one in (None, "int8", "int8")] == [True, True, False]


def test_a_record_that_is_damaged_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save("bert", tmp_path / "model")
    opened(tmp_path / "model")
    (record,) = (tmp_path / "cache" / "fusion-workbench" / "agreements").iterdir()
    for content in ("", "[]", '{"cosine": "a", "apart": 0.0}', '{"cosine": 1.0}', '{"cosine": 1.0, "else": 1.0}'):
        record.write_text(content)
        assert opened(tmp_path / "model").compared_now
    assert json.loads(record.read_text())["cosine"] > 0.9999


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes everywhere")
def test_where_nothing_can_be_kept_it_is_compared_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save("bert", tmp_path / "model")
    for _ in range(2):
        assert opened(tmp_path / "model").compared_now


def test_a_cache_that_is_a_file_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save("bert", tmp_path / "model")
    assert opened(tmp_path / "model").compared_now


def test_torch_when_it_is_asked_for(bert: Path) -> None:
    engine = opened(bert, "labels", engine="torch")
    assert (engine.name, engine.device, engine.quantization) == ("torch", "cpu", None)
    assert engine.why.startswith("asked for: torch ")
    tokens = batch(types=True)
    assert apart(engine.forward(tokens), by_torch(bert, tokens, "labels"), tokens) == 0


def test_without_onnx_runtime(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    engine = opened(bert, "labels")
    assert engine.name == "torch"
    assert "ONNX Runtime is not there" in engine.why
    for options in ({"engine": "onnxruntime"}, {"quantization": "int8"}):
        with pytest.raises(MissingLibraryError, match=r"pip install 'fusion-workbench\[cpu\]'"):
            opened(bert, "labels", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["hidden", "labels"])
def test_a_decoder_on_torch(head: str, tmp_path: Path) -> None:
    save("gpt2", tmp_path, head, n_embd=32, n_layer=2, n_head=4, n_positions=64, pad_token_id=1, bos_token_id=2,
         eos_token_id=2)  # fmt: skip
    engine = opened(tmp_path, head)  # type: ignore[arg-type]
    assert engine.name == "torch"
    assert "there is none for 'gpt2'" in engine.why
    tokens = batch(pad=engine.pad)
    assert apart(engine.forward(tokens), by_torch(tmp_path, tokens, head), tokens) < 2e-5


def test_a_classifier_without_padding_takes_one_text_at_a_time(tmp_path: Path) -> None:
    save("gpt2", tmp_path, "labels", n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=2, eos_token_id=2)
    assert opened(tmp_path, "labels").tokens_at_once == 1


@pytest.mark.parametrize("head", ["hidden", pytest.param("spans", marks=pytest.mark.slow)])
def test_another_architecture_is_exported(head: str, tmp_path: Path) -> None:
    save("deberta-v2", tmp_path, head)
    with_torch = opened(tmp_path, head)  # type: ignore[arg-type]
    assert with_torch.name == "torch"
    steps: list[Step] = []
    engine = opened(tmp_path, head, engine="onnxruntime", progress=steps.append)  # type: ignore[arg-type]
    assert engine.name == "onnxruntime"
    assert "export of torch" in engine.why
    assert "there is none for 'deberta-v2'" in engine.why
    assert "tracing" in map(str, steps)
    tokens = batch(pad=engine.pad)
    assert apart(engine.forward(tokens), by_torch(tmp_path, tokens, head), tokens) < 1e-4


def test_another_architecture_in_int8_and_what_it_leaves_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    save("deberta-v2", tmp_path / "model", dtype="float16")
    engine = opened(tmp_path / "model", quantization="int8")
    assert engine.quantization == "int8"
    assert "export of torch" in engine.why
    tokens = batch(pad=engine.pad)
    assert cosine(engine.forward(tokens), by_torch(tmp_path / "model", tokens), tokens) > 0.99
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del engine
    assert list((tmp_path / "temporary").iterdir()) == []


def test_hidden_states_of_a_model_with_a_head(bert: Path) -> None:
    tokens = batch(types=True)
    expected = by_torch(bert, tokens)
    for engine in ("torch", "onnxruntime"):
        assert apart(opened(bert, engine=engine).forward(tokens), expected, tokens) < 2e-5


@pytest.mark.slow
def test_hidden_states_of_an_exported_model_with_a_head(tmp_path: Path) -> None:
    save("deberta-v2", tmp_path, "labels")
    exported = opened(tmp_path, engine="onnxruntime")
    assert apart(exported.forward(batch()), by_torch(tmp_path, batch()), batch()) < 1e-4


def alone(length: int) -> Batch:
    return Batch(np.arange(5, 5 + length)[None], np.ones((1, length), np.int64))


def open_sessions(engine: Engine) -> int:
    assert isinstance(engine, OnnxEngine)
    return engine.sessions


@pytest.mark.parametrize("quantization", [None, "int8"])
def test_texts_that_follow_one_another_take_all_cores_once_that_pays(bert: Path, quantization: str | None) -> None:
    engine = opened(bert, quantization=quantization)
    engine.lanes = 2
    expected = engine.forward(alone(100))
    for _ in range(50):
        engine.forward(alone(100))  # batches do not count
    for _ in range(20):
        engine.forward_alone(alone(100))  # nor do texts that come now and then
        time.sleep(0.003)
    assert open_sessions(engine) == 1
    for _ in range(10_000):
        found = engine.forward_alone(alone(100))
        np.testing.assert_allclose(found, expected, atol=2e-5 if quantization is None else 5e-2)
        if open_sessions(engine) == 2:
            break
    assert open_sessions(engine) == 2
    np.testing.assert_allclose(engine.forward_alone(alone(100)), expected, atol=2e-5 if quantization is None else 5e-2)
    assert engine.forward_alone(alone(9)).shape == (1, 9, 32)


def test_callers_in_several_threads_get_each_their_own(bert: Path) -> None:
    engine = opened(bert)
    engine.lanes = 2
    lengths = [5 + 7 * at % 90 for at in range(200)]
    expected = {length: engine.forward(alone(length)) for length in set(lengths)}
    with ThreadPoolExecutor(4) as pool:
        for length, found in zip(lengths, pool.map(engine.forward_alone, map(alone, lengths)), strict=True):
            np.testing.assert_allclose(found, expected[length], atol=2e-5)


def test_where_the_second_session_cannot_be_opened_one_goes_on(tmp_path: Path) -> None:
    engine = opened(save("bert", tmp_path, vocab_size=2000))
    assert isinstance(engine, OnnxEngine)
    engine.lanes = 2
    expected = engine.forward(alone(100))
    (tmp_path / "model.safetensors").unlink()
    engine._paid = 0.0  # as after many texts
    for _ in range(3):
        np.testing.assert_allclose(engine.forward_alone(alone(100)), expected, atol=1e-6)
    assert engine._again is None  # it was tried
    assert engine.sessions == 1


def test_the_engine_goes_on_without_the_files(bert: Path, tmp_path: Path) -> None:
    folder = save("bert", tmp_path / "model", vocab_size=2000)
    engine = opened(folder)
    tokens = batch()
    before = engine.forward(tokens)
    for file in folder.iterdir():
        file.unlink()
    assert same(engine.forward(tokens), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "onnxrun"}, r"no engine='onnxrun' for this. Did you mean 'onnxruntime'\?"),
        ({"quantization": "int4"}, r"no quantization='int4' for this. Did you mean 'int8'\?"),
        ({"engine": "torch", "quantization": "int8"}, "engine='torch', which has none. Leave engine out"),
        ({"device": "cuda", "quantization": "int8"}, "device='cuda' takes torch, which has none. Leave device out"),
        ({"device": "cuda", "engine": "onnxruntime"}, "computes on the CPU, and device='cuda'"),
        ({"device": "nowhere"}, "no device 'nowhere'"),
    ],
)
def test_what_does_not_go_together(bert: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(bert, "labels", **options)  # type: ignore[arg-type]


def test_a_device_that_is_not_here(bert: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(MissingLibraryError, match="needs a GPU"):
        opened(bert, "labels", device="cuda")


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_token_that_is_not_in_the_vocabulary_is_an_error_of_ours(bert: Path, engine: str) -> None:
    tokens = batch()
    tokens.ids[0, 0] = 10_000
    found = opened(bert, "labels", engine=engine)
    with pytest.raises(RunError, match="3 texts of up to 17 tokens"):
        found.forward(tokens)
    assert found.forward(batch()).shape == (3, 3)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_closed_engine_says_so(bert: Path, engine: str) -> None:
    found = opened(bert, "labels", engine=engine)
    found.close()
    found.close()
    with pytest.raises(RunError, match="is closed"):
        found.forward(batch())


def test_the_users_module_is_left_as_it_is(tmp_path: Path) -> None:
    import torch

    save("bert", tmp_path, dtype="bfloat16")
    model = loaded(tmp_path)
    module = model.module
    opened(model, engine="torch").forward(batch())
    assert model.module is module
    assert module.dtype == torch.bfloat16
    outputs = model.run({"input_ids": batch().ids})
    assert np.isfinite(outputs["last_hidden_state"].astype(np.float32)).all()
