"""From a prompt, or the messages of a conversation, to tokens; and from tokens to text."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import InputError
from workbench.models.torch_arrays import first_line
from workbench.pipelines.texts import kind_of, listed, lone_surrogate

Message = Mapping[str, Any]
"""``{"role": "user", "content": "..."}``"""


@dataclass(frozen=True)
class Prompt:
    """What is to be continued.

    Parameters
    ----------
    text
        As it was given, or as the chat template wrote the messages.
    ids
        Its tokens.
    """

    text: str
    ids: tuple[int, ...]


class PromptReader:
    """The tokenizer of a model that writes text.

    Parameters
    ----------
    tokenizer
        Of transformers.
    given
        The model, as the user named it.
    first
        The token that an empty prompt becomes; None if the model has none.
    vocabulary
        How many token ids the model has; None if that is not known.
    """

    def __init__(self, tokenizer: Any, given: str, first: int | None, vocabulary: int | None = None) -> None:
        self._tokenizer, self._given, self._first, self._vocabulary = tokenizer, given, first, vocabulary
        # A copy of our own: the model's cuts and pads as it is asked to, which changes it under other threads.
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer) if getattr(tokenizer, "is_fast", False) else None
        if self._backend is not None:
            self._backend.no_truncation()
            self._backend.no_padding()

    def read(self, prompt: str | Sequence[Message], template: Mapping[str, Any]) -> Prompt:
        """Return the tokens of a prompt.

        Parameters
        ----------
        prompt
            A text; or messages, which the chat template of the tokenizer makes a text of.
        template
            Given to the chat template, which says what it knows of.

        Raises
        ------
        workbench.errors.InputError
            If it is neither, has no token, or there is no chat template.
        """
        chat = not isinstance(prompt, str)
        text = self._conversation(prompt, template) if chat else str(prompt)
        ids = self._encode(text, special=not chat)
        if not ids:
            if self._first is None:
                raise InputError(
                    f"The prompt {text!r} has no token, and {self._given} none to begin with. Give a text."
                )
            ids = [self._first]
        if self._vocabulary is not None and max(ids) >= self._vocabulary:
            token = self._tokenizer.convert_ids_to_tokens(max(ids))
            raise InputError(
                f"The prompt has the token {token!r} with id {max(ids)}; the vocabulary of {self._given} goes from 0 "
                f"to {self._vocabulary - 1}. Its tokenizer belongs to another model."
            )
        return Prompt(text, tuple(ids))

    def decode(self, ids: list[int]) -> str:
        """Return the text of tokens, special ones left out."""
        if self._backend is not None:
            return str(self._backend.decode(ids, skip_special_tokens=True))
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _encode(self, text: str, *, special: bool) -> list[int]:
        try:
            if self._backend is not None:
                return list(self._backend.encode(text, add_special_tokens=special).ids)
            return list(self._tokenizer.encode(text, add_special_tokens=special, truncation=False, verbose=False))
        except Exception as error:
            if wrong := lone_surrogate(text):
                raise InputError(f"The prompt {wrong}") from error
            raise InputError(
                f"The tokenizer of {self._given} cannot read {text!r:.80}: {first_line(error)}."
            ) from error

    def _conversation(self, messages: Any, template: Mapping[str, Any]) -> str:
        _check_messages(messages)
        if not self._tokenizer.chat_template:
            raise InputError(
                f"{self._given} has no chat template, so messages mean nothing to it; it was trained to continue text. "
                "Give a text, or load a model that was trained for conversations."
            )
        goes_on = messages[-1]["role"] == "assistant"
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    tokenize=False,
                    add_generation_prompt=not goes_on,
                    continue_final_message=goes_on,
                    **template,
                )
            )
        except Exception as error:
            raise InputError(
                f"The chat template of {self._given} refuses these {len(messages)} messages (roles "
                f"{', '.join(str(message['role']) for message in messages)}): {first_line(error)}."
            ) from error


def is_conversation(prompt: Any) -> bool:
    """Tell whether something is meant as messages, rather than as several prompts."""
    return isinstance(prompt, (list, tuple)) and bool(prompt) and all(isinstance(part, Mapping) for part in prompt)


def prompts_of(given: Any) -> tuple[list[str | Sequence[Message]], bool]:
    """Return what was given as a list of prompts, each a text or messages, and whether it was one only.

    Raises
    ------
    workbench.errors.InputError
        If it is something else, or empty.
    """
    if isinstance(given, str) or is_conversation(given):
        return [given], True
    wanted = "a str, messages such as [{'role': 'user', 'content': 'Hello'}], or a list of these"
    found = listed(given, "prompt", wanted)
    for place, prompt in enumerate(found):
        if not isinstance(prompt, str) and not is_conversation(prompt):
            raise InputError(f"Prompt {place} of {len(found)} is {kind_of(prompt)}. Give {wanted}.")
    return found, False


def _check_messages(messages: Sequence[Message]) -> None:
    for place, message in enumerate(messages):
        if not isinstance(message.get("role"), str) or "content" not in message:
            raise InputError(
                f"Message {place} of {len(messages)} must have 'role' and 'content'; it has "
                f"{', '.join(map(repr, message)) or 'nothing'}."
            )
