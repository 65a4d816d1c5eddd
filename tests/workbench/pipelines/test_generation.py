"""Text generation: what was learned is continued, and each text is what it would be alone."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import ClosedError, InputError, RunError, TruncationWarning
from workbench.models import samples
from workbench.pipelines.batching import BatchConfig
from workbench.pipelines.generation.decoder import Continuation
from workbench.pipelines.generation.prompts import PromptReader
from workbench.pipelines.generation.writer import Writer
from workbench.pipelines.pipeline import pipeline
from workbench.pipelines.results import Generation, Results

from . import generator

SENTENCES = generator.SENTENCES
STARTS = generator.STARTS


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with generator.one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generator.trained(generator.shared(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="module", params=["torch", "onnxruntime"])
def pipe(folder: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with pipeline("text-generation", folder, engine=request.param) as made:
        assert made.engine.name == request.param
        yield made


@pytest.mark.parametrize("sentence", SENTENCES)
def test_learned_sentences_are_continued(pipe: Any, sentence: str) -> None:
    words = sentence.split(" ")
    for count in (2, len(words) // 2):
        found = pipe(" ".join(words[:count]))
        assert (found.prompt + found.text, found.finish) == (sentence, "stop")


def test_what_is_asked_for_is_what_comes(pipe: Any) -> None:
    assert pipe(STARTS[1], max_new_tokens=3) == Generation(
        pipe(STARTS[1], max_new_tokens=3).text, STARTS[1], 3, "length"
    )
    both = pipe(STARTS[:2], max_new_tokens=3)
    assert isinstance(both, Results)
    assert [len(found.text) > 0 for found in both] == [True, True]
    assert pipe(iter(STARTS[:2]), max_new_tokens=3) == both


GREEDY_OPTIONS: list[dict[str, Any]] = [
    {},
    {"max_new_tokens": 5},
    {"repetition_penalty": 1.5, "max_new_tokens": 40},
    {"no_repeat_ngram_size": 2, "max_new_tokens": 40},
    {"min_new_tokens": 30, "max_new_tokens": 40},
]
DRAWN_OPTIONS: list[dict[str, Any]] = [
    {"temperature": 1.5, "seed": 7},
    {"temperature": 3.0, "top_k": 0, "seed": 8},
    {"top_p": 0.9, "temperature": 2.0, "seed": 9},
    {"min_p": 0.05, "temperature": 2.0, "seed": 10},
]


@pytest.mark.parametrize("options", [*GREEDY_OPTIONS, *DRAWN_OPTIONS], ids=str)
def test_tokens_are_those_of_transformers(pipe: Any, folder: Path, options: dict[str, Any]) -> None:
    """The very same, drawn ones too: from a seed, torch draws for one text what transformers does."""
    words = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    asked = {"max_new_tokens": 60, **{name: value for name, value in options.items() if name != "seed"}}
    for start in STARTS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.get("seed", 0))
            ids = words(start, return_tensors="pt")
            whole = model.generate(**ids, **asked, do_sample="seed" in options)[0]
        found = pipe(start, **{"max_new_tokens": 60, **options})
        assert start + found.text == words.decode(whole, skip_special_tokens=True)
        assert found.tokens == len(whole) - ids["input_ids"].shape[1]


@pytest.mark.parametrize("options", [{}, {"repetition_penalty": 1.4}, {"temperature": 2.0, "seed": 3}], ids=str)
def test_texts_together_are_those_one_by_one(pipe: Any, options: dict[str, Any]) -> None:
    @settings(max_examples=6, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(SENTENCES), st.integers(1, 40)), min_size=2, max_size=20),
        st.integers(1, 12),
    )
    def law(cuts: list[tuple[str, int]], longest: int) -> None:
        prompts = [sentence[:length] for sentence, length in cuts]
        alone = [pipe(prompt, max_new_tokens=longest, **options) for prompt in prompts]
        assert pipe(prompts, max_new_tokens=longest, **options) == alone

    law()


OWN = ["llama", "mistral", "qwen2", "qwen3", "gpt2"]
OTHERS = ["gpt_neo", "gptj", "gpt_neox", "opt", "bloom", "falcon", "gemma2", "phi3", "olmo2", "stablelm", "mamba"]
OTHERS += ["mixtral", "mpt", "rwkv"]
HEEDLESS = ["rwkv"]
"""Those take a mask and do not heed it."""


@pytest.mark.parametrize("kind", OWN + OTHERS)
def test_every_architecture_writes_together_what_it_writes_alone(kind: str, tmp_path: Path) -> None:
    words, model = random_model(kind, tmp_path)
    with pipeline("text-generation", tmp_path, max_new_tokens=8) as pipe:
        assert pipe.engine.name == ("onnxruntime" if kind in OWN else "torch")
        alone = [pipe(prompt) for prompt in SENTENCES]
        assert pipe(SENTENCES) == alone
        assert pipe.engine.takes_padding == (kind not in HEEDLESS)
    for prompt, found in zip(SENTENCES, alone, strict=True):
        ids = words(prompt, return_tensors="pt")
        whole = model.generate(**ids, max_new_tokens=8, do_sample=False)[0]
        assert prompt + found.text == words.decode(whole, skip_special_tokens=True)


def random_model(kind: str, folder: Path, **more: Any) -> tuple[Any, Any]:
    """Save a model with large random weights, so that no two logits are nearly the same; return it and its words."""
    words = generator.tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(generator.config(kind, len(words), **more)).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return words, model


GRAPHS: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    ("llama", {"num_key_value_heads": 1, "head_dim": 32, "hidden_act": "gelu_pytorch_tanh"}),
    ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}}),
    (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
                "rope_theta": 10000.0,
            }
        },
    ),
    ("qwen2", {"tie_word_embeddings": True, "rms_norm_eps": 1e-2}),
    ("gpt2", {"n_inner": 96, "activation_function": "relu", "layer_norm_epsilon": 1e-2}),
]


@pytest.mark.parametrize(("kind", "more"), GRAPHS, ids=str)
def test_the_graph_is_the_model(kind: str, more: dict[str, Any], tmp_path: Path) -> None:
    words, model = random_model(kind, tmp_path, **more)
    with pipeline("text-generation", tmp_path, engine="onnxruntime", max_new_tokens=12) as pipe:
        for prompt, found in zip(SENTENCES, pipe(SENTENCES), strict=True):
            whole = model.generate(**words(prompt, return_tensors="pt"), max_new_tokens=12, do_sample=False)[0]
            assert prompt + found.text == words.decode(whole, skip_special_tokens=True)


def test_weights_of_half_precision_are_computed_in_float32(tmp_path: Path) -> None:
    words, model = random_model("llama", tmp_path)
    model.bfloat16().save_pretrained(tmp_path)
    with pipeline("text-generation", tmp_path, max_new_tokens=12) as pipe:
        assert pipe.engine.name == "onnxruntime"
        found = pipe(SENTENCES[0])
    whole = model.float().generate(**words(SENTENCES[0], return_tensors="pt"), max_new_tokens=12, do_sample=False)[0]
    assert SENTENCES[0] + found.text == words.decode(whole, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("kind", "more", "says"),
    [
        ("opt", {}, "there is none for 'opt'"),
        ("mistral", {"sliding_window": 16}, "do not see all tokens"),
        ("llama", {"head_dim": 24}, "24 features"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}}, "rotated"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ],
)
def test_what_has_no_graph_runs_on_torch(kind: str, more: dict[str, Any], says: str, tmp_path: Path) -> None:
    random_model(kind, tmp_path, **more)
    with pytest.raises(RunError, match=says):
        pipeline("text-generation", tmp_path, engine="onnxruntime")
    with pipeline("text-generation", tmp_path) as pipe:
        assert pipe.engine.name == "torch"
        assert says in pipe.engine.why
        assert pipe("One").tokens


def test_int8_continues_what_was_learned(folder: Path) -> None:
    with pipeline("text-generation", folder, quantization="int8") as pipe, pipeline("text-generation", folder) as whole:
        assert (pipe.engine.name, pipe.engine.quantization) == ("onnxruntime", "int8")
        assert pipe.engine.nbytes < whole.engine.nbytes / 3
        assert [start + pipe(start).text for start in STARTS] == SENTENCES
        assert pipe(SENTENCES) == [pipe(sentence) for sentence in SENTENCES]


def test_a_seed_gives_the_same_again_and_nobody_else_notices(pipe: Any) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    options = {"temperature": 3.0, "max_new_tokens": 20}
    first = pipe(STARTS[0], seed=1, **options)
    assert pipe(STARTS[0], seed=1, **options) == first
    assert pipe(STARTS[0], seed=2, **options) != first
    assert pipe([STARTS[1], STARTS[0]], seed=1, **options)[1] == first
    assert len({pipe(STARTS[0], **options).text for _ in range(4)}) > 1
    assert (torch.rand(4) == expected).all()


def test_messages_go_through_the_chat_template(pipe: Any) -> None:
    question, answer = generator.TALKS[0]
    talk = [{"role": "user", "content": question}]
    found = pipe(talk)
    assert (found.text, found.finish) == (answer, "stop")
    assert found.prompt == f"<|user|>{question}<|end|><|assistant|>"
    assert [each.text for each in pipe([talk, STARTS[1]])] == [answer, pipe(STARTS[1]).text]
    begun = pipe([*talk, {"role": "assistant", "content": answer[:6]}])
    assert begun.text == answer[6:]


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "begin"),
        ([], "Give a str"),
        (7, "Give a str"),
        ({"role": "user"}, "Give a str"),
        (["fine", 7], "A prompt is a str"),
        ([{"role": "user"}], "'content'"),
        ([{"role": "king", "content": "!"}], "only user and assistant speak"),
        ("\ud800", "cannot read"),
        ("one two " * 200, "has positions for 128"),
    ],
)
def test_what_is_no_prompt_is_said(folder: Path, prompt: Any, says: str) -> None:
    model = wb.load(folder)
    model.module.generation_config.bos_token_id = None
    with pipeline("text-generation", model, engine="torch") as pipe, pytest.raises(InputError, match=says):
        pipe(prompt)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_new_tokens": 0}, "whole number from 1"),
        ({"max_new_tokens": 2.5}, "whole number"),
        ({"max_new_tokens": True}, "whole number"),
        ({"temperature": 0}, "do_sample=False"),
        ({"temperature": float("nan")}, "above 0"),
        ({"top_p": 1.5}, "up to 1"),
        ({"top_k": -1}, "from 0"),
        ({"seed": -1}, "from 0"),
        ({"stop": [""]}, "not empty"),
        ({"stop": 3}, "string"),
        ({"do_sample": 1}, "True nor False"),
        ({"do_sample": False, "top_k": 3}, "no effect"),
        ({"max_new_tokens": 2, "min_new_tokens": 3}, "more than"),
        ({"max_length": 7}, "max_new_tokens"),
        ({"num_beams": 2}, "one after the other"),
        ({"temprature": 1}, "Did you mean 'temperature'"),
    ],
)
def test_what_is_no_option_is_said(pipe: Any, options: dict[str, Any], says: str) -> None:
    for ask in (pipe, pipe.stream):
        with pytest.raises(InputError, match=says):
            ask("Once", **options)


def test_a_tokenizer_in_python_does_as_well() -> None:
    reader = PromptReader(transformers.ByT5Tokenizer(), "bytes", None)
    ids = list(reader.read("Füße 🦊", {}).ids)
    assert reader.decode(ids) == "Füße 🦊"
    writer = Writer(reader.decode)
    assert "".join([*map(writer.write, ids), writer.end()]) == "Füße 🦊"


def test_options_of_the_pipeline_hold_for_calls_that_do_not_say(folder: Path) -> None:
    with pipeline("text-generation", folder, temperature=2.5, seed=4, max_new_tokens=9) as pipe:
        drawn = pipe(STARTS[0])
        assert pipe(STARTS[0], seed=4) == drawn
        assert drawn.tokens <= 9
        assert STARTS[0] + pipe(STARTS[0], do_sample=False, max_new_tokens=50).text == SENTENCES[0]
        with pipe.reopened(engine="torch", temperature=None, seed=None, max_new_tokens=50) as other:
            assert other.engine.name == "torch"
            assert STARTS[0] + other(STARTS[0]).text == SENTENCES[0]


def test_the_model_s_own_configuration_holds(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "own")
    path = tmp_path / "own" / "generation_config.json"
    comma = generator.tokenizer().encode(",")[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_new_tokens": 6, "eos_token_id": [1, comma]}))
    with pipeline("text-generation", tmp_path / "own") as pipe:
        assert pipe(STARTS[0]).tokens <= 6
        assert pipe("One, two").text == ""
        assert pipe("One, two").finish == "stop"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_new_tokens": 60, "stop_strings": ["dark"]}))
    with pipeline("text-generation", tmp_path / "own") as pipe:
        assert STARTS[0] + pipe(STARTS[0]).text == SENTENCES[0].partition("dark")[0]
        assert pipe(STARTS[0], stop="fox").text == pipe(STARTS[0]).text.partition("fox")[0]


def test_a_text_ends_where_the_positions_do(pipe: Any) -> None:
    long = SENTENCES[3] + " " + SENTENCES[0]
    with pytest.warns(TruncationWarning, match="positions for"):
        found = pipe(long, max_new_tokens=200, min_new_tokens=100)
    words = generator.tokenizer()
    assert len(words(long)["input_ids"]) + found.tokens == generator.LONGEST
    assert found.finish == "length"


def test_callers_of_many_threads_and_tasks_share_batches(folder: Path, pipe: Any) -> None:
    expected = [pipe(start) for start in STARTS]
    drawn = [pipe(start, temperature=2.0, seed=5) for start in STARTS]
    with pipeline("text-generation", folder, batching=BatchConfig(max_batch_size=10, max_wait_ms=2000)) as shared:
        with ThreadPoolExecutor(10) as threads:
            greedy = [threads.submit(shared, start) for start in STARTS]
            others = [threads.submit(shared, start, temperature=2.0, seed=5) for start in STARTS]
            assert [future.result() for future in greedy] == expected
            assert [future.result() for future in others] == drawn
        assert shared.metrics.batches <= 2

        async def main() -> list[Any]:
            return await asyncio.gather(shared.arun(STARTS), *map(shared.arun, STARTS))

        together, *apart = asyncio.run(main())
        assert together == apart == expected
        with pytest.raises(InputError):
            shared("one two " * 200)
    with pipeline("text-generation", folder, batching=BatchConfig(max_batch_size=2, max_wait_ms=0, max_queue=3)) as few:
        assert few(STARTS * 2) == expected * 2  # more than the queue holds


def test_awaited_and_given_up(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes(monkeypatch)

    async def main() -> None:
        assert await pipe.arun(STARTS[1]) == pipe(STARTS[1])
        assert await pipe.arun(STARTS[:2]) == pipe(STARTS[:2])
        passes.count = 0
        task = asyncio.create_task(pipe.arun(STARTS[0], min_new_tokens=90, max_new_tokens=100))
        await asyncio.to_thread(passes.wait_for, 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())  # joins the thread of the work
    assert passes.count < 60


class Passes:
    """Counts how often the next token is computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._changed = threading.Condition()
        compute = Continuation.scores

        def scores(continuation: Continuation) -> torch.Tensor:
            with self._changed:
                self.count += 1
                self._changed.notify_all()
            return compute(continuation)

        monkeypatch.setattr(Continuation, "scores", scores)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, timeout=30)


def test_what_cannot_be_asked_of_the_engine_is_said(folder: Path, tmp_path: Path) -> None:
    for options in (
        {"engine": "torch", "quantization": "int8"},
        {"quantization": "dynamic"},
        {"quantization": "int4"},
        {"engine": "onnx"},
        {"engine": "onnxruntime", "device": "meta"},
    ):
        with pytest.raises(InputError):
            pipeline("text-generation", folder, **options)
    with pytest.raises(InputError, match="feature-extraction"):
        pipeline("text-generation", samples.tiny_bert(tmp_path / "bert"))


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_logits_that_are_no_numbers_are_an_error(tmp_path: Path, engine: str) -> None:
    _, model = random_model("llama", tmp_path)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    model.save_pretrained(tmp_path)
    with pipeline("text-generation", tmp_path, engine=engine) as pipe, pytest.raises(RunError, match="logits"):
        pipe("Once")


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_closed_pipeline_says_so(folder: Path, engine: str) -> None:
    pipe = pipeline("text-generation", folder, engine=engine)
    stream = pipe.stream("Once")
    pipe.close()
    for ask in (lambda: pipe("Once"), lambda: pipe.stream("Once"), lambda: next(stream)):
        with pytest.raises(ClosedError):
            ask()
