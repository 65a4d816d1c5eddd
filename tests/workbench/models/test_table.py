"""The table of tensors: filters, and the tree of modules with its shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import InputError
from workbench.models.model import Tensor, TensorTable


def table_of(*names: str) -> TensorTable:
    return TensorTable(Tensor(name, "int8", (size,), size, lambda: np.zeros(1)) for size, name in enumerate(names, 1))


@pytest.fixture(scope="module")
def bert() -> TensorTable:
    return wb.load("sample:tiny-bert").tensors


def test_each_filter_keeps_what_it_says(bert: TensorTable) -> None:
    queries = bert.filter("*attention*query*", dtype="float32")
    assert list(queries) == [name for name in bert if "attention" in name and "query" in name]
    assert len(queries) == 4
    assert {tensor.nbytes for tensor in queries.filter(min_nbytes=4096).values()} == {4096}
    assert len(queries.filter(max_nbytes=128)) == 2
    assert not bert.filter(origin="constant")
    assert list(bert.filter(dtype="float*")) == list(bert)
    assert queries.filter("nothing").nbytes == 0


def test_a_graph_tells_stored_from_constant() -> None:
    tensors = wb.load("sample:resnet50").tensors
    origins = {origin: tensors.filter(origin=origin) for origin in ("stored", "constant", "filled")}
    assert sum(len(some) for some in origins.values()) == len(tensors)
    assert all(tensor.origin == origin for origin, some in origins.items() for tensor in some.values())


@pytest.mark.parametrize(
    ("wrong", "says"), [({"dtype": "flot32"}, "Did you mean 'float32'"), ({"origin": "file"}, "'stored'")]
)
def test_a_filter_that_can_match_nothing_is_refused(bert: TensorTable, wrong: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        bert.filter(**wrong)


def test_the_tree_holds_each_tensor_once_and_shares_add_up(bert: TensorTable) -> None:
    tree = bert.tree()
    leaves = [module for _, module in tree.walk() if not module.children]
    assert [name for leaf in leaves for name in leaf.tensors] == sorted(bert, key=[*bert].index)
    for _, module in tree.walk():
        if module.children:
            assert sum(child.nbytes for child in module.children) == module.nbytes
            assert sum(child.share for child in module.children) == pytest.approx(module.share)
    layer = tree["encoder.layer.0"]
    assert set(layer.tensors) == {name for name in bert if name.startswith("encoder.layer.0.")}
    assert [child.path for child in tree["encoder"].children] == ["encoder.layer.0", "encoder.layer.1"]
    with pytest.raises(InputError, match=r"Did you mean 'encoder\.layer\.0'"):
        tree["encoder.layers.0"]


def test_the_tree_is_shown_as_text_as_html_and_as_a_table(bert: TensorTable) -> None:
    tree = bert.tree()
    assert repr(tree).startswith("all: ")
    for part in ("embeddings", "encoder", "layer.0", "pooler"):
        assert part in repr(tree)
        assert part in tree._repr_html_()
    frame = tree.to_pandas()
    assert frame["bytes"][0] == bert.nbytes
    assert frame[frame["depth"] == 1]["share"].sum() == pytest.approx(1)
    assert "<script" not in table_of("<script>alert(1)</script>.a", "<script>b").tree()._repr_html_()


def test_names_with_underscores_alone_make_modules_too() -> None:
    names = [f"conv{layer}_{part}" for layer in range(20) for part in ("w", "b")]
    assert [child.path for child in table_of(*names).tree().children][:2] == ["conv0", "conv1"]
    assert table_of().tree().children == ()
    assert table_of("a").tree().children == ()


@given(st.lists(st.text("ab./_:", min_size=1, max_size=9), unique=True, max_size=30))
def test_any_names_make_a_tree_that_ends_in_them(names: list[str]) -> None:
    tree = table_of(*names).tree()
    leaves = [module for _, module in tree.walk() if not module.children]
    assert sorted(name for leaf in leaves for name in leaf.tensors) == sorted(names)
    assert all(len(leaf.tensors) <= 1 for leaf in leaves)


def test_the_table_for_pandas_has_module_share_and_origin(bert: TensorTable) -> None:
    frame = bert.to_pandas()
    assert frame["share"].sum() == pytest.approx(1)
    assert frame.groupby("module")["bytes"].sum().sum() == bert.nbytes
    assert "encoder.layer.0.attention.self.query" in set(frame["module"])
    assert set(frame["origin"]) == {"stored"}


def test_a_table_is_a_mapping_and_a_wrong_question_is_an_input_error(bert: TensorTable) -> None:
    name = next(iter(bert))
    assert bert.get("nothing") is None
    assert bert.get("nothing", 3) == 3
    assert bert.get(name) is bert[name]
    assert ["x"] not in bert  # type: ignore[comparison-overlap]
    for ask in (
        lambda: bert[["x"]],  # type: ignore[index]
        lambda: bert.filter(3),  # type: ignore[arg-type]
        lambda: bert.filter(dtype=np.float32),  # type: ignore[arg-type]
        lambda: bert[name].slice2d("a"),  # type: ignore[arg-type]
        lambda: bert[name].slice2d(1.0),  # type: ignore[arg-type]
        lambda: bert[name].slice2d(width=2.5),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError):
            ask()
