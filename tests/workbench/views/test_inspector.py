"""The inspector, driven from Python as the browser drives it: through the traits of its widgets."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

import workbench as wb
from workbench.errors import InputError, LoadError
from workbench.models.model import Tensor, TensorTable
from workbench.views import html
from workbench.views.models import detail, inspector

SCRIPT, LONG = "<script>alert(1)</script>.weight", "block." * 80 + "weight"


@pytest.fixture(scope="module")
def model():
    return wb.load("sample:tiny-bert")


def click(shown: inspector.Inspector, name: str) -> None:
    """Select the row of a tensor as a click on it does."""
    shown.table.selected_rows = [list(shown.table.df["tensor"]).index(name)]
    assert shown.detail.wait(60)


def test_it_shows_the_model_at_a_glance_and_every_tensor(model):
    shown = wb.inspect(model)
    glance = shown._body.children[0].value
    for fact in (model.info.name, f"{model.info.parameters:,}", "float32", "input_ids"):
        assert html.escape(fact) in glance
    assert list(shown.table.df["tensor"]) == list(model.tensors)
    assert list(shown.table.df["bytes"]) == [tensor.nbytes for tensor in model.tensors.values()]


def test_a_click_on_a_row_shows_what_the_tensor_holds(model):
    shown = wb.inspect(model)
    name = next(name for name, tensor in model.tensors.items() if len(tensor.shape) == 2)
    click(shown, name)
    assert shown.detail.wait(10)
    tensor = model.tensors[name]
    assert shown.selected is tensor
    for fact in (name, tensor.dtype, html.shape_text(tensor.shape), html.number(tensor.stats().std)):
        assert html.escape(fact) in shown.detail.head.value
    assert int(np.sum(shown.detail.histogram.data[0].y)) == tensor.size
    first = np.array(shown.detail.heatmap.data[0].z, dtype=float)
    np.testing.assert_allclose(first, tensor.numpy()[: first.shape[0], : first.shape[1]], rtol=1e-6)


def test_the_code_line_gives_the_same_numbers(model):
    shown = wb.inspect(model)
    assert shown.code_footer.code == "wb.inspect(model)"
    name = list(model.tensors)[3]
    click(shown, name)
    names = {"model": model}
    exec(shown.code_footer.code, names)
    assert names["tensor"] is model.tensors[name]


def test_filters_narrow_the_table_and_keep_what_is_selected(odd):
    shown = wb.inspect(odd)
    click(shown, "q.int8")
    shown.dtype.value = "int8"
    assert list(shown.table.df["tensor"]) == ["q.int8"]
    assert shown.table.selected_rows == [0]
    assert shown.selected.name == "q.int8"
    assert "1 of 10 tensors" in shown.count.value
    shown.dtype.value = "bfloat16"
    assert shown.table.selected_rows == []
    shown.dtype.value = inspector.ALL_DTYPES
    assert len(shown.table.df) == len(odd.tensors)


def test_an_area_of_the_map_and_the_list_of_modules_are_one_filter(model):
    shown = wb.inspect(model)
    area = next(at for at, area in enumerate(shown._areas) if 1 < area.tensors < len(model.tensors))
    shown.map.chosen = area
    assert shown.module.value == area
    assert list(shown.table.df["tensor"]) == [name for name in model.tensors if name in shown._areas[area].names]
    shown.module.value = inspector.EVERY
    assert shown.map.chosen == inspector.EVERY
    assert len(shown.table.df) == len(model.tensors)


def test_select_takes_back_filters_and_turns_to_the_page(odd):
    shown = wb.inspect(odd)
    shown.dtype.value = "int8"
    shown.select("vector")
    assert shown.selected.name == "vector"
    assert shown.dtype.value == inspector.ALL_DTYPES
    start = shown.table._dt_args["displayStart"]
    assert start <= shown.table.selected_rows[0] < start + inspector.PAGE
    shown.select(None)
    assert shown.selected is None
    with pytest.raises(InputError, match="no tensor 'vectors'"):
        shown.select("vectors")


@pytest.mark.parametrize("name", [SCRIPT, LONG, "scalar", "special", "all.nan", "empty", "bf16.weight"])
def test_every_odd_tensor_is_shown_without_an_error(odd, name):
    shown = wb.inspect(odd)
    click(shown, name)
    assert shown.detail.wait(10)
    assert "fw-error" not in shown.detail.status.value
    assert "<script" not in shown.detail.head.value
    assert f"<b>{odd.tensors[name].stats().nans:,}</b>" in shown.detail.head.value


def test_offsets_move_the_slice_and_its_code(odd):
    shown = wb.inspect(odd)
    click(shown, "q.int8")
    values = odd.tensors["q.int8"].numpy()
    shown.detail.row.value, shown.detail.column.value = 30, 100
    assert shown.detail.heatmap.data[0].z[0][0] == values[30, 100]
    assert "slice2d(30, 100" in shown.code_footer.code
    click(shown, "conv.weight")
    shown.detail.matrix.value = 11
    assert "leading=(1, 3)" in shown.code_footer.code
    assert shown.detail.heatmap.data[0].z[0][0] == pytest.approx(float(odd.tensors["conv.weight"].numpy()[1, 3, 0, 0]))


def test_text_is_listed_as_it_is(text_model):
    shown = wb.inspect(text_model)
    click(shown, "labels")
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown.detail.head.value
    assert "négatif" in shown.detail.head.value
    assert ".numpy()" in shown.code_footer.code


def blocked(tensor: Tensor, gate: threading.Event, opened: list[str]) -> Tensor:
    """Return a tensor whose values can be read only once the gate opens."""

    def read():
        gate.wait(20)
        opened.append(tensor.name)
        return tensor.numpy()

    return replace(tensor, read=read, read_flat=None)


def test_a_large_tensor_does_not_keep_the_user_waiting(model, monkeypatch):
    monkeypatch.setattr(detail, "AT_ONCE", 0)
    gate, opened = threading.Event(), []
    slow = [blocked(tensor, gate, opened) for tensor in list(model.tensors.values())[:4]]
    shown = detail.TensorDetail()
    for tensor in slow:
        shown.show(tensor)  # returns although nothing can be read yet
        assert "reading" in shown.status.value
    assert not shown.wait(0.01)
    gate.set()
    assert shown.wait(20)
    assert "reading" not in shown.status.value
    assert html.escape(slow[-1].name) in shown.head.value
    assert opened[-1] == slow[-1].name
    assert len(opened) <= 2, "but for the one that was begun, those before were no longer asked for"


def test_what_cannot_be_read_says_why(model):
    def read():
        raise LoadError("The file ends after 12 bytes where 4,096 are needed. Copy it again.")

    shown = detail.TensorDetail()
    shown.show(Tensor("broken", "float32", (32, 32), 4096, read))
    assert shown.wait(60)
    assert "ends after 12 bytes" in shown.status.value
    shown.show(next(iter(model.tensors.values())))
    assert shown.wait(10)
    assert "fw-error" not in shown.status.value


def test_the_empty_states_say_what_to_do():
    shown = inspector.Inspector()
    assert "No model yet" in shown._body.children[0].value
    assert "wb.load" in shown.code_footer.code
    with pytest.raises(InputError, match="show one first"):
        shown.select("x")
    model = wb.load("sample:mlp")
    model.tensors = TensorTable([])
    shown.show(model)
    assert "stores no weights" in shown._body.children[-1].value
    shown.show(wb.load("sample:mlp"))
    assert len(shown.table.df) > 0


def test_the_cost_of_a_run_is_told_at_once_or_for_the_sizes_in_the_fields(model):
    at_once = wb.inspect(wb.load("sample:resnet50")).cost
    assert not at_once.sizes
    assert "4.09 G" in at_once.result.value
    asked = wb.inspect(wb.load("sample:mlp")).cost
    assert asked.result.value == ""
    asked.sizes["batch"].value = 50
    asked.button.click()
    assert "32.0 k" in asked.result.value
    assert "model.cost(batch=50)" in asked.result.value
    assert wb.inspect(model).cost is None  # there is no graph


def test_a_graph_whose_shapes_contradict_one_another_says_so_in_its_place():
    node = helper.make_node("MatMul", ["x", "x"], ["y"], name="product")
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [3, 4]), ("y", None))
    )
    graph = helper.make_graph([node], "g", [x], [y])
    shown = wb.inspect(wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)))
    assert "do not fit" in shown.cost.result.value


def test_the_modules_with_their_shares_are_below_the_map(model):
    shown = wb.inspect(model)
    (tree,) = (part.value for part in shown._body.children if "fw-tree" in getattr(part, "value", ""))
    for module in model.tensors.tree().children:
        assert html.escape(module.name) in tree


def test_a_path_is_not_a_model():
    with pytest.raises(InputError, match=r"wb\.inspect\(wb\.load\('model\.onnx'\)\)"):
        wb.inspect("model.onnx")


def test_a_large_real_model_opens_with_its_tensors_unread(monkeypatch):
    from workbench.models import samples

    if "minilm" not in samples.available():
        pytest.skip("all-MiniLM-L6-v2 comes with the extra `samples`")
    model = wb.load("sample:minilm")
    shown = wb.inspect(model)
    assert not any("_stats" in vars(tensor) for tensor in model.tensors.values())
    shown.select("embeddings.word_embeddings.weight")
    assert shown.detail.wait(30)
    stats = model.tensors["embeddings.word_embeddings.weight"].stats()
    assert html.number(stats.std) in shown.detail.head.value
    assert stats.count == 30522 * 384
