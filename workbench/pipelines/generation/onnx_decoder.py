"""Tokens by ONNX Runtime: a graph of our own, whose keys and values stay where they are from token to token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import RunError
from workbench.models.formats.huggingface.signature import longest_text
from workbench.models.formats.onnx.providers import onnxruntime
from workbench.models.formats.onnx.reasons import reason
from workbench.models.torch_arrays import first_line
from workbench.pipelines.graphs import Graph, open_session

from .causal import Causal
from .causal.graph import COSINES, IDS, LAST, LENGTHS, LOGITS, SINES, TOTAL, past
from .decoder import Continuation, Decoder
from .prepared import Preparation, Prepared

if TYPE_CHECKING:
    import torch

    from .options import GenerationOptions


class OnnxDecoder(Decoder):
    """A graph on ONNX Runtime.

    Parameters
    ----------
    graph, causal
        The graph, and what it computes.
    module
        Of transformers, without weights: it prepares options and knows the rotations.
    given
        The checkpoint, as the user named it.
    quantization
        How its weights were made int8; None where they were not.

    Raises
    ------
    workbench.errors.RunError
        If ONNX Runtime does not take the graph.
    """

    name = "onnxruntime"

    def __init__(self, graph: Graph, causal: Causal, module: Any, given: str, quantization: str | None = None) -> None:
        # Threads that wait for the next token must not hold the cores that torch draws it on: with spinning a token of
        # a model of 135M parameters took 24 ms, and 17 without.
        self._session: Any = open_session(graph, given, allow_spinning="0")
        self.causal, self._module, self._given = causal, module, given
        self.generation, self.quantization, self.nbytes = module.generation_config, quantization, graph.nbytes
        self.longest = longest_text(module.config.to_dict())
        self._prepare = Preparation(module)
        self._rotations = np.zeros((2, 0, causal.head_size // 2), np.float32)

    def begin(self, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int) -> OnnxContinuation:
        """Make room for the text; the first run comes with the first scores."""
        if self._session is None:
            raise RunError(f"The engine of {self._given} is closed. Open a new one.")
        try:
            start = self._prepare(prompts, options, longest)
            room = max(map(len, prompts)) + longest
            return OnnxContinuation(self, self._session, prompts, start, room)
        except Exception as error:
            raise RunError(f"{self._given} cannot begin to write: {first_line(error)}.") from error

    def rotations(self, room: int) -> np.ndarray[Any, Any] | None:
        """Return cosines and sines of the angles of so many positions; None if the model has a table of positions."""
        if self.causal.positions is not None:
            return None
        if self._rotations.shape[1] < room:
            self._rotations = _rotations(self._module, max(room, 2 * self._rotations.shape[1]))
        return np.ascontiguousarray(self._rotations[:, :room])

    def close(self) -> None:
        """Let the session go."""
        self._session = None


class OnnxContinuation(Continuation):
    """Rows that a graph continues.

    Parameters
    ----------
    decoder, session
        The graph.
    prompts
        Their token ids.
    start
        What transformers prepared.
    room
        So many tokens a row gets at the most.
    """

    def __init__(
        self, decoder: OnnxDecoder, session: Any, prompts: Sequence[Sequence[int]], start: Prepared, room: int
    ) -> None:
        super().__init__(start)
        causal, rotations = decoder.causal, decoder.rotations(room)
        self._session, self._binding = session, session.io_binding()
        self._lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        # on the right, unlike those of transformers: each row's keys begin at its own first place
        self._tokens = np.zeros((len(prompts), self._lengths.max()), np.int64)
        for row, prompt in enumerate(prompts):
            self._tokens[row, : len(prompt)] = prompt
        self._last = self._lengths.astype(np.int64)[:, None] - 1
        if rotations is not None:
            self._binding.bind_cpu_input(COSINES, rotations[0])
            self._binding.bind_cpu_input(SINES, rotations[1])
        value = onnxruntime().OrtValue
        shape = (len(prompts), causal.key_heads, room, causal.head_size)
        for layer in range(len(causal.layers)):
            for before, after in zip(past(layer, after=False), past(layer, after=True), strict=True):
                kept = value.ortvalue_from_numpy(np.zeros(shape, np.float32))
                self._binding.bind_ortvalue_input(before, kept)
                self._binding.bind_ortvalue_output(after, kept)
        self._logits = value.ortvalue_from_numpy(np.zeros((len(prompts), causal.words.shape[0]), np.float32))
        self._binding.bind_ortvalue_output(LOGITS, self._logits)

    def logits(self) -> torch.Tensor:
        """Run the graph over the prompts, or over the tokens appended since."""
        import torch

        binding = self._binding
        binding.bind_cpu_input(IDS, self._tokens)
        binding.bind_cpu_input(LENGTHS, self._lengths - 1)
        binding.bind_cpu_input(TOTAL, np.array(self._lengths.max(), np.int32))
        binding.bind_cpu_input(LAST, self._last)
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise RunError(f"ONNX Runtime stopped: {reason(error)}.") from error
        return torch.from_numpy(self._logits.numpy().copy())

    def append(self, tokens: Sequence[int]) -> None:
        """Let each row grow by a token."""
        super().append(tokens)
        self._tokens = np.array(tokens, np.int64)[:, None]
        self._lengths = self._lengths + np.int32(1)
        self._last = np.zeros_like(self._last)


def _rotations(module: Any, room: int) -> np.ndarray[Any, Any]:
    """Return cosines and sines (2, room, half a head) as the model's own class computes them."""
    import torch

    rotation = type(module.model.rotary_emb)(module.config)  # the module's own has no numbers
    with torch.no_grad():
        both = rotation(torch.zeros(1), torch.arange(room)[None])
    return np.stack([part[0, :, : part.shape[-1] // 2].numpy() for part in both]).astype(np.float32)
