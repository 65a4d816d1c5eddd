"""What kernels are told of torch's tensors: real ones, whose memory happens to be the CPU's, on the emulated card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import fused_kernels as fk
from fused_kernels.cuda import arrays
from fused_kernels.cuda.arrays import Torch
from fused_kernels.cuda.launch import Card
from fused_kernels.cuda.views import View

from .emulation import SMALL


class OnTheCard(Torch):
    """torch's side as it is, but for what asks for a GPU."""

    def __init__(self, card) -> None:
        self.starter = card.starter

    def owns(self, value: object) -> bool:
        return isinstance(value, torch.Tensor)

    def view(self, operation: str, name: str, value: torch.Tensor) -> View:
        return View(*super().view(operation, name, value)[:4], 0)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> torch.Tensor:
        return torch.empty(shape, dtype=getattr(torch, dtype))

    def card(self, device: int) -> Card:
        return SMALL

    def stream(self, device: int) -> int:
        return 0


@pytest.fixture
def card_of_torch(card) -> Iterator[OnTheCard]:
    library = OnTheCard(card)
    arrays.libraries.insert(0, library)
    yield library
    arrays.libraries.remove(library)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.float16, torch.bfloat16))
def test_tensors_are_read_where_they_lie_and_results_are_tensors(card_of_torch, dtype: torch.dtype) -> None:
    exact = {"rtol": 1e-2, "atol": 1e-2} if dtype.itemsize == 2 else {"rtol": 1e-5, "atol": 1e-5}
    x, weight = torch.randn(6, 50, generator=torch.manual_seed(1)).to(dtype), torch.rand(50).to(dtype)
    for given, expected in (
        (fk.softmax(x), torch.softmax(x, -1)),
        (fk.softmax(x.T, axis=0), torch.softmax(x.T, 0)),
        (fk.softmax(x[::2, 1:]), torch.softmax(x[::2, 1:], -1)),
        (fk.layer_norm(x, weight), torch.nn.functional.layer_norm(x, (50,), weight)),
        (fk.scale(x.T, 2.0), x.T * 2),
        (fk.dropout_add(x, weight, x > 0, 1.5), x * (x > 0) * 1.5 + weight),
        (fk.sum_of_squares(x, axis=0), (x * x).sum(0)),
        (fk.matmul(x, x.T), x @ x.T),
    ):
        assert given.dtype == expected.dtype == dtype
        torch.testing.assert_close(given, expected, **exact)
    out = torch.zeros(6, 50, dtype=dtype)
    assert fk.silu(x, out=out) is out
    torch.testing.assert_close(out, torch.nn.functional.silu(x), **exact)


@pytest.mark.parametrize("activation", (None, "relu", "gelu", "gelu_tanh", "silu"))
def test_layers_by_the_library_and_what_it_has_no_epilogue_for(card_of_torch, activation: str | None) -> None:
    x, layer = torch.randn(2, 7, 20), torch.nn.Linear(20, 9).requires_grad_(False)
    functions = {"relu": torch.relu, "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu}
    functions["gelu_tanh"] = lambda x: torch.nn.functional.gelu(x, approximate="tanh")
    found = fk.linear(x, layer.weight.T, layer.bias, activation=activation)
    expected = functions.get(activation, lambda x: x)(layer(x))
    # On the CPU torch's epilogue for gelu_tanh is the exact one; cuBLASLt's is the approximation.
    loose = 1e-3 if activation == "gelu_tanh" else 1e-5
    torch.testing.assert_close(found, expected, rtol=loose, atol=loose)
    none = fk.linear(x, layer.weight.T, activation=activation)
    torch.testing.assert_close(
        none, functions.get(activation, lambda x: x)(layer(x) - layer.bias), rtol=1e-5, atol=1e-5
    )


def test_integers_tokens_and_losses(card_of_torch) -> None:
    logits, target = torch.randn(9, 30), torch.randint(0, 30, (9,), dtype=torch.int32)
    found = fk.cross_entropy(logits, target)
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, target.long()))
    x, mask = torch.randn(2, 5, 8), torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    expected = torch.stack([x[0, :2].mean(0), x[1].mean(0)])
    for kept in (mask, mask.bool(), mask.to(torch.uint8)):
        torch.testing.assert_close(fk.mean_pool(x, kept), expected)


def test_tensors_that_cannot_be_computed_with_are_refused(card_of_torch) -> None:
    for tensor, words in (
        (torch.ones(3, requires_grad=True), "requires grad"),
        (torch.ones(3).to_sparse(), "layout torch.sparse_coo"),
        (torch.ones(3, dtype=torch.complex64), "complex64"),
        (torch.ones(3, dtype=torch.complex64).conj(), "lazy view"),
    ):
        with pytest.raises(fk.DtypeError, match=words):
            fk.softmax(tensor)
        with pytest.raises(fk.DtypeError, match=words):
            fk.relu(tensor)
    with pytest.raises(fk.DtypeError, match="bias is a numpy ndarray, and other arguments are torch's arrays"):
        fk.layer_norm(torch.ones(2, 3), bias=np.ones(3, np.float32))
