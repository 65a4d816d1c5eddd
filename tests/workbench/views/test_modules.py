"""A model's bytes by module: every tensor lies in one area, and the areas fill the map."""

import numpy as np
import pytest

import workbench as wb
from workbench.models.model import Tensor
from workbench.views.models.module_map import HEIGHT, WIDTH, ModuleMap, squarify, tiles
from workbench.views.models.modules import areas


def tensors(*sizes: tuple[str, int]) -> list[Tensor]:
    return [Tensor(name, "int8", (size,), size, lambda size=size: np.zeros(size, np.int8)) for name, size in sizes]


def labels(*sizes: tuple[str, int]) -> dict[str, int]:
    return {area.label: area.nbytes for area in areas(tensors(*sizes))}


def test_what_all_share_is_left_out_and_the_large_is_divided():
    parts = [("m.e.word", 500), ("m.e.norm", 10), ("m.layer.0.a", 100), ("m.layer.1.a", 100), ("m.head", 20)]
    assert labels(*parts) == {"e.word": 500, "e.norm": 10, "layer.0.a": 100, "layer.1.a": 100, "head": 20}


def test_small_modules_stay_whole():
    assert labels(("big.a", 900), ("big.b", 900), ("small.a", 5), ("small.b", 5)) == {
        "big.a": 900,
        "big.b": 900,
        "small": 10,
    }


def test_underscores_part_names_that_have_nothing_else():
    assert labels(("conv1_w", 50), ("conv1_b", 1), ("fc_w", 50), ("fc_b", 1)).keys() >= {"fc_w", "conv1_w"}


def test_many_equal_parts_become_others():
    found = areas(tensors(*((f"{place}.w", 10) for place in range(100))))
    assert len(found) <= 20
    assert found[-1].label == "83 others"


@pytest.mark.parametrize("sample", ["resnet50", "tiny-bert", "mlp"])
def test_each_tensor_of_a_real_model_lies_in_exactly_one_area(sample):
    table = wb.load(f"sample:{sample}").tensors
    found = areas(table.values())
    names = [name for area in found for name in area.names]
    assert len(names) == len(set(names))
    assert set(names) >= {name for name, tensor in table.items() if tensor.nbytes}
    assert sum(area.nbytes for area in found) == table.nbytes
    assert 1 < len(found) <= 20


def test_no_tensors_no_areas():
    assert areas([]) == []
    assert tiles([]) == []


def test_the_map_is_filled_without_overlap():
    sizes = [500.0, 100, 100, 90, 40, 3, 1]
    places = squarify(sizes, WIDTH, HEIGHT)
    whole = WIDTH * HEIGHT
    for size, place in zip(sizes, places, strict=True):
        assert place.width * place.height == pytest.approx(whole * size / sum(sizes))
        assert -1e-9 <= place.left <= place.left + place.width <= WIDTH + 1e-6
        assert -1e-9 <= place.top <= place.top + place.height <= HEIGHT + 1e-6
    for at, one in enumerate(places):
        for other in places[at + 1 :]:
            across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
            down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
            assert across < 1e-6 or down < 1e-6


def test_layers_of_one_family_have_one_colour():
    parts = areas(wb.load("sample:tiny-bert").tensors.values())
    drawn = {tile["label"]: tile["colour"] for tile in ModuleMap(parts)._tiles}
    encoder = {colour for label, colour in drawn.items() if label.startswith("encoder.")}
    assert len(encoder) == 1
    assert len(set(drawn.values())) > 1
