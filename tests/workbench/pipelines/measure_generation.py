"""What generation costs beside transformers' own `generate`: `python tests/workbench/pipelines/measure_generation.py`.

Everything is measured interleaved: round after round each contender has its turn. A random model with the shapes of
SmolLM2-135M stands for a real one (30 layers of 576, vocabulary 49,152), or fewer layers of it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import generator

PROMPT = "Once upon a time there was a fox who lived in a dark forest. " * 4
NEW = 32
BYTES = 260
"""The first tokens are special ones and bytes."""


def saved(folder: Path, layers: int) -> Path:
    """Save a random model of SmolLM2's shapes with the tests' tokenizer."""
    import torch
    import transformers

    words = generator.tokenizer()
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(
            "llama",
            vocab_size=49152,
            hidden_size=576,
            num_hidden_layers=layers,
            num_attention_heads=9,
            num_key_value_heads=3,
            intermediate_size=1536,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=49151,
            pad_token_id=1,
        )
    )
    with torch.no_grad():
        model.lm_head.weight[len(words) :] = 0  # so that tokens which the tokenizer does not have never come,
        model.lm_head.weight[:BYTES] = 0  # nor single bytes, which are no text
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def compared(contenders: dict[str, Callable[[], object]], rounds: int, base: str) -> None:
    """Print the median of each, and its ratio to the base, both of the same rounds."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values():
        work()
    for _ in range(rounds):
        for name, work in contenders.items():
            times[name].append(seconds(work))
    for name, taken in times.items():
        ratios = [one / other for one, other in zip(taken, times[base], strict=True)]
        print(f"  {name:34} {statistics.median(taken) * 1e3:9.2f} ms   x{statistics.median(ratios):.3f} of {base}")


def measure(folder: Path, rounds: int, *, at_once: bool, **opened: Any) -> None:
    """Measure a model of one folder."""
    import torch
    import transformers

    from workbench.pipelines.pipeline import pipeline

    words = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    pipe = pipeline("text-generation", folder, **opened)
    print(pipe)
    print(f"opened again in {seconds(lambda: pipeline('text-generation', folder, **opened).close()):.2f} s")
    ids = words(PROMPT, return_tensors="pt")
    greedy: dict[str, Any] = {"max_new_tokens": NEW, "do_sample": False}
    if model.config.vocab_size == len(words):  # trained: it knows when to end
        greedy["min_new_tokens"] = NEW
    print(f"prompt of {ids['input_ids'].shape[1]} tokens, {NEW} new ones, {torch.get_num_threads()} threads")

    def forward() -> None:
        with torch.no_grad():
            model(**ids, logits_to_keep=1, use_cache=True)

    def first() -> None:
        stream = pipe.stream(PROMPT, max_new_tokens=NEW, do_sample=False)
        next(stream)
        stream.close()

    compared({"one forward pass": forward, "first piece of a stream": first}, rounds * 2, "one forward pass")

    def generated() -> None:
        model.generate(**ids, **greedy)

    async def awaited() -> None:
        async for _ in pipe.stream(PROMPT, **greedy):
            pass

    def with_streamer() -> None:
        streamer = transformers.TextIteratorStreamer(words, skip_prompt=True)
        thread = threading.Thread(target=lambda: model.generate(**ids, streamer=streamer, **greedy))
        thread.start()
        for _ in streamer:
            pass
        thread.join()

    compared(
        {
            "generate()": generated,
            "generate() with a streamer": with_streamer,
            "pipe(...)": lambda: pipe(PROMPT, **greedy),
            "for piece in pipe.stream(...)": lambda: list(pipe.stream(PROMPT, **greedy)),
            "async for": lambda: asyncio.run(awaited()),
        },
        rounds,
        "generate()",
    )

    def threads(count: int) -> None:
        started = [threading.Thread(target=lambda: list(pipe.stream(PROMPT, **greedy))) for _ in range(count)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    async def loops(count: int) -> None:
        await asyncio.gather(*(awaited() for _ in range(count)))

    if at_once:
        compared(
            {
                "4 streams one after another": lambda: [list(pipe.stream(PROMPT, **greedy)) for _ in range(4)],
                "4 streams in 4 threads": lambda: threads(4),
                "4 streams in an event loop": lambda: asyncio.run(loops(4)),
                "4 prompts as a list": lambda: pipe([PROMPT] * 4, **greedy),
            },
            max(rounds // 3, 2),
            "4 streams one after another",
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=30, help="0 for the small model of the tests")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--quantization", default=None)
    parser.add_argument("--at-once", action="store_true", help="measure several streams at once too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = (
            saved(Path(place), chosen.layers)
            if chosen.layers
            else generator.trained(Path(place), max_position_embeddings=1024)
        )
        measure(
            folder,
            chosen.rounds,
            at_once=chosen.at_once,
            engine=chosen.engine,
            quantization=chosen.quantization,
        )


if __name__ == "__main__":
    main()
