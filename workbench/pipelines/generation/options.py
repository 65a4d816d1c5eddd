"""What can be asked of a generation, checked before any work begins."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from workbench.errors import InputError
from workbench.pipelines.texts import yes_or_no
from workbench.text import did_you_mean

_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "seed")
"""What has no effect unless tokens are drawn."""


@dataclass(frozen=True)
class GenerationOptions:
    """How a text is continued; what is None is as the model's own generation_config.json says.

    Parameters
    ----------
    max_new_tokens
        The text ends after so many tokens; 256 if neither this nor the model says, and never more than the model has
        positions for.
    min_new_tokens
        It does not end by itself before so many.
    do_sample
        Whether tokens are drawn by their probabilities; False takes the likeliest each time. Asking for one of
        ``temperature``, ``top_k``, ``top_p``, ``min_p`` or ``seed`` asks for it too.
    temperature
        Above 0: less than 1 draws likely tokens more often, more than 1 less often.
    top_k
        Only the so many likeliest tokens are drawn from; 0 for all.
    top_p
        Only the likeliest tokens that together have this probability, above 0 and up to 1.
    min_p
        Only tokens whose probability is at least this share of the likeliest one's, from 0 to 1.
    repetition_penalty
        Above 0: more than 1 makes tokens less likely that are already in the prompt or the text.
    no_repeat_ngram_size
        No sequence of so many tokens comes twice; 0 for no such rule.
    stop
        Strings at which the text ends, without them.
    seed
        The same one gives the same text again. Nothing else that draws random numbers notices.
    """

    max_new_tokens: int | None = None
    min_new_tokens: int | None = None
    do_sample: bool | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def for_transformers(self, longest: int) -> dict[str, Any]:
        """Return what ``generate`` of transformers takes of it, by its names, for at most so many new tokens."""
        others = ("max_new_tokens", "stop", "seed")
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in others}
        if self.min_new_tokens is not None:
            given["min_new_tokens"] = min(self.min_new_tokens, longest)
        return {name: value for name, value in given.items() if value is not None}


def options_of(given: Mapping[str, Any]) -> GenerationOptions:
    """Return the options of a call.

    Raises
    ------
    workbench.errors.InputError
        If a name is none of them, a value is out of range, or two contradict each other.

    Examples
    --------
    >>> options_of({"max_new_tokens": 8, "temperature": 0.7}).do_sample
    True
    """
    known = option_names()
    for name in given:
        if name not in known:
            hint = _HINTS.get(name) or did_you_mean(name, known)
            raise InputError(f"text-generation has no option {name}=.{hint} It takes {', '.join(known)}.")
    checked = {name: _checked(name, value) for name, value in given.items() if value is not None}
    asked = [name for name in _SAMPLING if name in checked]
    if asked:
        if checked.get("do_sample") is False:
            raise InputError(
                f"{asked[0]}={given[asked[0]]!r} has no effect with do_sample=False, which takes the likeliest token "
                "each time. Leave out one of the two."
            )
        checked["do_sample"] = True
    options = GenerationOptions(**checked)
    if (options.min_new_tokens or 0) > (options.max_new_tokens or math.inf):
        raise InputError(
            f"min_new_tokens={options.min_new_tokens} is more than max_new_tokens={options.max_new_tokens}. Raise the "
            "second or lower the first."
        )
    return options


def option_names() -> list[str]:
    """Return the names of all options."""
    return [field.name for field in fields(GenerationOptions)]


def merged(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of which the second ones go before: with them goes what of the first contradicts them."""
    asked = {name for name, value in then.items() if value is not None}
    left = {name: value for name, value in first.items() if value is not None}
    if then.get("do_sample") is False:
        left = {name: value for name, value in left.items() if name not in _SAMPLING}
    elif asked.intersection(_SAMPLING):
        left.pop("do_sample", None)
    return {**left, **then}


_HINTS = {
    "max_length": " It counts the prompt too; give max_new_tokens=.",
    "num_beams": " Tokens are written one after the other, so that they can be streamed; beams are not searched.",
    "num_return_sequences": " Give the prompt several times, each with its own seed.",
    "greedy": " Give do_sample=False.",
    "stop_strings": " Give stop=.",
}


@dataclass(frozen=True)
class _Range:
    """The numbers that an option may have."""

    low: float
    high: float = math.inf
    whole: bool = True
    above: bool = False
    """Whether ``low`` itself is too small."""
    advice: str = ""

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.low:g}" if self.above else f"from {self.low:g} on"
        return f"{kind} {low}" if math.isinf(self.high) else f"{kind} {low} and up to {self.high:g}"


_RANGES = {
    "max_new_tokens": _Range(1),
    "min_new_tokens": _Range(0),
    "temperature": _Range(0, whole=False, above=True, advice="For the likeliest token each time: do_sample=False."),
    "top_k": _Range(0, advice="0 draws from all tokens."),
    "top_p": _Range(0, 1, whole=False, above=True, advice="1 draws from all tokens."),
    "min_p": _Range(0, 1, whole=False),
    "repetition_penalty": _Range(0, whole=False, above=True, advice="1 changes nothing; 1.1 to 1.3 is usual."),
    "no_repeat_ngram_size": _Range(0),
    "seed": _Range(0, 2**63 - 1),
}


def _checked(name: str, value: Any) -> Any:
    if name == "do_sample":
        return yes_or_no(name, value)
    if name == "stop":
        return _stop_strings(value)
    rule = _RANGES[name]
    kind = numbers.Integral if rule.whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind) or not _within(value, rule):
        raise InputError(f"{name}={value!r} must be {rule}.{' ' if rule.advice else ''}{rule.advice}")
    return int(value) if rule.whole else float(value)  # type: ignore[call-overload]


def _within(value: Any, rule: _Range) -> bool:
    return rule.low <= value <= rule.high and not math.isinf(value) and not (rule.above and value == rule.low)


def _stop_strings(value: Any) -> tuple[str, ...]:
    strings = (value,) if isinstance(value, str) else value
    if not isinstance(strings, (list, tuple)) or not all(isinstance(string, str) and string for string in strings):
        raise InputError(f"stop={value!r} must be a string, or a list of strings that are not empty.")
    return tuple(strings)
