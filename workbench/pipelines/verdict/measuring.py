"""Measuring a verdict: the answers of all candidates to all texts, then their times, in turns."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.bench.environment import Watch, environment, threads
from workbench.bench.statistics import speedup
from workbench.errors import InputError, RunError, TruncationWarning
from workbench.models.export.step import Report, Step, nobody, part
from workbench.pipelines.computing import check_name
from workbench.pipelines.texts import checked

from .likeness import likeness
from .rules import find
from .turns import Turns
from .verdict import AS_IT_IS, Candidate, Speed, Verdict

if TYPE_CHECKING:
    from workbench.pipelines.task import Pipeline

_PIECE = 64
"""Texts that are answered between two reports."""

_OPTIONS: Mapping[str, Mapping[str, Any]] = {"text-generation": {"do_sample": False, "max_new_tokens": 32}}
"""Of a call: a text that is drawn would differ from another for that reason alone."""


def weigh(
    pipe: Pipeline,
    texts: Any,
    quantizations: str | Sequence[str] | None = None,
    *,
    budget: float = 10.0,
    seed: int = 0,
    progress: Report | None = None,
) -> Verdict:
    """Measure what quantisations of a pipeline's model gain and change on given texts.

    Each candidate answers all texts once, and the answers are compared with those of the model as it is. Then some of
    the texts are timed, as many as the budget allows, in turns and in a random order: together in one call, and one of
    middle length alone. :data:`~workbench.pipelines.verdict.rules.RULES` decide.

    Parameters
    ----------
    pipe
        Its model, task, engine and options are kept; its own batcher and quantisation play no part.
    texts
        What the pipeline takes: texts, or pairs of question and context. A few hundred of your own say most.
    quantizations
        Which ones to weigh; all that the task has if None.
    budget
        Seconds of timing, beside the answers; at least 7 rounds are run.
    seed
        Of the order of turns.
    progress
        Called with a :class:`~workbench.models.export.step.Step` several times a second; what it raises ends it.

    Returns
    -------
    Verdict
        Of each candidate bytes, speed, likeness, and whether it is worth it.

    Raises
    ------
    workbench.errors.InputError
        If the texts are none, or the task has no such quantisation.
    workbench.errors.RunError
        If the model can be computed in none of these ways, with the reasons.
    """
    names = _names(pipe, quantizations)
    if isinstance(budget, bool) or not isinstance(budget, Real) or not 0 <= budget < float("inf"):
        raise InputError(f"budget= is the seconds of timing, 0 or more; got {budget!r}.")
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise InputError(f"seed= is a whole number, 0 or more; got {seed!r}.")
    asked, _ = checked(texts)
    report = progress or nobody
    with ExitStack() as stack:
        pipes, absent = _opened(pipe, names, stack, part(report, 0.0, 0.3))
        if len(pipes) == 1:
            raise RunError(f"There is nothing to weigh: {' '.join(dict.fromkeys(absent.values()))}")
        calls = {name: partial(each, **_OPTIONS.get(pipe.task, {})) for name, each in pipes.items()}
        with _cuts() as cuts:
            answers = _answers(calls, asked, part(report, 0.3, 0.6))
            watch = Watch()
            turns = Turns(calls, asked, seed)
            slowest = max(answer.seconds for answer in answers.values())
            turns.run(float(budget), slowest, part(report, 0.6, 1.0))
        conditions = {
            "rounds": turns.rounds,
            "budget": float(budget),
            "seed": seed,
            "method": turns.method,
            "threads": threads(),
            **watch.finish(),
            "cut": bool(cuts),
        }
        conditions["disturbed"] = bool(conditions["disturbed"]) and turns.crowded
        candidates = _candidates(pipe.task, pipes, answers, turns)
    return Verdict(pipe.task, pipe.model.info.name, len(asked), candidates, absent, conditions, environment())


@dataclass(frozen=True)
class _Answers:
    """What a candidate answered, and how long all of it took."""

    given: Any
    seconds: float


def _names(pipe: Pipeline, quantizations: str | Sequence[str] | None) -> list[str]:
    asked: Any = pipe.quantizations if quantizations is None else quantizations
    names = list(asked) if isinstance(asked, Iterable) and not isinstance(asked, str) else [asked]
    for name in names:
        check_name("quantization", name, pipe.quantizations)
    if not names:
        raise InputError(
            f"No quantisation is named to be weighed. There is: {', '.join(map(repr, pipe.quantizations))}."
        )
    return list(dict.fromkeys(names))


def _opened(
    pipe: Pipeline, names: Sequence[str], stack: ExitStack, report: Report
) -> tuple[dict[str, Pipeline], dict[str, str]]:
    """Return the original and those that the model can be computed by, and why it cannot by the others."""
    pipes: dict[str, Pipeline] = {}
    absent: dict[str, str] = {}
    share = 1 / (len(names) + 1)
    for place, name in enumerate([None, *names]):
        title = name or AS_IT_IS
        report(Step(f"opening {title}", place * share))
        opening = part(report, place * share, (place + 1) * share)
        try:
            made = pipe.reopened(quantization=name, batching=None, progress=opening)
        except (InputError, RunError) as error:
            if name is None:
                raise
            absent[name] = str(error)
        else:
            pipes[title] = stack.enter_context(made)
    return pipes, absent


@contextmanager
def _cuts() -> Iterator[list[Any]]:
    """Collect the warnings that texts were cut, which would else come once for each candidate and call."""
    cuts: list[Any] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.simplefilter("always", TruncationWarning)
        try:
            yield cuts
        finally:
            others = [one for one in caught if not issubclass(one.category, TruncationWarning)]
            cuts += [one for one in caught if issubclass(one.category, TruncationWarning)]
    for one in others:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _answers(calls: Mapping[str, Callable[[Any], Any]], texts: Sequence[Any], report: Report) -> dict[str, _Answers]:
    """Let each candidate answer all texts, piece by piece, so that it can be ended between two."""
    answers = {}
    for at, (name, call) in enumerate(calls.items()):
        pieces = []
        begin = time.perf_counter()
        for first in range(0, len(texts), _PIECE):
            report(Step(f"answers of {name}", (at + first / len(texts)) / len(calls)))
            pieces.append(call(list(texts[first : first + _PIECE])))
        seconds = time.perf_counter() - begin
        whole = (
            np.concatenate(pieces) if isinstance(pieces[0], np.ndarray) else [one for some in pieces for one in some]
        )
        answers[name] = _Answers(whole, seconds)
    return answers


def _candidates(
    task: str, pipes: Mapping[str, Pipeline], answers: Mapping[str, _Answers], turns: Turns
) -> tuple[Candidate, ...]:
    original = pipes[AS_IT_IS]
    made = []
    for name, pipe in pipes.items():
        smaller = original.engine.nbytes / pipe.engine.nbytes if pipe.engine.nbytes else 1.0
        first = name == AS_IT_IS
        speeds = tuple(
            Speed(
                question.what,
                question.texts,
                tuple(question.seconds[name]),
                None if first else speedup(question.seconds[name], question.seconds[AS_IT_IS]),
            )
            for question in turns.questions
        )
        alike = () if first else likeness(task, answers[AS_IT_IS].given, answers[name].given)
        gains = {speed.what: speed.gain for speed in speeds if speed.gain is not None}
        made.append(
            Candidate(
                pipe.engine.quantization,
                pipe.engine.name,
                pipe.engine.nbytes,
                smaller,
                speeds,
                alike,
                None if first else find(smaller, gains, alike),
            )
        )
    return tuple(made)
