"""From tokens to text as they come: whole characters only, and no beginning of a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What a decoder makes of the bytes of a character that is not whole yet."""
_BYTES = 3
"""A character that is not whole yet has so many bytes at the most, and each may be decoded as a broken one."""
_CONTEXT = 64
"""So many tokens of a prompt, at most, are decoded with the first new ones."""
_WINDOW = 16
"""The tokens decoded with each new one are cut when there are more than these."""


class Writer:
    """One text that grows by tokens.

    A token is decoded together with some before it, since a space, or a part of a character, may depend on them; what
    is new of that text is shown. So the pieces together are what decoding all tokens at once gives after the prompt's
    own text.

    Parameters
    ----------
    decode
        From token ids to text, special tokens left out.
    prompt
        Token ids before the text; empty if it does not continue what is there.
    stop
        Strings of which the first that is whole ends the text. They are not shown, nor is what may still become one.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], prompt: Sequence[int] = (), stop: Sequence[str] = ()
    ) -> None:
        self.stopped = False
        self._decode, self._stop = decode, tuple(stop)
        self._tokens = list(prompt[-_CONTEXT:])
        self._known = decode(self._tokens) if self._tokens else ""
        self._boundary = len(self._tokens)
        self._held = ""

    def write(self, token: int) -> str:
        """Return what can be shown after one more token, which may be nothing."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        whole = text[: len(text) - self._pending(text)]
        if len(whole) <= len(self._known):
            return ""
        new, self._known = whole[len(self._known) :], whole
        if len(whole) == len(text):
            self._cut()
        return self._shown(new)

    def end(self) -> str:
        """Return what was held back, since nothing follows."""
        if self.stopped:
            return ""
        rest = self._decode(self._tokens)[len(self._known) :] if self._tokens else ""
        shown = self._shown(rest)
        if not self.stopped:
            shown += self._held
        self._held = ""
        return shown

    def _pending(self, text: str) -> int:
        """Return how many characters at the end may still become something else."""
        broken = len(text) - len(text.rstrip(_BROKEN))
        if broken > _BYTES:  # bytes that are no text; or the decoder breaks whole characters together with the next one
            rest = self._decode(self._tokens[self._boundary :])
            if len(rest) - len(rest.rstrip(_BROKEN)) > _BYTES:
                return _BYTES
        return broken

    def _cut(self) -> None:
        """Forget old tokens, up to where a whole character ended."""
        if len(self._tokens) > _WINDOW:
            del self._tokens[: self._boundary]
            self._known = self._decode(self._tokens)
        self._boundary = len(self._tokens)

    def _shown(self, new: str) -> str:
        text = self._held + new
        # the one that is whole first, however many characters the last token brought
        found = [(place + len(string), place) for string in self._stop if (place := text.find(string)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        kept = max((_overlap(text, string) for string in self._stop), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]


def _overlap(text: str, string: str) -> int:
    """Return how many characters at the end of a text may be the beginning of a string."""
    longest = min(len(text), len(string) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(string[:length])), 0)
