"""A file that arrives in pieces; the browser's half is tested in tests/browser."""

import pytest

from workbench.errors import LoadError
from workbench.views.models.upload import Upload


@pytest.fixture
def upload():
    arrived, failed = [], []
    widget = Upload(arrived.append, failed.append, (".onnx",))
    widget.arrived, widget.failed = arrived, failed
    return widget


def send(upload, name, content, start, size):
    upload._handle_custom_msg({"name": name, "start": start, "size": size}, [memoryview(content)])


def test_pieces_make_a_file(upload):
    send(upload, "a.onnx", b"0123", 0, 10)
    send(upload, "a.onnx", b"4567", 4, 10)
    assert upload.arrived == []
    send(upload, "a.onnx", b"89", 8, 10)
    (path,) = upload.arrived
    assert path.name == "a.onnx"
    assert path.read_bytes() == b"0123456789"


def test_a_second_file_of_the_same_name_does_not_touch_the_first(upload):
    send(upload, "a.onnx", b"old", 0, 3)
    send(upload, "a.onnx", b"new!", 0, 4)
    assert [path.read_bytes() for path in upload.arrived] == [b"old", b"new!"]


@pytest.mark.parametrize("name", ["../../escape.onnx", "/etc/escape.onnx"])
def test_a_name_with_a_path_stays_in_the_folder(upload, name):
    send(upload, name, b"x", 0, 1)
    (path,) = upload.arrived
    assert path.name == "escape.onnx"
    assert str(path).startswith(upload._folder.name)


def test_an_empty_file_arrives(upload):
    send(upload, "empty.onnx", b"", 0, 0)
    assert upload.arrived[0].read_bytes() == b""


def test_a_lost_piece_is_an_error(upload):
    send(upload, "a.onnx", b"0123", 0, 10)
    send(upload, "a.onnx", b"89", 8, 10)
    assert isinstance(upload.failed[0], LoadError)
    assert upload.arrived == []
