"""ONNX Runtime's own profile of a session, read into a :class:`~workbench.models.profile.Profile`."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.bench.environment import environment
from workbench.errors import RunError
from workbench.models.profile import NodeTime, Profile

from .providers import SHORT, onnxruntime
from .session import Session

_SUFFIX = "_kernel_time"
_HOLDING_GRAPHS = {"If", "Loop", "Scan"}


def profile(
    open_session: Callable[[str], Session],
    names: list[str],
    feeds: dict[str, Any],
    runs: int,
    *,
    model: str,
    options: Mapping[str, Any],
) -> Profile:
    """Run a session that keeps times, once and then ``runs`` times, and return where the time went.

    Parameters
    ----------
    open_session
        Opens a session that writes its profile to a file whose path begins as given.
    names, feeds
        As for :meth:`Session.run`.
    runs
        How often, beside the first run.
    model
        The model's name.
    options
        Those of ``load``.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-profile-") as folder:
        session = open_session(str(Path(folder) / "profile"))
        try:
            for _ in range(runs + 1):
                session.run(names, feeds)
        finally:
            written = session.end_profile()  # or the file would be written later, into a folder that is gone
        try:
            events = json.loads(Path(written).read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"ONNX Runtime wrote no profile that can be read: {error}. Is the disk of {tempfile.gettempdir()} full?"
            ) from error
    spans = [(one["ts"], one["ts"] + one["dur"]) for one in events if one["name"] == "model_run"][1:]
    if not spans:
        raise RunError(
            "ONNX Runtime's profile ended before the second run: it keeps a million events. Ask for fewer runs."
        )
    told = ("optimization", "intra_threads", "inter_threads")
    return Profile(
        model,
        f"ONNX Runtime {onnxruntime().__version__} on {session.provider}",
        len(spans),
        statistics.median(end - start for start, end in spans) / 1e6,
        _nodes(events, spans),
        {name: options[name] for name in told},
        environment(),
    )


def _nodes(events: list[dict[str, Any]], spans: list[tuple[int, int]]) -> tuple[NodeTime, ...]:
    times: dict[tuple[str, str, str], list[int]] = {}
    shapes: dict[tuple[str, str, str], tuple[int, ...] | None] = {}
    for event, took in _own_times(events):
        run = next((index for index, (start, end) in enumerate(spans) if start <= event["ts"] < end), None)
        if run is None:
            continue
        about = event["args"]
        provider = str(about.get("provider", ""))
        name = event["name"].removesuffix(_SUFFIX) or f"{about.get('op_name')} {about.get('node_index')}"
        key = name, str(about.get("op_name", "")), SHORT.get(provider, provider)
        times.setdefault(key, [0] * len(spans))[run] += took
        shapes[key] = _shape(about.get("output_type_shape"))
    medians = {key: statistics.median(all_runs) / 1e6 for key, all_runs in times.items()}
    total = sum(medians.values())
    rows = [NodeTime(*key, shapes[key], took, took / total if total else 0.0) for key, took in medians.items()]
    return tuple(sorted(rows, key=lambda row: (-row.seconds, row.name)))


def _own_times(events: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Return each node's event with its own time in microseconds: less that of the nodes inside, as of a loop."""
    nodes = [one for one in events if one.get("cat") == "Node" and one["name"].endswith(_SUFFIX)]
    nodes.sort(key=lambda one: (one["tid"], one["ts"], -one["dur"]))
    own = [one["dur"] for one in nodes]
    around: list[int] = []
    for index, node in enumerate(nodes):
        while around and not _inside(node, nodes[around[-1]]):
            around.pop()
        if around:
            own[around[-1]] = max(0, own[around[-1]] - node["dur"])
        if node["args"].get("op_name") in _HOLDING_GRAPHS:
            around.append(index)
    return list(zip(nodes, own, strict=True))


def _inside(inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    return bool(inner["tid"] == outer["tid"] and inner["ts"] < outer["ts"] + outer["dur"])


def _shape(outputs: Any) -> tuple[int, ...] | None:
    """Return the shape of the first output, ``[{"float": [1, 64]}, ...]``."""
    first = next(iter(outputs[0].values()), None) if outputs else None
    return tuple(first) if isinstance(first, list) else None
