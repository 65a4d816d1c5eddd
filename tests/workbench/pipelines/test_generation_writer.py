"""Pieces of text: whole characters, together what all tokens decode to, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.pipelines.generation.writer import Writer

from . import generator

TEXT = st.text(st.sampled_from("ab ,éß日🦊\n"), max_size=30) | st.text(max_size=12)


def of_bytes() -> Any:
    return generator.tokenizer().backend_tokenizer


def of_pieces_and_bytes() -> Any:
    """Return a tokenizer as Llama 2 has it: a mark for a space, and bytes for letters that it does not know."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", ",", "▁a", "é", "ab", "▁ab"]
    merges = [("▁", "a"), ("a", "b"), ("▁", "ab")]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


def decoder(tokenizer: Any) -> Callable[[list[int]], str]:
    return lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True))


def written(writer: Writer, ids: list[int]) -> list[str]:
    pieces = []
    for token in ids:
        pieces.append(writer.write(token))
        if writer.stopped:
            break
    return [*pieces, writer.end()]


@pytest.mark.parametrize("make", [of_bytes, of_pieces_and_bytes])
def test_pieces_are_whole_and_together_the_text(make: Callable[[], Any]) -> None:
    tokenizer = make()
    decode = decoder(tokenizer)

    @settings(max_examples=150, deadline=None)
    @given(TEXT, TEXT)
    def law(prompt: str, text: str) -> None:
        before, both = tokenizer.encode(prompt).ids, tokenizer.encode(prompt + text).ids
        if both[: len(before)] != before:
            return  # the two texts share a token
        pieces = written(Writer(decode, before), both[len(before) :])
        assert "".join(pieces) == decode(both)[len(decode(before)) :]
        if "\N{REPLACEMENT CHARACTER}" not in text:
            assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces)

    law()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 320), max_size=60))
def test_any_tokens_make_text(ids: list[int]) -> None:
    decode = decoder(of_bytes())
    assert "".join(written(Writer(decode), ids)) == decode(ids)


@pytest.mark.parametrize("make", [of_bytes, of_pieces_and_bytes])
def test_bytes_that_are_no_text_are_not_waited_for(make: Callable[[], Any]) -> None:
    tokenizer = make()
    letter = tokenizer.token_to_id("a")
    byte = next(token for token in range(300) if decoder(tokenizer)([token]) == "\N{REPLACEMENT CHARACTER}")
    writer = Writer(decoder(tokenizer), [letter])
    shown = "".join(writer.write(byte) for _ in range(20))
    assert len(shown) == 17
    assert shown + writer.end() == "\N{REPLACEMENT CHARACTER}" * 20


@settings(max_examples=300, deadline=None)
@given(st.text("ab,é", max_size=40), st.lists(st.text("ab,é", min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_text_ends_before_the_stop_string_that_is_whole_first(text: str, stop: list[str]) -> None:
    tokenizer = of_bytes()
    writer = Writer(decoder(tokenizer), stop=stop)
    pieces = written(writer, tokenizer.encode(text).ids)
    found = [(text.find(string) + len(string), text.find(string)) for string in stop if string in text]
    assert "".join(pieces) == (text[: min(found)[1]] if found else text)
    assert writer.stopped == bool(found)
