"""What looking at models costs, measured beside what it is compared with.

``python tests/workbench/models/bars.py`` prints all of it, in about a minute on an idle machine with 3 GB of room for
files; a name after it, ``listing``, ``opening``, ``running`` or ``statistics``, prints that one.
"""

from __future__ import annotations

import json
import os
import statistics as middle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from test_large import LIST, write_shards

import fused_kernels as fk
import workbench as wb

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"


def listing(folder: Path) -> None:
    """A checkpoint of 60 GB in 30 shards, sparse files, each time in a process of its own."""
    write_shards(folder)
    found = []
    for _ in range(7):
        done = subprocess.run([sys.executable, "-c", LIST, str(folder)], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    seconds, peak = middle.median(one["seconds"] for one in found), max(one["megabytes"] for one in found)
    print(f"listing {found[0]['nbytes'] / 1e9:.0f} GB, {found[0]['tensors']:,} tensors: {seconds * 1e3:.0f} ms", end="")
    print(f" (at most {max(one['seconds'] for one in found) * 1e3:.0f}), the process {peak:.0f} MB at its peak")


def opening(folder: Path) -> None:
    """ResNet-50 with weights of its real size, up to the session that runs it."""
    path = folder / "resnet50.onnx"
    onnx.save(_with_weights(onnx.load(LIGHT)), path)

    def bare() -> object:  # both are kept, as a loaded model keeps them, so that memory is asked for alike
        return onnx.load(path), onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    ours, theirs = _in_turns(15, lambda: wb.load(path).prepare(), bare)
    print(f"opening ResNet-50, {path.stat().st_size / 1e6:.0f} MB: {ours * 1e3:.0f} ms; ", end="")
    print(f"onnx.load and InferenceSession {theirs * 1e3:.0f} ms: {ours / theirs:.2f} times")


def running(folder: Path) -> None:
    """What `run` adds to a run of the session, by a model that computes next to nothing."""
    model = wb.load("sample:mlp")
    model.prepare()
    session = onnxruntime.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs, repeats = {"x": np.ones((1, 16), np.float32)}, 2000

    def ours() -> None:
        for _ in range(repeats):
            model.run(inputs)

    def bare() -> None:
        for _ in range(repeats):
            session.run(None, inputs)

    times = [time / repeats * 1e6 for time in _in_turns(15, ours, bare)]
    print(f"run {times[0]:.1f} µs; the session's own {times[1]:.1f} µs: {times[0] - times[1]:.1f} µs more")


def statistics(folder: Path) -> None:
    """Statistics of a float32 tensor of 1 GB whose file is in memory, beside two threads that only read it."""
    path, count = folder / "w.safetensors", 1 << 28
    header = json.dumps({"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for part in range(16):
            np.random.default_rng(part).standard_normal(count // 16, dtype=np.float32).tofile(file)
        os.fsync(file.fileno())

    def ours() -> None:
        wb.load(path).tensors["w"].stats()

    with path.open("r+b"):  # as long as somebody may write to it, it is copied
        (copied,) = _in_turns(7, ours)
    mapped, read, summed = _in_turns(9, ours, lambda: _read(path, 1 << 19), lambda: _summed(path, 1 << 22))
    print(f"statistics of 1 GB: {mapped * 1e3:.0f} ms; to read it by two threads {read * 1e3:.0f} ms: ", end="")
    print(
        f"{read / mapped:.0%} of that speed; to map and sum it {summed * 1e3:.0f} ms: {summed / mapped:.0%}; ", end=""
    )
    print(f"where it cannot be mapped {copied * 1e3:.0f} ms")


def _read(path: Path, step: int) -> None:
    """Read a file by the threads that the statistics use, into memory that stays in a core's cache."""
    descriptor, size, threads = os.open(path, os.O_RDONLY), path.stat().st_size, fk.get_num_threads()

    def lane(number: int) -> None:
        buffer = memoryview(bytearray(step))
        for start in range(number * step, size, threads * step):
            os.preadv(descriptor, [buffer], start)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lane, range(threads)))
    os.close(descriptor)


def _summed(path: Path, step: int) -> None:
    """Sum a file through a map, in the same threads."""
    threads, values = fk.get_num_threads(), np.memmap(path, np.float32, mode="r", shape=path.stat().st_size // 4)

    def lane(number: int) -> float:
        return sum(float(values[at : at + step].sum()) for at in range(number * step, values.size, threads * step))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lane, range(threads)))


def _with_weights(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Store the weights that a light model fills with one value."""
    graph, shapes = proto.graph, {one.name: numpy_helper.to_array(one) for one in proto.graph.initializer}
    rng, kept = np.random.default_rng(0), []
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and node.input[0] in shapes:
            values = rng.standard_normal(shapes[node.input[0]], dtype=np.float32) / 100
            graph.initializer.append(numpy_helper.from_array(np.abs(values), node.output[0]))
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    weights = [one for one in graph.initializer if one.name in used]
    inputs = [one for one in graph.input if one.name in used and one.name not in shapes]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(weights)
    graph.input.extend(inputs)
    return proto


def _in_turns(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median seconds of each of several calls, made in turns after one that does not count."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for call, found in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            found.append(time.perf_counter() - began)
    return [middle.median(found) for found in times]


BARS = (listing, opening, running, statistics)

if __name__ == "__main__":
    asked = sys.argv[1:] or [bar.__name__ for bar in BARS]
    for bar in BARS:
        if bar.__name__ in asked:
            with tempfile.TemporaryDirectory() as room:
                bar(Path(room))
