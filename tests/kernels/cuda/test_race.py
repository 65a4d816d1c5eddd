"""The CUDA kernels in a race, on the emulated card: whatever runs is right, and what is not here is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
import workbench as wb
from workbench.bench import contenders
from workbench.bench.environment import gpu
from workbench.errors import InputError, MissingLibraryError

from .emulated_device import EmulatedDevice, numpy_dtype


@pytest.fixture
def device(card: Any, on_card: type, monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    # What a copy takes here is of no interest, and takes long.
    monkeypatch.setattr("workbench.bench.racing.run.copied", lambda device: 1e9)
    return EmulatedDevice(on_card, card.started)


@pytest.mark.parametrize(("name", "dtype"), [("softmax", "float16"), ("add_layer_norm", "bfloat16")])
def test_a_kernel_races_and_is_held_to_the_truth(device: EmulatedDevice, card: Any, name: str, dtype: str) -> None:
    race = wb.compare(name, shape=(5, 96), dtype=dtype, contenders="fused", device=device, rounds=1)
    assert race["fused"].right, race
    assert race.dtype == dtype
    assert race.conditions["out"] == ["fused"]
    assert card.started, "kernels ran"
    cost = race.conditions["cost"]
    full = fk.OPS[name].cost(**fk.OPS[name].sample((5, 96), np.dtype(np.float32), np.random.default_rng(0)))
    assert cost["bytes_read"] * (4 // numpy_dtype(dtype).itemsize) == full.bytes_read
    assert "of a copy" not in repr(race), "5 x 96 stay in the cache"


def test_one_that_is_off_by_a_thousandth_is_wrong_in_half_precision_too(device: EmulatedDevice) -> None:
    x = device.put(np.random.default_rng(0).standard_normal((6, 40)).astype(np.float32), "bfloat16")

    def wrong(x: Any) -> Any:
        made = fk.softmax(x)
        made.data[0, 0] += 1
        return made

    race = wb.compare({"fused": fk.softmax, "wrong": wrong}, inputs={"x": x}, device=device, rounds=1)
    assert race["fused"].right, race
    assert race.shape == (6, 40)
    assert not race["wrong"].right


def test_a_cold_race_tells_the_share_of_a_copy(device: EmulatedDevice) -> None:
    race = wb.compare("softmax", shape=(5, 96), contenders="fused", device=device, rounds=1, cache="cold")
    assert device.flushes
    assert "of a copy" in repr(race)
    assert race.to_pandas()["copy_share"].between(0, 100).all()


@pytest.mark.skipif(bool(gpu()), reason="there is a GPU here, and torch may see it")
def test_who_is_not_here_is_absent_or_refused(device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"torch": "2", "numpy": "2", "triton": "3"}
    monkeypatch.setattr(contenders, "installed", lambda name: here.get(name, ""))
    race = wb.compare("softmax", shape=(5, 96), contenders="all", device=device, rounds=1)
    assert [result.contender for result in race.results] == ["fused"]
    assert set(race.absent) == {"cupy", "torch", "torch.compile", "triton", "liger", "fused-cupy"}
    assert race.absent["cupy"] == "not installed; pip install cupy-cuda13x"
    assert "sees no GPU" in race.absent["torch"]
    with pytest.raises(InputError, match=r"torch cannot race softmax: torch .* sees no GPU"):
        wb.compare("softmax", contenders="torch", device=device)
    with pytest.raises(MissingLibraryError, match="liger cannot race softmax: not installed; pip install liger-kernel"):
        wb.compare("softmax", contenders=["fused", "liger"], device=device)
    with pytest.raises(InputError, match="liger cannot race linear: has no linear; it has: cross_entropy"):
        wb.compare("linear", contenders="liger", device=device)
    with pytest.raises(InputError, match="no contender 'numba'"):
        wb.compare("softmax", contenders="numba", device=device)
