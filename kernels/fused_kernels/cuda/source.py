"""The text of a kernel: files of CUDA C++ put together, and the entry that names one variant of a template."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HOME = Path(__file__).parent
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)


class Kernel(NamedTuple):
    """One kernel, as text.

    Parameters
    ----------
    source
        CUDA C++ with what the entry needs; it may include the files of this folder.
    body
        What the entry does, for example ``"streaming<Softmax<float>, float, 4>(a);"``.
    arguments
        The struct that it takes by value, as ``a``: the only argument of every kernel.
    threads
        The most that a block of it has.
    quick
        Whether `common.cuh` is to take the quick functions: those of 16-bit dtypes.
    """

    source: str
    body: str
    arguments: str
    threads: int
    quick: bool = False

    def entry(self, name: str) -> str:
        """Return the entry, under a name."""
        bounds = f"__launch_bounds__({self.threads})"
        return f'extern "C" __global__ void {bounds} {name}(const {self.arguments} a) {{ {self.body} }}\n'


def program(kernels: Sequence[Kernel], names: Sequence[str]) -> str:
    """Return one text with the entries of kernels, which have one source and are all quick or none."""
    (source,) = {kernel.source for kernel in kernels}
    (quick,) = {kernel.quick for kernel in kernels}
    entries = "".join(kernel.entry(name) for kernel, name in zip(kernels, names, strict=True))
    return ("#define QUICK\n" if quick else "") + joined(source) + entries


@functools.cache
def text_of(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


def joined(source: str) -> str:
    """Return a text with the files of this folder that it includes, each of them once, in their place."""
    seen: set[str] = set()

    def included(match: re.Match[str]) -> str:
        name = match[1]
        if name in seen:
            return ""
        seen.add(name)
        return _INCLUDE.sub(included, text_of(HOME / name))

    return _INCLUDE.sub(included, source)
