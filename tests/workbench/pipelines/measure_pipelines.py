"""Measure pipelines beside what others use, printed as tables.

Run by hand, on an idle machine: ``python tests/workbench/pipelines/measure_pipelines.py embeddings`` (or
``classification``, ``entities``, ``one``, ``alone``, ``open``, ``agreement``). The ways that are compared take turns,
round by round, over the same texts; a number is the median of the rounds, with the least and the most. The other
library takes part once for each batch size, and each ratio is to its best one.

Texts are passages of 5 to 200 words from the documentation of Python's standard library, drawn at random. The model is
all-MiniLM-L6-v2; its heads for labels are random, which costs the same as if they were not. ``agreement`` compares the
embeddings of all 2,000 texts with those of sentence-transformers.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import workbench as wb
from workbench.pipelines.pipeline import pipeline

MODULES = """
http.client argparse logging asyncio unittest decimal statistics random inspect typing collections pathlib subprocess os
shutil tempfile threading socket email.message json re datetime urllib.request zipfile csv fractions heapq itertools
functools contextlib dataclasses enum pickle sqlite3 ssl string tarfile textwrap traceback uuid weakref
xml.etree.ElementTree configparser ctypes difflib doctest
"""
Way = Callable[[list[str]], Any]
ONLY = [""]


def passages(count: int) -> list[str]:
    """Return texts of 5 to 200 words, the same at each call."""
    found = []
    for name in MODULES.split():
        module = importlib.import_module(name)
        members = [module, *(value for value in vars(module).values() if inspect.isclass(value) or callable(value))]
        members += [part for one in members if inspect.isclass(one) for part in vars(one).values() if callable(part)]
        found += [inspect.getdoc(member) or "" for member in members]
    words = " ".join(dict.fromkeys(found)).split()
    chance = np.random.default_rng(0)
    lengths = chance.integers(5, 201, count)
    begins = chance.integers(0, len(words) - 200, count)
    return [" ".join(words[begin : begin + length]) for begin, length in zip(begins, lengths, strict=True)]


def race(ways: dict[str, Way], texts: list[str], rounds: int, theirs: str) -> None:
    """Time each way once a round, and print the ratio to the best of those that begin with ``theirs``."""
    ways = {name: way for name, way in ways.items() if re.search(ONLY[-1], name)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(texts[:16])
    for turn in range(rounds):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            began = time.perf_counter()
            ways[name](texts)
            times[name].append(time.perf_counter() - began)
    best = min((name for name in ways if name.startswith(theirs)), key=lambda name: statistics.median(times[name]))
    print(f"{'':32s} {'texts/s':>8s} {'least':>7s} {'most':>7s} {'ratio':>7s}")
    for name, taken in times.items():
        rates = [len(texts) / one for one in taken]
        ratio = statistics.median(other / one for other, one in zip(times[best], taken, strict=True))
        print(
            f"{name:32s} {statistics.median(rates):8.0f} {min(rates):7.0f} {max(rates):7.0f} {ratio:7.2f}"
            f"{'  (their best)' if name == best else ''}"
        )


def embeddings(folder: Path, texts: list[str], rounds: int) -> None:
    """Embeddings: ours on each engine, and sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    ways: dict[str, Way] = {}
    for name, options in {
        "ours, float32": {},
        "ours, int8": {"quantization": "int8"},
        "ours, dynamic": {"quantization": "dynamic"},
        "ours, torch": {"engine": "torch"},
    }.items():
        ways[name] = pipeline("feature-extraction", folder, **options)
    module = SentenceTransformer(str(folder), device="cpu")
    for size in (4, 8, 16, 32):
        ways[f"sentence-transformers, {size}"] = lambda some, size=size: module.encode(some, batch_size=size)
    race(ways, texts, rounds, "sentence")


def agreement(folder: Path, texts: list[str], rounds: int) -> None:
    """The cosine of each embedding to that of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(folder), device="cpu").encode(texts, batch_size=8)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    for quantization in (None, "int8", "dynamic"):
        found = pipeline("feature-extraction", folder, quantization=quantization)(texts)
        cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1)
        print(
            f"{quantization or 'float32':8s} over {len(texts)} texts: cosine at least {cosines.min():.6f}, mean "
            f"{cosines.mean():.6f}; {(cosines < 0.99).sum()} below 0.99"
        )


def classification(folder: Path, texts: list[str], rounds: int) -> None:
    """Labels of texts, beside transformers' own pipeline."""
    _with_head(folder, texts, rounds, "text-classification", "AutoModelForSequenceClassification", 3, truncation=True)


def entities(folder: Path, texts: list[str], rounds: int) -> None:
    """Names in texts, beside transformers' own pipeline."""
    _with_head(
        folder,
        texts,
        rounds,
        "token-classification",
        "AutoModelForTokenClassification",
        9,
        aggregation_strategy="simple",
    )


def _with_head(folder: Path, texts: list[str], rounds: int, task: str, kind: str, labels: int, **options: Any) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=256)
    texts = [text for text in texts if len(tokenizer(text).input_ids) <= 256]  # each has its own way with longer ones
    with tempfile.TemporaryDirectory() as made:
        module = getattr(transformers, kind).from_pretrained(folder, num_labels=labels).eval()
        module.save_pretrained(made)
        tokenizer.save_pretrained(made)
        ours = {"aggregation_strategy": "simple"} if "aggregation_strategy" in options else {}
        ways: dict[str, Way] = {
            "ours, float32": pipeline(task, made, **ours),
            "ours, int8": pipeline(task, made, quantization="int8", **ours),
            "ours, torch": pipeline(task, made, engine="torch", **ours),
        }
        theirs = transformers.pipeline(
            task, model=module, tokenizer=tokenizer, device="cpu",
            **{name: value for name, value in options.items() if name != "truncation"},
        )  # fmt: skip
        truncation = {"truncation": True} if "truncation" in options else {}
        for size in (1, 4, 8, 16):
            ways[f"transformers, {size}"] = lambda some, size=size: theirs(some, batch_size=size, **truncation)
        race(ways, texts, rounds, "transformers")


def one(folder: Path, texts: list[str], rounds: int) -> None:
    """One short text: the whole call, beside the bare tokenizer and session."""
    from tokenizers import Tokenizer

    text = "The quick brown fox jumps over the lazy dog."
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    print(f"{'':10s} {'bare':>10s} {'ours':>10s} {'more':>10s}   (medians of {rounds * 100} calls each, taking turns)")
    for quantization in (None, "int8"):
        pipe = pipeline("feature-extraction", folder, quantization=quantization)
        session = pipe.engine._session
        pipe.engine.lanes = 1  # as this session, though two cores are faster for texts that follow one another

        def bare(session: Any = session) -> Any:
            encoding = tokenizer.encode(text)
            ids = np.array([encoding.ids], np.int64)
            feeds = {"input_ids": ids, "attention_mask": np.array([encoding.attention_mask], np.int64)}
            feeds["token_type_ids"] = np.array([encoding.type_ids], np.int64)
            return session.run(None, feeds)[0]

        ways = {"bare": bare, "ours": lambda pipe=pipe: pipe(text)}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds * 100 + 50):
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                began = time.perf_counter()
                ways[name]()
                times[name].append(time.perf_counter() - began)
        middle = {name: statistics.median(taken[50:]) * 1e6 for name, taken in times.items()}
        more = statistics.median(o - b for o, b in zip(times["ours"][50:], times["bare"][50:], strict=True)) * 1e6
        print(
            f"{quantization or 'float32':10s} {middle['bare']:7.0f} us {middle['ours']:7.0f} us {more:7.1f} us"
            f"   {more / middle['bare']:.1%}"
        )


def alone(folder: Path, texts: list[str], rounds: int) -> None:
    """One text at a time, short and long, beside sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    module = SentenceTransformer(str(folder), device="cpu")
    ways: dict[str, Way] = {
        "ours, float32": pipeline("feature-extraction", folder),
        "ours, int8": pipeline("feature-extraction", folder, quantization="int8"),
        "ours, torch": pipeline("feature-extraction", folder, engine="torch"),
        "sentence-transformers": module.encode,
    }
    words = " ".join(texts).split()
    for length, pause in ((8, 0.0), (40, 0.0), (150, 0.0), (8, 0.02), (40, 0.02), (150, 0.02)):
        print(f"texts of {length} words, {'20 ms apart' if pause else 'one after the other'}")
        chosen = [" ".join(words[at * 200 : at * 200 + length]) for at in range(rounds * 10)]
        times: dict[str, list[float]] = {name: [] for name in ways}
        for name, way in ways.items():
            for place, text in enumerate([*chosen[:5], *chosen]):  # each in a row, as one who asks again and again
                time.sleep(pause)
                began = time.perf_counter()
                way(text)  # type: ignore[arg-type]
                if place >= 5:
                    times[name].append(time.perf_counter() - began)
        for name, taken in times.items():
            ratio = statistics.median(times["sentence-transformers"]) / statistics.median(taken)
            print(f"  {name:24s} {statistics.median(taken) * 1e3:7.2f} ms  {ratio:5.2f}")


def opening(folder: Path, texts: list[str], rounds: int) -> None:
    """How long it takes to open an engine whose graph was compared with torch before, and the memory that it keeps."""
    import subprocess

    code = (
        "import sys, time\n"
        "import workbench as wb\n"
        "from workbench.pipelines.computing import Opening\n"
        "from workbench.pipelines.engines import open_engine\n"
        "def kept():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('RssAnon')) / 1000\n"
        "import numpy, onnx, onnxruntime\n"
        "model = wb.load(sys.argv[1])\n"
        "before, began = kept(), time.perf_counter()\n"
        "engine = open_engine(model, 'hidden', Opening(quantization=sys.argv[2] or None))\n"
        "print(f'{time.perf_counter() - began:.2f} s, {kept() - before:.0f} MB of memory')\n"
    )
    for quantization in ("", "int8", "dynamic"):
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", code, str(folder), quantization], capture_output=True, text=True, check=True
            )
        print(f"{quantization or 'float32':8s} {done.stdout.strip()}")


MEASURED = {
    "embeddings": embeddings,
    "classification": classification,
    "entities": entities,
    "one": one,
    "alone": alone,
    "open": opening,
    "agreement": agreement,
}


def main() -> None:
    """Measure what is asked for."""
    import transformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MEASURED)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", default="", help="measure those alone whose names match this regular expression")
    parser.add_argument("--model", type=Path, help="folder of the checkpoint; the sample minilm if left out")
    chosen = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    folder = chosen.model or Path(wb.load("sample:minilm")._source.path)
    ONLY.append(chosen.ways)
    MEASURED[chosen.what](folder, passages(chosen.texts), chosen.rounds)


if __name__ == "__main__":
    main()
