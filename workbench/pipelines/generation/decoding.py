"""The loop that writes: one token for each row, drawn with its own random numbers, until each has ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.errors import RunError, WorkbenchError
from workbench.models.torch_arrays import first_line
from workbench.pipelines.results import Generation

from .prompts import Prompt, PromptReader
from .writer import Writer

if TYPE_CHECKING:
    import torch

    from .decoder import Decoder
    from .options import GenerationOptions


class Decoding:
    """Texts that are written together, each as it would be alone.

    Parameters
    ----------
    decoder
        Computes the next tokens.
    reader
        From tokens to text.
    prompts
        What is continued.
    options
        By which tokens are chosen.
    limits
        The largest number of tokens of each text.
    """

    def __init__(
        self,
        decoder: Decoder,
        reader: PromptReader,
        prompts: Sequence[Prompt],
        options: GenerationOptions,
        limits: Sequence[int],
    ) -> None:
        self._rows = [
            Row(prompt, limit, Writer(reader.decode, prompt.ids, decoder.stops(options)))
            for prompt, limit in zip(prompts, limits, strict=True)
        ]
        self._continuation = decoder.begin([prompt.ids for prompt in prompts], options, max(limits))
        self._ends = decoder.ends
        self._generators = _generators(len(prompts), options.seed, decoder.device) if self._continuation.draws else []

    @property
    def done(self) -> bool:
        """Whether each text has ended."""
        return all(row.finish for row in self._rows)

    def step(self) -> list[str]:
        """Write one token of each text that has not ended, and return what that adds to them.

        Raises
        ------
        workbench.errors.RunError
            If the model cannot compute, or gives no number.
        """
        import torch

        try:
            with torch.inference_mode():  # of this thread, and of this step alone: the reader's torch stays as it is
                tokens = self._choose(self._continuation.scores())
                pieces = [row.add(token, self._ends) for row, token in zip(self._rows, tokens, strict=True)]
                if not self.done:
                    self._continuation.append(tokens)
        except WorkbenchError:
            raise
        except Exception as error:
            raise RunError(
                f"The model stopped at token {self._rows[0].tokens + 1} of the text: {first_line(error)}."
            ) from error
        return pieces

    def results(self) -> list[Generation]:
        """Return what was written up to now; a text that has not ended is cancelled."""
        return [row.result() for row in self._rows]

    def _choose(self, scores: torch.Tensor) -> list[int]:
        import torch

        best, tokens = _likeliest(scores)
        if not math.isfinite(sum(best)):
            raise RunError(
                f"The model gives {best} as the largest logits of the next token. If numbers of a small dtype "
                "overflow, load a checkpoint in float32."
            )
        if not self._generators:
            return tokens
        shares = torch.softmax(scores, dim=-1)
        return [
            int(torch.multinomial(share, 1, generator=generator))
            for share, generator in zip(shares, self._generators, strict=True)
        ]


def _likeliest(scores: torch.Tensor) -> tuple[list[float], list[int]]:
    """Return of each row the largest score, or NaN if there is one, and its token."""
    if scores.device.type != "cpu":
        best, tokens = scores.max(dim=-1)
        return best.tolist(), tokens.tolist()
    # NumPy searches a row without other threads: to wake torch's takes longer than the search
    rows = scores.numpy()
    found = rows.argmax(-1).tolist()
    return [float(row[token]) for row, token in zip(rows, found, strict=True)], found


class Row:
    """One text that is being written.

    Parameters
    ----------
    prompt
        What it continues.
    limit
        It has so many tokens at the most.
    writer
        Makes text of them.
    """

    def __init__(self, prompt: Prompt, limit: int, writer: Writer) -> None:
        self.tokens, self.finish = 0, ""
        self._prompt, self._limit, self._writer = prompt, limit, writer
        self._pieces: list[str] = []

    def add(self, token: int, ends: frozenset[int]) -> str:
        """Take a token, and return what can be shown of it; nothing once the text has ended."""
        if self.finish:
            return ""
        self.tokens += 1
        piece = "" if token in ends else self._writer.write(token)
        if token in ends or self._writer.stopped:
            self.finish = "stop"
        elif self.tokens >= self._limit:
            self.finish = "length"
        if self.finish:
            piece += self._writer.end()
        self._pieces.append(piece)
        return piece

    def result(self) -> Generation:
        """Return what was written."""
        return Generation("".join(self._pieces), self._prompt.text, self.tokens, self.finish or "cancelled")


def _generators(rows: int, seed: int | None, device: str) -> list[torch.Generator]:
    """Return random numbers for each row alone: of the seed, or of the system."""
    import torch

    generators = [torch.Generator(device=device) for _ in range(rows)]
    for generator in generators:
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
    return generators
