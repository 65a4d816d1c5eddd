"""How far two engines of one model lie apart, on tokens that are made up; and that, remembered for a checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np

from workbench.folders import cache_folder
from workbench.models.export.difference import difference, format_cosine
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.models.formats.onnx.providers import onnxruntime
from workbench.models.tensor import Tensor
from workbench.pipelines.graphs import Graph, UnfitError

from .engine import Batch, Engine

_LONGEST = 512
"""Tokens of the longest text that is tried."""
_SAMPLED = 64
"""Values at the begin and at the end of each tensor that tell a checkpoint from another one of its kind."""
_LEAST_COSINE, _MOST_APART = 0.9999, 1e-3
"""Of a graph in float32, to torch; the second as a share of the largest magnitude."""


@dataclass(frozen=True)
class Agreement:
    """The worst over all texts that were tried.

    Parameters
    ----------
    cosine
        Between the outputs for one text.
    apart
        The largest difference of two numbers, as a share of the largest magnitude of the reference.
    """

    cosine: float
    apart: float


def agreement(engine: Engine, reference: Engine, tried: Iterable[Batch]) -> Agreement:
    """Compute some batches with two engines; places of padding do not count."""
    cosines, shares = [], []
    for batch in tried:
        expected, found = reference.forward(batch), engine.forward(batch)
        for row, mask in enumerate(batch.mask):
            real = mask != 0 if expected.ndim == 3 else slice(None)
            one = difference("", expected[row][real], found[row][real])
            cosines.append(one.cosine)
            shares.append(one.relative)
    return Agreement(float(min(cosines)), float(max(shares)))


def trials(model: HuggingFaceModel, engine: Engine) -> list[Batch]:
    """Return batches of random tokens: texts of several lengths with padding, one short one, and the longest."""
    limits = model.limits
    random = np.random.default_rng(0)
    known = np.arange(limits.vocabulary)
    plain = np.setdiff1d(known, sorted(limits.special))
    plain = plain if plain.size else known
    made = []
    for lengths in ((24, 17, 9), (5,), (_LONGEST,)):
        sizes = [limits.fitted(length) for length in lengths]
        shape = (len(sizes), max(sizes))
        mask = (np.arange(shape[1]) < np.array(sizes)[:, None]).astype(np.int64)
        ids = np.where(mask, random.choice(plain, shape), engine.pad)
        types = np.where(np.arange(shape[1]) >= shape[1] // 2, mask, 0) if engine.takes_types else None
        made.append(Batch(ids, mask, types))
    return made


def fingerprint(model: HuggingFaceModel, graph: Graph, *others: str) -> str:
    """Return what an agreement depends on, as a text: the graph, the checkpoint, and the libraries.

    Of each tensor a few values count, at its begin and its end: two trainings of one model differ in nearly all of
    them. Of the graph all counts, and so does each change of the code that writes it.
    """
    assert isinstance(graph.model, bytes)  # it was written here and is no path
    mixed = hashlib.sha256(graph.model)
    libraries = [onnxruntime().__version__, *(metadata.version(name) for name in ("torch", "transformers"))]
    mixed.update(json.dumps([model.config, *libraries, *others], sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.tensors.items()):
        mixed.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        mixed.update(_sample(tensor))
    return mixed.hexdigest()


def remembered(key: str, measure: Callable[[], Agreement]) -> tuple[Agreement, bool]:
    """Return an agreement, and whether it was measured now; it is kept in the user's cache folder.

    Where that folder cannot be written to, it is measured each time.
    """
    path = cache_folder() / "agreements" / f"{key}.json"
    with suppress(OSError, ValueError, TypeError):
        return Agreement(**_record(json.loads(path.read_text(encoding="utf-8")))), False
    found = measure()
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(asdict(found)), encoding="utf-8")
        new.replace(path)
    return found, True


def near_enough(found: Agreement, *, of: str) -> str:
    """Say how near a graph in float32 is to torch.

    Parameters
    ----------
    found
        Of the two.
    of
        What was compared, such as ``"output"``.

    Raises
    ------
    workbench.pipelines.graphs.UnfitError
        If it is not near enough.
    """
    cosine = format_cosine(found.cosine)
    if not (found.cosine >= _LEAST_COSINE and found.apart <= _MOST_APART):
        raise UnfitError(f"it differs from torch, by {found.apart:.2g} of the largest {of} and in cosine ({cosine})")
    return f"cosine to torch {cosine}"


def processor() -> str:
    """Return the name of the processor, whose instructions for int8 decide on the rounding."""
    from llvmlite import binding

    return str(binding.get_host_cpu_name())


def _record(content: Any) -> Mapping[str, float]:
    if not isinstance(content, dict) or not all(isinstance(value, float) for value in content.values()):
        raise ValueError("not a record")
    return content


def _sample(tensor: Tensor) -> bytes:
    if tensor.read_flat is None:
        flat = tensor.numpy().reshape(-1)
        return flat[:_SAMPLED].tobytes() + flat[-_SAMPLED:].tobytes()
    size = tensor.size
    ends = tensor.read_flat(0, min(_SAMPLED, size)), tensor.read_flat(max(size - _SAMPLED, 0), size)
    return b"".join(end.tobytes() for end in ends)
