"""How a row of a behaviour table is held against ours and against the original."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fused_kernels import polyglot


@pytest.fixture(params=["ours", "the original"])
def package(request: pytest.FixtureRequest) -> ModuleType:
    """Ours always; the original where it is installed, so that the tables are known to be true of it."""
    return polyglot if request.param == "ours" else pytest.importorskip("polyglot_bridge")


@pytest.fixture
def behaves(package: ModuleType) -> Callable[..., None]:
    """Check that a call gives what is expected: a value, or an exception of that type and beginning.

    Where the original is known to be wrong, and why, it has to fail: a table that no longer tells the truth is noticed.
    """

    def check(function: str, arguments: tuple[Any, ...], expected: Any, original_is_wrong: str = "") -> None:
        call = getattr(package, function)
        if original_is_wrong and package is not polyglot:
            with pytest.raises(BaseException):  # noqa: B017 a PanicException is no Exception; or an AssertionError
                assert_behaves(call, arguments, expected)
        else:
            assert_behaves(call, arguments, expected)

    return check


def assert_behaves(call: Callable[..., Any], arguments: tuple[Any, ...], expected: Any) -> None:
    if isinstance(expected, Exception):
        with pytest.raises(type(expected)) as caught:
            call(*arguments)
        assert str(caught.value).startswith(str(expected))
    else:
        before = [np.copy(argument) if isinstance(argument, np.ndarray) else argument for argument in arguments]
        assert_same(call(*arguments), expected)
        for argument, copy in zip(arguments, before, strict=True):
            np.testing.assert_array_equal(argument, copy)


def assert_same(result: Any, expected: Any) -> None:
    assert type(result) is type(expected)
    if isinstance(expected, np.ndarray):
        assert result.dtype == expected.dtype
        assert result.shape == expected.shape
        assert result.flags.writeable
        np.testing.assert_allclose(result, expected, rtol=3e-6 if result.dtype == "f4" else 1e-12, atol=1e-12)
    elif isinstance(expected, list):
        assert len(result) == len(expected)
        for one, other in zip(result, expected, strict=True):
            assert_same(one, other)
    else:
        assert result == pytest.approx(expected, rel=1e-6, abs=0, nan_ok=True)
