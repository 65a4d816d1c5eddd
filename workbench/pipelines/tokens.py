"""From texts to tokens, by the checkpoint's own tokenizer and without transformers where its file says all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, LoadError, MissingLibraryError
from workbench.models.formats.huggingface.signature import longest_text
from workbench.models.torch_arrays import first_line

from .texts import Text, lone_surrogate, shown, which

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from workbench.models.formats.huggingface import HuggingFaceModel

_FILE_SAYS_ALL = {
    "PreTrainedTokenizer",
    "TokenizersBackend",
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
}
"""Classes of transformers that add nothing to tokenizer.json; others may build their steps from other files."""
_NORMALIZER = {
    "do_lower_case": "lowercase",
    "tokenize_chinese_chars": "handle_chinese_chars",
    "strip_accents": "strip_accents",
}
_NO_LIMIT = 1_000_000_000
"""transformers writes a larger number where a tokenizer has no limit."""


class Tokens:
    """The tokenizer of a model, and how long a text may be. Several threads may use it at once.

    Parameters
    ----------
    tokenizer
        Which neither cuts nor pads.
    longest
        Most tokens that the model takes, special ones included; None if there is no limit.
    vocabulary
        How many token ids the model has; None if that is not known.
    cuts_left
        Whether the beginning of a long text is dropped rather than its end.
    unknown
        Id of the token for what has no other; None if there is none, or that is not said.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        longest: int | None,
        *,
        vocabulary: int | None = None,
        cuts_left: bool = False,
        unknown: int | None = None,
    ) -> None:
        self.tokenizer, self.longest, self.cuts_left, self.unknown = tokenizer, longest, cuts_left, unknown
        self._special = tokenizer.num_special_tokens_to_add(False), tokenizer.num_special_tokens_to_add(True)
        # Asked of each text only where the tokenizer knows more tokens than the model: a search of a million ids.
        self._vocabulary = vocabulary if vocabulary is not None and tokenizer.get_vocab_size() > vocabulary else None

    @classmethod
    def of(cls, model: HuggingFaceModel, *, longest: int | None = None, lowercase: bool = False) -> Tokens:
        """Read the tokenizer of a checkpoint.

        Parameters
        ----------
        model
            The checkpoint.
        longest
            A limit beside those of the tokenizer and the model.
        lowercase
            Whether texts are taken in small letters, beside what the tokenizer itself does.

        Raises
        ------
        workbench.errors.LoadError
            If it has none, or one that cannot be read, or no text has room in the model.
        """
        folder = model._source.path
        assert folder is not None
        settings = _settings(folder)
        tokenizer = _from_file(folder, settings, model.given) or _from_transformers(model)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if lowercase:
            from tokenizers import normalizers

            steps = [normalizers.Lowercase(), *([tokenizer.normalizer] if tokenizer.normalizer else [])]
            tokenizer.normalizer = normalizers.Sequence(steps)
        known = [limit for limit in (settings.get("model_max_length"), longest_text(model.config), longest) if limit]
        limit = min((int(limit) for limit in known if _is_limit(limit)), default=None)
        special = tokenizer.num_special_tokens_to_add(False)
        if limit is not None and limit <= special:
            raise LoadError(
                f"{model.given} takes {limit} tokens by its files, of which {special} go to special ones, so no "
                "text has room. Mend model_max_length in tokenizer_config.json, or max_position_embeddings in "
                "config.json."
            )
        vocabulary = model.config.get("vocab_size")
        return cls(
            tokenizer,
            limit,
            vocabulary=vocabulary if isinstance(vocabulary, int) else None,
            cuts_left=settings.get("truncation_side") == "left",
            unknown=_unknown(tokenizer, settings),
        )

    def encode(self, texts: Sequence[Text]) -> list[Encoding]:
        """Return the tokens of each text, none of them cut.

        Raises
        ------
        workbench.errors.InputError
            If one is no text, has a lone surrogate, gives no token, or gives one that the model does not have; it says
            which.
        """
        try:
            if len(texts) == 1:
                text = texts[0]
                encodings = [self.tokenizer.encode(*text) if isinstance(text, tuple) else self.tokenizer.encode(text)]
            else:
                encodings = self.tokenizer.encode_batch(texts)
        except Exception as error:
            raise _fault(texts, error) from error
        for place, encoding in enumerate(encodings):
            if len(encoding) <= self._special[isinstance(texts[place], tuple)]:
                raise InputError(
                    f"{which(texts, place)} gives no token: {shown(texts[place])}. Leave it out, or give a text."
                )
            if self._vocabulary is not None and max(encoding.ids) >= self._vocabulary:
                token = next(token for token in encoding.ids if token >= self._vocabulary)
                raise InputError(
                    f"{which(texts, place)} has the token {self.tokenizer.id_to_token(token)!r} with id {token}; the "
                    f"model's vocabulary goes from 0 to {self._vocabulary - 1}. The tokenizer belongs to another model."
                )
        return encodings


def _fault(texts: Sequence[Text], error: Exception) -> InputError:
    """Return which text a tokenizer refuses, and why: it says neither, and knows no lone surrogate as a text."""
    for place, text in enumerate(texts):
        for part in (text,) if isinstance(text, str) else text:
            if wrong := lone_surrogate(part):
                return InputError(f"{which(texts, place)} {wrong}")
    return InputError(f"The tokenizer refuses {which(texts, 0).lower()}: {first_line(error)}.")


def _settings(folder: Path) -> dict[str, Any]:
    """Return the content of tokenizer_config.json; empty if there is none, or one that is no JSON."""
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _unknown(tokenizer: Tokenizer, settings: Mapping[str, Any]) -> int | None:
    """Return the id of the token for what has no other: as the settings say, or the model of the tokenizer."""
    named = settings.get("unk_token") or getattr(tokenizer.model, "unk_token", None)
    named = named.get("content") if isinstance(named, Mapping) else named
    return tokenizer.token_to_id(named) if isinstance(named, str) else None


def _is_limit(limit: Any) -> bool:
    return isinstance(limit, int | float) and not isinstance(limit, bool) and 0 < limit < _NO_LIMIT


def _from_file(folder: Path, settings: Mapping[str, Any], given: str) -> Tokenizer | None:
    """Return the tokenizer of tokenizer.json; None if there is none, or transformers would change it."""
    name = settings.get("tokenizer_class")
    if (
        not (folder / "tokenizer.json").is_file()
        or str(name or "PreTrainedTokenizer").removesuffix("Fast") not in _FILE_SAYS_ALL
    ):
        return None
    if settings.get("add_bos_token") is not None or settings.get("add_eos_token") is not None or "auto_map" in settings:
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingLibraryError(
            f"Texts need tokenizers, which cannot be imported ({error}): pip install tokenizers."
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        raise LoadError(f"{given}/tokenizer.json cannot be read: {first_line(error)}. Download it again.") from error
    steps = json.loads(tokenizer.normalizer.__getstate__()) if tokenizer.normalizer else {}
    if steps.get("type") == "BertNormalizer" and any(
        key in settings and settings[key] != steps.get(step) for key, step in _NORMALIZER.items()
    ):
        return None  # two files disagree, and transformers' classes believe the other one
    return tokenizer


def _from_transformers(model: HuggingFaceModel) -> Tokenizer:
    """Return the tokenizer that transformers builds."""
    made = model.tokenizer._tokenizer
    backend = getattr(made, "_tokenizer", None)
    if backend is None:
        raise LoadError(
            f"The tokenizer of {model.given}, {type(made).__name__}, is written in Python and does not tell where its "
            "tokens stand. Give the folder a tokenizer.json, which the fast version of the tokenizer saves."
        )
    import copy

    own: Tokenizer = copy.deepcopy(backend)  # that of the model may cut and pad
    return own
