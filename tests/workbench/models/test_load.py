"""What load() takes, how it tells formats apart, and what it says when it cannot."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

import workbench as wb
from workbench.errors import InputError, LoadError, MissingLibraryError
from workbench.models import samples
from workbench.models.formats import formats

MLP = samples.mlp()


def test_one_model_from_all_kinds_of_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(MLP)
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "net.onnx").open("rb") as file:
        sources = [
            tmp_path / "net.onnx",
            "net.onnx",
            MLP,
            bytearray(MLP),
            memoryview(MLP),
            io.BytesIO(MLP),
            file,
            onnx.load_model_from_string(MLP),
            "sample:mlp",
        ]
        infos = {repr(wb.load(source).info) for source in sources}
    assert len(infos) == 1


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(MLP)
    assert wb.load(tmp_path / "model.safetensors").info.format == "onnx"
    (tmp_path / "model").write_bytes(MLP)
    assert wb.load(tmp_path / "model").info.format == "onnx"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"hello world", "a text file that begins 'hello world'"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"  <HTML>", "web page"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\x80\x04\x95rest", "pickle"),
        (b"GGUF\x03", "GGUF"),
        (b"\x93NUMPY\x01", "NumPy's mark"),
        (bytes(100), "first bytes are 00 00"),
        (b"\x08\x08\x12garbage that is no protobuf\xff\xff", "protobuf"),
        (b"\x08\x08", "no graph"),
        (MLP[:-10], "cut off or damaged"),
        ("größe".encode() * 200, "text file"),
    ],
)
def test_a_file_that_is_no_model_is_named_as_given_and_for_what_it_is(
    content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError) as caught:
        wb.load("./model.onnx")
    assert str(caught.value).startswith("./model.onnx ")
    assert says in str(caught.value)


def test_a_misspelt_path_brings_up_names_like_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "resnet50.onnx").write_bytes(MLP)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError, match=r"no models/resnet5\.onnx.*Did you mean resnet50.onnx in models"):
        wb.load("models/resnet5.onnx")
    with pytest.raises(LoadError, match=r"Did you mean models in the current folder"):
        wb.load("model/resnet50.onnx")
    with pytest.raises(LoadError, match=r"there are: resnet50.onnx"):
        wb.load("models/something-else.onnx")
    with pytest.raises(LoadError, match=r"Did you mean resnet50.onnx"):
        wb.load("models/resnet50")  # as an id of the hub it would be "models/resnet50"


def test_a_folder_without_a_model_is_listed(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="nothing"):
        wb.load(tmp_path)
    (tmp_path / "net.onnx").write_bytes(MLP)
    with pytest.raises(LoadError, match=r"without a config.json.*Load a file in it: load\('.*/net.onnx'\)"):
        wb.load(tmp_path)


def test_a_file_of_a_hugging_face_folder_points_to_the_folder(bert: Path) -> None:
    with pytest.raises(LoadError, match="load its folder"):
        wb.load(bert / "config.json")


@pytest.mark.parametrize("given", ["a" * 5000, "a/" * 3000 + "b", "/" + "a" * 300 + "/b.onnx"])
def test_names_too_long_for_the_file_system(given: str) -> None:
    with pytest.raises(LoadError) as caught:
        wb.load(given)
    assert len(str(caught.value)) < 1000


def test_a_path_object_is_never_an_id_of_the_hub() -> None:
    with pytest.raises(LoadError, match=r"^There is no organisation/name\."):
        wb.load(Path("organisation/name"))


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in the file system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LoadError, match="device or a pipe"):
        wb.load(tmp_path / "pipe")


@pytest.mark.parametrize("source", ["", " ", "a\0b", 5, None, object(), io.StringIO("x")])
def test_what_is_no_source_is_refused(source: object) -> None:
    with pytest.raises(LoadError):
        wb.load(source)


@pytest.mark.parametrize(
    ("source", "options", "error", "says"),
    [
        ("sample:mlp", {"revision": "x"}, InputError, "belongs to a Hugging Face model.*provider, optimization"),
        ("sample:mlp", {"provder": "cpu"}, InputError, "no option"),
        ("sample:mlp", {"provider": "gpu"}, InputError, "'cpu', 'cuda', 'tensorrt'"),
        ("sample:mlp", {"intra_threads": 0}, InputError, "from 1 on"),
        ("sample:mlp", {"intra_threads": "2"}, InputError, "number"),
        ("sample:mlp", {"intra_threads": True}, InputError, "number"),
        ("sample:tiny-bert", {"provider": "cpu"}, InputError, "belongs to an ONNX model"),
        ("sample:tiny-bert", {"revision": "x"}, InputError, "fetched from the hub"),
        ("sample:tiny-bert", {"device": "gpu"}, InputError, "'cuda'"),
        ("sample:tiny-bert", {"trust_remote_code": 1}, InputError, "True or False"),
    ],
)
def test_options_are_checked(source: str, options: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wb.load(source, **options)


def test_a_provider_that_is_not_there_says_how_to_install_it() -> None:
    import onnxruntime

    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's ONNX Runtime has TensorRT")
    with pytest.raises(MissingLibraryError, match="pip install 'fusion-workbench"):
        wb.load("sample:mlp", provider="tensorrt")


def test_every_option_has_what_a_form_needs() -> None:
    assert {"huggingface", "safetensors", "numpy", "onnx"} <= {one.name for one in formats()}
    for option in (option for one in formats() for option in one.options):
        assert option.help
        assert option.default is None or type(option.default) is option.kind


def test_describing_models_loads_neither_torch_nor_onnxruntime() -> None:
    code = """
import sys, workbench as wb
repr(wb.load("sample:resnet50").info)
repr(wb.load(sys.argv[1]).tensors)
heavy = {"torch", "transformers", "onnxruntime", "pandas", "plotly", "ipywidgets", "numba", "huggingface_hub"}
sys.exit(", ".join(heavy & set(sys.modules)) or None)
"""
    folder = samples.tiny_bert()
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_name_of_a_missing_tensor_is_corrected() -> None:
    tensors = wb.load("sample:mlp").tensors
    with pytest.raises(InputError, match=r"first.weight, second.weight"):
        tensors["weight"]
    with pytest.raises(InputError, match=r"first.bias"):
        tensors["frst.bias"]
    assert tensors.to_pandas()["shape"].tolist() == ["16 x 32", "32", "32 x 4", "4"]
    assert "16 x 32" in repr(tensors)


def test_a_home_that_does_not_exist_and_a_link_to_nowhere_are_told(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such home folder"):
        wb.load("~nobody-of-this-name/model.onnx")
    (tmp_path / "link.onnx").symlink_to("gone.onnx")
    with pytest.raises(LoadError, match=r"a link to gone\.onnx, which leads nowhere"):
        wb.load(tmp_path / "link.onnx")


def test_a_model_without_tensors_has_a_whole_line(tmp_path: Path) -> None:
    (tmp_path / "none.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert repr(wb.load(tmp_path / "none.safetensors").info).splitlines()[1] == "  parameters 0, 0 B"
