"""A verdict on quantisation: what was measured of each candidate, and whether it is worth it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.bench.race import Ratio
from workbench.errors import InputError
from workbench.text import aligned, counted, format_bytes, format_seconds

from .likeness import Likeness
from .rules import Finding, factor

if TYPE_CHECKING:
    import pandas as pd

AS_IT_IS = "as it is"
"""How the model without quantisation is called."""

FEW = 50
"""Of fewer texts it is said that they are few."""


@dataclass(frozen=True)
class Speed:
    """How fast a candidate answers.

    Parameters
    ----------
    what
        ``"together"``: many texts in one call; ``"alone"``: one text in a call.
    texts
        How many texts a call had.
    seconds
        Of a call, one sample for each round; the rounds are those of the other candidates.
    gain
        How many times faster than the original, with its 95 % interval; None for the original itself.
    """

    what: str
    texts: int
    seconds: tuple[float, ...]
    gain: Ratio | None

    @property
    def median(self) -> float:
        """Median seconds of a call."""
        return float(np.median(self.seconds))


@dataclass(frozen=True)
class Candidate:
    """One way to compute the model.

    Parameters
    ----------
    quantization
        ``"int8"``, ``"dynamic"``, or None for the original.
    engine
        What computes it: ``"onnxruntime"`` or ``"torch"``.
    nbytes
        Bytes of the weights that it computes with.
    smaller
        How many times smaller than the original.
    speeds
        How fast it is, together and alone.
    likeness
        How like its answers are to the original's; empty for the original.
    finding
        Whether it is worth it, and why; None for the original.
    """

    quantization: str | None
    engine: str
    nbytes: int
    smaller: float
    speeds: tuple[Speed, ...]
    likeness: tuple[Likeness, ...] = ()
    finding: Finding | None = None

    @property
    def name(self) -> str:
        """Its quantisation, or "as it is"."""
        return self.quantization or AS_IT_IS

    @property
    def sentence(self) -> str:
        """What was found, in a sentence; empty for the original."""
        return f"{self.name} is {self.finding.text}." if self.finding else ""


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether quantisation is worth it for a model, a task and texts of the user's own.

    Parameters
    ----------
    task, model
        Their names.
    texts
        How many texts were answered by each candidate.
    candidates
        The original first.
    absent
        Quantisations that cannot compute this model, with the reason.
    conditions
        How it was measured: rounds, budget, seed, method, load, whether texts were cut.
    environment
        Where: CPU, cores, caches, library versions.
    """

    task: str
    model: str
    texts: int
    candidates: tuple[Candidate, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, quantization: str | None) -> Candidate:
        for candidate in self.candidates:
            if quantization in (candidate.quantization, candidate.name):
                return candidate
        if quantization in self.absent:
            raise InputError(f"{quantization!r} was not measured: {self.absent[str(quantization)]}")
        raise InputError(
            f"{quantization!r} was not measured; these were: {', '.join(each.name for each in self.candidates)}."
        )

    @property
    def original(self) -> Candidate:
        """The model as it is."""
        return self.candidates[0]

    @property
    def best(self) -> Candidate:
        """The fastest of those that are worth it, and the original if none is."""
        worth = [one for one in self.candidates[1:] if one.finding is not None and one.finding.worth == "yes"]
        return max(worth, key=_gain, default=self.original)

    @property
    def heading(self) -> str:
        """What was weighed, in one line."""
        return f"{self.task} with {self.model}, {counted(self.texts, 'text')}"

    @property
    def sentences(self) -> list[str]:
        """One for each candidate, those that could not be measured included, and what is to be kept in mind."""
        told = [candidate.sentence for candidate in self.candidates[1:]]
        told += [f"{name} was not measured: {reason}" for name, reason in self.absent.items()]
        if others := [one for one in self.candidates[1:] if one.engine != self.original.engine]:
            told.append(
                f"The model as it is runs on {self.original.engine} and {others[0].name} on {others[0].engine}, so "
                "that the gain is that of both."
            )
        if self.texts < FEW:
            told.append(f"So few texts, {self.texts}, say little of others: give a few hundred of your own.")
        if self.conditions.get("cut"):
            told.append("Some texts are longer than the model takes; they were cut, for all alike.")
        if self.conditions.get("disturbed"):
            told.append("Other programs took part of the machine meanwhile, so repeat it when they rest.")
        return told

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of :attr:`rows`."""
        speeds = [f"{speed.what}, {counted(speed.texts, 'text')}" for speed in self.original.speeds]
        pairs = [name for speed in speeds for name in (speed, "gain")]
        compared = next((one.likeness for one in self.candidates if one.likeness), ())
        return ("", "size", *pairs, *(likeness.name for likeness in compared), "worth it")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row of text for each candidate."""
        width = len(self.columns)
        return [_padded(_row(candidate), width) for candidate in self.candidates]

    @property
    def conditions_text(self) -> str:
        """How it was measured, in one line."""
        load = self.conditions.get("load")
        parts = [
            f"{self.conditions.get('rounds', 0)} rounds in turns",
            "95 % intervals",
            *([f"load {load:.1f}"] if load is not None else []),
            str(self.environment.get("cpu", "")),
            counted(int(self.environment.get("cores", 0)), "core") if self.environment.get("cores") else "",
        ]
        return " · ".join(part for part in parts if part)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per candidate: bytes, how much smaller, seconds, gains with intervals, likeness and worth."""
        import pandas as pd

        return pd.DataFrame([_record(candidate) for candidate in self.candidates])

    def __str__(self) -> str:
        return " ".join(self.sentences)

    def __repr__(self) -> str:
        table = [f"  {line}" for line in aligned([self.columns, *self.rows])]
        return "\n".join([self.heading, *self.sentences, *table, self.conditions_text])

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.verdict_card import verdict_card

        return verdict_card(self)


def _row(candidate: Candidate) -> list[str]:
    smaller = f", {factor(candidate.smaller)} smaller" if candidate.smaller > 1.05 else ""
    row = [candidate.name, f"{format_bytes(candidate.nbytes)}{smaller}"]
    for speed in candidate.speeds:
        gain = speed.gain
        row += [
            format_seconds(speed.median),
            "" if gain is None else f"{gain.value:.2f} [{gain.low:.2f}, {gain.high:.2f}]",
        ]
    row += [likeness.text for likeness in candidate.likeness]
    return row if candidate.finding is None else [*row, candidate.finding.worth]


def _padded(row: list[str], width: int) -> tuple[str, ...]:
    return (*row, *[""] * (width - len(row)))


def _record(candidate: Candidate) -> dict[str, Any]:
    record: dict[str, Any] = {
        "quantization": candidate.name,
        "engine": candidate.engine,
        "bytes": candidate.nbytes,
        "smaller": candidate.smaller,
    }
    for speed in candidate.speeds:
        gain = speed.gain or Ratio(1.0, 1.0, 1.0)
        record |= {
            f"{speed.what}_seconds": speed.median,
            f"{speed.what}_gain": gain.value,
            f"{speed.what}_gain_low": gain.low,
            f"{speed.what}_gain_high": gain.high,
        }
    record |= {likeness.name: likeness.value for likeness in candidate.likeness}
    return {**record, "worth": "" if candidate.finding is None else candidate.finding.worth}


def _gain(candidate: Candidate) -> float:
    return max((speed.gain.value for speed in candidate.speeds if speed.gain is not None), default=1.0)
