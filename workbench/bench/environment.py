"""Where a race was run: the machine, its libraries, and what else went on meanwhile."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

_LIBRARIES = (
    *("numpy", "numba", "llvmlite", "torch", "onnxruntime", "onnxruntime-gpu", "jax", "jaxlib", "numexpr"),
    *("polyglot-bridge", "fusion-workbench", "cupy-cuda12x", "cupy-cuda13x", "triton", "liger-kernel"),
)
_SETTINGS = re.compile(
    "(OPENBLAS|GOTO|BLIS|MKL|VECLIB|OMP|KMP|GOMP|ATEN|TORCHINDUCTOR|NUMBA|TBB|NUMEXPR|JAX|XLA|ORT|MALLOC|CUDA|CUBLAS|CUPY|TRITON)_|LD_PRELOAD$"
)
"""Variables that change how fast a library is: its threads, and the instructions that it picks."""

STOLEN = 0.05
"""Share of a machine's time that its host may take before a race counts as disturbed."""
ALONE = 0.1
"""Cores that others may keep busy where this process counts as alone."""


def environment() -> dict[str, Any]:
    """Return what a time depends on, as plain values for JSON: CPU, cores, caches, system, versions; no host name."""
    cpu = _cpu()
    return {
        "cpu": cpu["model"],
        "cores": cores(),
        "simd": cpu["simd"],
        "caches": caches(),
        "frequency": _frequency(),
        "microcode": cpu["microcode"],
        "memory": _memory(),
        "huge_pages": _chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "limits": _limits(),
        "gpu": gpu(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "container": _container(cpu["virtual"]),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "python": platform.python_version(),
        "blas": _blas(),
        "libraries": {name: version for name in _LIBRARIES if (version := installed(name))},
        "settings": settings(),
    }


def settings() -> str:
    """Return the variables of this process that change a library's speed, as ``NAME=value``; of a path its end."""
    found = {name: value for name, value in sorted(os.environ.items()) if _SETTINGS.match(name)}
    return " ".join(f"{name}={Path(value).name if os.sep in value else value}" for name, value in found.items())


def cores() -> int:
    """Return how many cores this process may use, as its affinity says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caches() -> dict[str, int]:
    """Return bytes of the first core's caches: ``L1d``, ``L2``, ``L3``; empty where the system does not say."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(index / name) for name in ("level", "type", "size"))
        if kind != "Instruction" and (amount := re.fullmatch(r"(\d+)([KMG]?)", size)):
            found[f"L{level}{'d' if kind == 'Data' else ''}"] = (
                int(amount[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[amount[2]]
            )
    if not found and sys.platform == "darwin":
        sizes = {"L1d": _sysctl("hw.l1dcachesize"), "L2": _sysctl("hw.l2cachesize"), "L3": _sysctl("hw.l3cachesize")}
        found = {name: int(size) for name, size in sizes.items() if size.isdecimal() and int(size)}
    return found


def gpu() -> str:
    """Return the name of the first NVIDIA GPU as its driver tells it; empty if there is none. No library is loaded."""
    for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        if model := re.search(r"^Model:\s*(.+)$", _read(card), re.MULTILINE):
            return model[1].strip()
    # A container may have the device without its description; /dev/dxg is the GPU of Windows, seen from WSL.
    return "GPU" if any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg")) else ""


def installed(distribution: str) -> str:
    """Return the version of an installed distribution; empty if there is none. Nothing is imported."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def threads() -> dict[str, int]:
    """Return how many threads the loaded libraries use, as they are set; nothing is set or loaded."""
    found = {}
    if torch := sys.modules.get("torch"):
        found["torch"] = int(torch.get_num_threads())
    if kernels := sys.modules.get("fused_kernels.cpu.threads"):
        found["numba"] = int(kernels.count())
    for pool in _pools():
        if pool.get("user_api") == "blas" and "numpy" in str(pool.get("filepath", "")):
            found["blas"] = int(pool["num_threads"])
    return found


class Watch:
    """What others do to this machine between :meth:`__init__` and :meth:`finish`."""

    def __init__(self) -> None:
        self._before = self._look()

    def finish(self) -> dict[str, float | bool | None]:
        """Return ``load`` (cores that others kept busy), ``stolen`` (share of time the host took) and ``disturbed``.

        A race is disturbed if others took more than 5 % of the machine and a quarter of a core: a library whose threads
        wait for each other by spinning then takes a hundred times as long, and no interval shows that it is not its own
        doing. Where the system does not count, ``load`` is the run queue's average of the last minute, if there is one.
        """
        change = self._change()
        if change is None:
            average = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
            return {"load": average, "stolen": None, "disturbed": False}
        load, stolen = change
        disturbed = load > max(0.25, 0.05 * (os.cpu_count() or 1)) or stolen > STOLEN
        return {"load": round(load, 2), "stolen": round(stolen, 4), "disturbed": disturbed}

    @property
    def alone(self) -> bool:
        """Whether others have left the machine to this process so far, as far as the system tells."""
        change = self._change()
        return change is not None and change[0] < ALONE

    def _change(self) -> tuple[float, float] | None:
        """Return the cores that others kept busy, and the share of the machine's time that its host took."""
        before, after = self._before, self._look()
        if before is None or after is None:
            return None
        seconds, busy, stolen, own = (new - old for new, old in zip(after, before, strict=True))
        every = max(seconds, 1e-9)
        return max(0.0, busy - own) / every, stolen / (every * (os.cpu_count() or 1))

    @staticmethod
    def _look() -> tuple[float, float, float, float] | None:
        """Return seconds: by the clock, busy on all cores, stolen, and used by this process."""
        line = _read("/proc/stat").partition("\n")[0].split()
        if len(line) < 9 or line[0] != "cpu":
            return None
        user, nice, system, _, _, irq, softirq, steal = map(int, line[1:9])
        tick = os.sysconf("SC_CLK_TCK")
        own = os.times()
        return time.perf_counter(), (user + nice + system + irq + softirq) / tick, steal / tick, own.user + own.system


def _cpu() -> dict[str, Any]:
    text = _read("/proc/cpuinfo")
    model = re.search(r"^(?:model name|Model|Processor)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    microcode = re.search(r"^microcode\s*:\s*(.+)$", text, re.MULTILINE)
    have = set(flags[1].split()) if flags else set()
    name = model[1].strip() if model else ""
    if sys.platform == "darwin":
        name = _sysctl("machdep.cpu.brand_string")
    return {
        "model": name or platform.processor() or platform.machine(),
        "simd": _simd(have),
        "virtual": "hypervisor" in have,
        "microcode": microcode[1].strip() if microcode else "",
    }


def _frequency() -> dict[str, float]:
    """Return the first core's clock in MHz: ``now``, and ``min`` and ``max`` where the system lets them be known."""
    text = re.search(r"^cpu MHz\s*:\s*([\d.]+)", _read("/proc/cpuinfo"), re.MULTILINE)
    found = {"now": float(text[1])} if text else {}
    for name in ("min", "max"):
        kilohertz = _read(f"/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_{name}_freq")
        if kilohertz.isdecimal():
            found[name] = int(kilohertz) / 1000
    return found


def _limits() -> dict[str, float]:
    """Return what a container may use, where its group is limited: ``cpus`` and ``memory`` in bytes."""
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    memory = _read("/sys/fs/cgroup/memory.max")
    found = {"cpus": int(quota) / int(period)} if quota.isdecimal() and period.isdecimal() else {}
    return found | ({"memory": int(memory)} if memory.isdecimal() else {})


def _chosen(path: str) -> str:
    """Return which of the words in a file of the system stands in brackets."""
    chosen = re.search(r"\[(\w+)\]", _read(path))
    return chosen[1] if chosen else ""


def _simd(flags: set[str]) -> str:
    names = {
        "avx512f": "AVX-512",
        "avx2": "AVX2",
        "avx": "AVX",
        "sse4_2": "SSE4.2",
        "sve2": "SVE2",
        "sve": "SVE",
        "asimd": "NEON",
    }
    found = next((name for flag, name in names.items() if flag in flags), "")
    return found or ("NEON" if platform.machine() in ("arm64", "aarch64") else "unknown")


def _memory() -> int | None:
    """Return the machine's memory in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _container(virtual: bool) -> str:
    if Path("/.dockerenv").exists():
        return "Docker"
    if Path("/run/.containerenv").exists():
        return "Podman"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "Kubernetes"
    return "virtual machine" if virtual else "none"


def _blas() -> str:
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return "unknown"


def _pools() -> list[dict[str, Any]]:
    try:
        control = import_module("threadpoolctl")  # not among our dependencies, but many environments have it
    except ImportError:
        return []
    return list(control.threadpool_info())


def _sysctl(name: str) -> str:
    done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
