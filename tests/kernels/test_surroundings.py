"""It stands where it is put: read-only, without a home, with too little memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fused_kernels as fk

USE = """
import os
import numpy as np, fused_kernels as fk
fk.set_num_threads(2)
def check():
    np.testing.assert_array_equal(fk.scale(np.broadcast_to(1.0, (1200, 1000)), 2.0), np.full((1200, 1000), 2.0))
"""


@pytest.fixture
def run(fresh_process: Callable[..., str]) -> Callable[..., str]:
    return lambda code, **environment: fresh_process(USE + textwrap.dedent(code), **environment)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A copy of the package that nobody may write to, beside an empty folder likewise."""
    package = Path(fk.__file__).parent
    shutil.copytree(package, tmp_path / "site" / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "home").mkdir()
    everything = [tmp_path, *tmp_path.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    yield tmp_path
    for path in everything:
        path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.skipif(sys.platform != "linux", reason="drops root's right to write everywhere in Linux's way")
def test_a_read_only_install_without_a_writable_home(read_only: Path) -> None:
    # Root may write anywhere; a program that it starts with this capability out of bounds may not.
    without = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1); os.execv(sys.argv[1], sys.argv[1:])"
    code = USE + textwrap.dedent(f"""
    for folder in ("site", "home", "site/fused_kernels"):
        try:
            open({str(read_only)!r} + "/" + folder + "/file", "w")
        except OSError:
            continue
        raise AssertionError("it is writable")
    check()
    print(fk.__file__)
    """)
    removed = {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME"}
    environment = {key: value for key, value in os.environ.items() if key not in removed}
    environment |= {"HOME": str(read_only / "home"), "PYTHONPATH": str(read_only / "site")}
    done = subprocess.run(
        [sys.executable, "-c", without, sys.executable, "-c", code],
        env=environment,
        cwd=read_only,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(read_only / "site" / "fused_kernels" / "__init__.py")
    assert not done.stderr


@pytest.mark.skipif(os.name != "posix", reason="users")
def test_a_user_without_a_name_and_a_home(run: Callable[..., str]) -> None:
    """As in containers that run under an arbitrary number."""
    code = """
    import pwd
    def unknown(number):
        raise KeyError(number)
    pwd.getpwuid = unknown
    os.environ.pop("HOME", None)
    check()
    """
    run(code, NUMBA_CACHE_DIR="", XDG_CACHE_HOME="")


def test_where_memory_is_short_it_is_a_memory_error(run: Callable[..., str]) -> None:
    code = """
    column = np.ones((10_000_000, 1))
    try:
        fk.linear(column, column.T)
    except MemoryError:
        check()
    else:
        raise AssertionError("a machine with 800 TB")
    """
    run(code)


def test_on_a_system_without_huge_pages(run: Callable[..., str]) -> None:
    code = """
    import mmap
    class Plain(mmap.mmap):
        def madvise(self, *arguments):
            raise OSError(22, "Invalid argument")
    mmap.mmap = Plain
    check()
    """
    run(code)
