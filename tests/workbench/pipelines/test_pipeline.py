"""What all pipelines share: how they are opened, called, awaited, batched, closed and shown, and what they refuse."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import ClosedError, InputError, LoadError, TruncationWarning
from workbench.pipelines.batching import BatchConfig
from workbench.pipelines.results import Classification, Results

from ..alike import same  # noqa: TID252

TEXTS = ["the hotel was lovely", "what a rotten cake!", "i found the film dull", "a kind walk"]
LABELS = ["good", "bad", "bad", "good"]


@pytest.fixture(scope="module")
def pipe(classifier: Path) -> Any:
    return wb.pipeline("text-classification", classifier)


def test_one_text_gives_one_answer_and_many_a_list_in_their_order(pipe: Any) -> None:
    assert isinstance(pipe(TEXTS[0]), Classification)
    answers = pipe(TEXTS)
    assert isinstance(answers, Results)
    assert [answer.label for answer in answers] == LABELS
    assert [answer.label for answer in pipe(iter(TEXTS))] == LABELS
    assert pipe(TEXTS[:1]) == [pipe(TEXTS[0])]
    assert list(answers.to_pandas().columns) == ["label", "score"]


def test_awaited_it_answers_alike_and_leaves_the_loop_free(pipe: Any) -> None:
    many = [f"{text} and the {text}" for text in TEXTS] * 200

    async def all_at_once() -> tuple[Any, Any, int]:
        turns = 0

        async def ticks() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        ticking = asyncio.ensure_future(ticks())
        one, lot = await asyncio.gather(pipe.arun(TEXTS[0]), pipe.arun(many))
        ticking.cancel()
        return one, lot, turns

    one, lot, turns = asyncio.run(all_at_once())
    assert one.label == "good"
    assert [answer.label for answer in lot] == [answer.label for answer in pipe(many)]
    assert turns > 10


def test_a_task_that_is_cancelled_ends_the_work(classifier: Path) -> None:
    pipe = wb.pipeline("text-classification", classifier)

    async def leave() -> None:
        task = asyncio.ensure_future(pipe.arun([" ".join(TEXTS * 4)] * 3000))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert pipe(TEXTS[0]).label == "good", "and others are answered on"


def test_with_batching_callers_of_threads_and_loops_share_batches(classifier: Path, pipe: Any) -> None:
    texts = [f"the {thing} was {word}" for thing in ("film", "hotel", "cake") for word in ("lovely", "awful") * 20]
    expected = [answer.label for answer in pipe(texts)]
    with wb.pipeline("text-classification", classifier, batching=BatchConfig(16, 20)) as batched:

        async def gathered() -> list[str]:
            return [answer.label for answer in await asyncio.gather(*map(batched.arun, texts))]

        assert asyncio.run(gathered()) == expected
        with ThreadPoolExecutor(8) as pool:
            assert [answer.label for answer in pool.map(batched, texts)] == expected
        assert [answer.label for answer in batched(texts)] == expected
        assert asyncio.run(batched.arun(texts)) == batched(texts)
    assert batched.metrics.answered == 5 * len(texts)
    assert batched.metrics.mean_size > 4
    assert batched.metrics.padding is not None
    assert pipe.metrics is None


def test_within_a_batcher_only_the_bad_text_fails(classifier: Path) -> None:
    with wb.pipeline("text-classification", classifier, batching=BatchConfig(8, 20)) as batched:

        async def gathered() -> list[Any]:
            texts = [TEXTS[0], "", TEXTS[1], "\ud800", TEXTS[2], None]
            return await asyncio.gather(*map(batched.arun, texts), return_exceptions=True)

        answers = asyncio.run(gathered())
    assert [getattr(answer, "label", type(answer)) for answer in answers] == [
        "good", InputError, "bad", InputError, "bad", InputError,
    ]  # fmt: skip


def test_more_texts_than_the_queue_holds_are_all_answered(classifier: Path) -> None:
    with wb.pipeline("text-classification", classifier, batching=BatchConfig(2, 0, max_queue=4)) as batched:
        assert [answer.label for answer in batched(TEXTS * 10)] == LABELS * 10
        assert [answer.label for answer in asyncio.run(batched.arun(TEXTS * 10))] == LABELS * 10


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_another_process_opens_one_of_its_own(pipe: Any, copied: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match=r"cannot be pickled or copied.*wb\.pipeline\('text-classification', "):
        copied(pipe)


def test_closed_it_refuses_and_dropped_it_goes(classifier: Path) -> None:
    with wb.pipeline("text-classification", classifier, batching=BatchConfig()) as batched:
        assert batched(TEXTS[0]).label == "good"
    batched.close()
    with pytest.raises(ClosedError, match=r"closed\. Open another one"):
        batched(TEXTS[0])
    assert "closed" in repr(batched)

    dropped = wb.pipeline("text-classification", classifier, batching=BatchConfig())
    dropped(TEXTS[0])
    gone = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert gone() is None, "the thread of its batcher does not keep it"


@pytest.mark.parametrize("batching", [None, BatchConfig(8, 2)], ids=["alone", "batched"])
def test_closed_while_others_ask_it_answers_or_says_that_it_is_closed(
    classifier: Path, batching: BatchConfig | None
) -> None:
    pipe, ended = wb.pipeline("text-classification", classifier, batching=batching), []

    def ask_on() -> None:
        try:
            while True:
                assert [answer.label for answer in pipe(TEXTS)] == LABELS
        except BaseException as error:
            ended.append(type(error))

    callers = [threading.Thread(target=ask_on) for _ in range(3)]
    for caller in callers:
        caller.start()
    time.sleep(0.05)
    pipe.close()
    for caller in callers:
        caller.join(timeout=60)
    assert ended == [ClosedError] * 3


def test_reopened_it_has_the_same_model_and_options_on_another_engine(classifier: Path) -> None:
    pipe = wb.pipeline("text-classification", wb.load(classifier), top_k=2)
    other = pipe.reopened(engine="torch")
    assert other.model is pipe.model
    assert (pipe.engine.name, other.engine.name) == ("onnxruntime", "torch")
    assert len(other(TEXTS[0])) == 2
    for ours, theirs in zip(pipe(TEXTS[0]), other(TEXTS[0]), strict=True):
        assert (ours.label, ours.score) == (theirs.label, pytest.approx(theirs.score, abs=1e-5))
    assert isinstance(pipe.reopened(top_k=None)(TEXTS[0]), Classification)
    with pytest.raises(InputError, match=r"topk= is nothing that .* Did you mean 'top_k'"):
        pipe.reopened(topk=3)


def test_it_says_what_it_is(pipe: Any) -> None:
    lines = repr(pipe).splitlines()
    assert lines[0] == "text-classification: trained-classifier: BertForSequenceClassification"
    assert [line.split()[0] for line in lines[1:]] == ["engine", "because", "longest", "labels"]
    assert "128 tokens; what is longer: cut, with a warning" in lines[3]
    assert "bad, good" in lines[4]
    assert repr(pipe) == repr(pipe)


def test_a_text_that_is_too_long_is_cut_with_a_warning_told_to_the_caller_or_refused(
    classifier: Path, pipe: Any
) -> None:
    long = "the hotel was lovely " * 40
    with pytest.warns(TruncationWarning, match=r"has 162 tokens; the model takes 128, so the last 34 were") as told:
        assert pipe(long).label == "good"
    assert told[0].filename == __file__
    with pytest.warns(
        TruncationWarning, match=r"2 of 3 texts were cut.* of text 2 the last 74 tokens .* the most"
    ) as told:
        pipe([long, TEXTS[0], long + "the hotel was lovely " * 10])
    assert len(told) == 1, "once for a call"
    with pytest.warns(TruncationWarning):
        cut = pipe(long + "rotten " * 50)
    assert cut.score == pytest.approx(pipe(" ".join(long.split()[:126])).score, abs=1e-6)
    refusing = wb.pipeline("text-classification", classifier, truncation="error")
    with pytest.raises(InputError, match=r"Text 1 of 2 has 162 tokens, and the model takes at most 128"):
        refusing([TEXTS[0], long])


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (3, r"Got int as a text\. Give a str"),
        (None, "Got None"),
        (b"good", "must be decoded first"),
        ({"text": "good"}, "Got dict"),
        ([], "empty list"),
        (["good", None], "Text 1 of 2 is None"),
        (["good", 2.5], "Text 1 of 2 is float"),
        ("", r"gives no token: ''"),
        (["good", " \u200b"], r"Text 1 of 2 gives no token: ' \\u200b'"),
        ("a\ud800b", r"'\\ud800' at 1, half of a pair of surrogates"),
        (["good", ("good", "\udc00")], "Text 1 of 2 has"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(pipe: Any, texts: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        pipe(texts)
    with pytest.raises(InputError, match=says):
        asyncio.run(pipe.arun(texts))


def test_nothing_is_lost_behind_a_nul(pipe: Any) -> None:
    assert same(pipe("the\0 hotel was \0 lovely\0"), pipe("the hotel was lovely"))


def test_what_cannot_be_opened_says_why(classifier: Path, tagger: Path, tmp_path: Path) -> None:
    def refuses(kind: type[Exception], says: str, *arguments: Any, **options: Any) -> None:
        with pytest.raises(kind, match=says):
            wb.pipeline(*arguments, **options)

    refuses(
        InputError, r"no task 'text-clasification'\. Did you mean 'text-classification'", "text-clasification", tagger
    )
    refuses(
        InputError,
        r"BertForTokenClassification, which has no head for text-classification; it is made for token-classification: "
        r"wb\.pipeline\('token-classification'",
        "text-classification",
        tagger,
    )
    refuses(InputError, r"topk= is no option .* Did you mean 'top_k'", "text-classification", classifier, topk=2)
    refuses(InputError, "is no Hugging Face model", "text-classification", "sample:mlp")
    refuses(InputError, "truncation='warn' is nothing", "ner", tagger, truncation="warn")
    refuses(InputError, "truncation='window' is nothing", "text-classification", classifier, truncation="window")
    refuses(InputError, "batching must be a BatchConfig", "text-classification", classifier, batching=8)
    refuses(InputError, "revision= says how a model is loaded", "ner", wb.load(tagger), revision="main")
    refuses(LoadError, "There is no", "ner", tmp_path / "nowhere")
    model = wb.load("sample:tiny-bert")
    refuses(InputError, "made for feature-extraction", "question-answering", model)


def test_a_folder_without_a_tokenizer_says_so(classifier: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((classifier / name).read_bytes())
    with pytest.raises(LoadError, match="has no tokenizer"):
        wb.pipeline("text-classification", tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(LoadError, match=r"tokenizer\.json cannot be read"):
        wb.pipeline("text-classification", tmp_path)


def test_a_model_without_room_for_a_text_says_so(classifier: Path, tmp_path: Path) -> None:
    own = shutil.copytree(classifier, tmp_path / "own")
    settings = json.loads((own / "tokenizer_config.json").read_text())
    for limit, longest in ((2, None), (5, 5), (None, 128), (-1, 128), (1e30, 128), ("many", 128)):
        (own / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": limit}))
        if longest is None:
            with pytest.raises(LoadError, match="takes 2 tokens by its files, of which 2 go to special ones"):
                wb.pipeline("text-classification", own)
        else:
            assert wb.pipeline("text-classification", own).tokens.longest == longest


def test_the_end_of_a_long_text_is_kept_where_the_tokenizer_says_so(classifier: Path, tmp_path: Path) -> None:
    own = shutil.copytree(classifier, tmp_path / "own")
    settings = json.loads((own / "tokenizer_config.json").read_text())
    (own / "tokenizer_config.json").write_text(json.dumps({**settings, "truncation_side": "left"}))
    with pytest.warns(TruncationWarning, match="the first 24 were left out"):
        found = wb.pipeline("text-classification", own)("rotten " * 70 + "lovely " * 80)
    assert same(found, wb.pipeline("text-classification", own)("rotten " * 46 + "lovely " * 80))


def test_strings_and_lists_of_other_libraries_are_texts_too(pipe: Any) -> None:
    expected = pipe(TEXTS)
    assert same(pipe(np.array(TEXTS)), expected)
    assert same(pipe(pd.Series(TEXTS)), expected)
    assert same(pipe(np.array(TEXTS)[0]), pipe(TEXTS[0]))
    assert same(pipe(np.str_("ok"), top_k=np.int64(1)), [pipe("ok")])


def test_the_tokenizer_needs_neither_torch_nor_transformers(classifier: Path) -> None:
    code = (
        "import sys, workbench as wb; from workbench.pipelines.tokens import Tokens; "
        f"Tokens.of(wb.load({str(classifier)!r})).encode(['good']); "
        "sys.exit(bool({'torch', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
