"""Running a Hugging Face checkpoint: transformers' class with its weights, NumPy in, NumPy out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import dtype_name, numpy_dtype
from workbench.errors import InputError, LoadError, MissingLibraryError, RunError, WorkbenchError


class TorchModel:
    """The architecture's module, in evaluation, without gradients.

    Parameters
    ----------
    folder
        Of the checkpoint.
    given
        The source, as the user named it.
    architecture
        Name of the class in transformers; AutoModel decides if empty.
    device
        As torch names it.
    trust_remote_code
        Whether Python files of the model itself may run.
    """

    def __init__(self, folder: Path, given: str, architecture: str, device: str, trust_remote_code: bool) -> None:
        self._torch = torch = import_or_say("torch")
        transformers = import_or_say("transformers")
        self._given = given
        self._device = check_device(device)
        cls = getattr(transformers, architecture, None)
        remote = trust_remote_code and cls is None
        if cls is None and architecture and not trust_remote_code:
            raise RunError(
                f"transformers {transformers.__version__} has no class {architecture!r}, so {given} cannot be run. "
                "Upgrade transformers; or, if the model brings its own Python files and you trust them, load it with "
                "trust_remote_code=True, which runs them."
            )
        cls = cls or transformers.AutoModel
        try:
            with quiet(transformers):
                self._module, loading = cls.from_pretrained(
                    folder,
                    local_files_only=True,
                    use_safetensors=True,
                    dtype="auto",
                    output_loading_info=True,
                    **({"trust_remote_code": True} if remote else {}),
                )
        except Exception as error:
            raise LoadError(f"transformers cannot build {given}: {_first_line(error)}.") from error
        missing = sorted(name for name in loading.get("missing_keys", ()) if "pooler" not in name)
        if missing:
            raise RunError(
                f"{given} has no weights for {len(missing)} tensors of {cls.__name__}, {missing[0]!r} first; they "
                "would be random numbers, and so would the results. Load a checkpoint that was trained for this "
                "architecture."
            )
        try:
            self._module = self._module.to(self._device).eval()
        except Exception as error:
            raise RunError(f"{given} does not go to device {device!r}: {_first_line(error)}.") from error
        self._inference = torch.inference_mode

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return every output that is a tensor, by name."""
        try:
            with self._inference():
                tensors = {name: self._to_torch(array) for name, array in feeds.items()}
                result = self._module(**tensors, return_dict=True)
                return {name: self._to_numpy(value) for name, value in result.items() if hasattr(value, "detach")}
        except WorkbenchError:
            raise
        except Exception as error:
            raise RunError(f"{type(self._module).__name__} of {self._given} stopped: {_first_line(error)}.") from error

    def _to_torch(self, array: np.ndarray[Any, Any]) -> Any:
        name = dtype_name(array.dtype)
        array = np.ascontiguousarray(array)
        if name == "bfloat16":
            return self._torch.from_numpy(array.view(np.int16).copy()).view(self._torch.bfloat16).to(self._device)
        # torch warns about arrays that may not be written to, and no model writes to its inputs
        return self._torch.from_numpy(array if array.flags.writeable else array.copy()).to(self._device)

    def _to_numpy(self, value: Any) -> np.ndarray[Any, Any]:
        value = value.detach().cpu().contiguous()
        if value.dtype == self._torch.bfloat16:
            return np.asarray(value.view(self._torch.int16).numpy().view(numpy_dtype("bfloat16")))
        return np.asarray(value.numpy())


_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "tekken.json",
)


class Tokenizer:
    """The checkpoint's own tokenizer.

    Parameters
    ----------
    folder, given
        As for :class:`TorchModel`.
    """

    def __init__(self, folder: Path, given: str) -> None:
        transformers = import_or_say("transformers")
        if not any((folder / name).is_file() for name in _VOCABULARIES):
            # transformers would make one that knows no word
            raise LoadError(
                f"{given} has no tokenizer: none of the files {', '.join(_VOCABULARIES)}. Give input_ids in place "
                "of text, or add the tokenizer's files to the folder."
            )
        try:
            with quiet(transformers):
                self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise LoadError(
                f"{given} has no tokenizer that transformers can load ({_first_line(error)}). Give input_ids, or "
                "add the tokenizer's files to the folder."
            ) from error

    def __call__(self, texts: str | list[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Return token ids and what goes with them, int64, padded to the longest text; nothing is cut off."""
        texts = [texts] if isinstance(texts, str) else texts
        if not texts or not all(isinstance(text, str) for text in texts):
            raise InputError("The texts are an empty list, or not all of them are str; give a text or a list of texts.")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        padding = len(texts) > 1
        encoded = self._tokenizer(texts, padding=padding, truncation=False, return_tensors="np", verbose=False)
        return {name: np.asarray(array, np.int64) for name, array in encoded.items()}


def check_device(device: str) -> Any:
    """Return torch's device of that name, if this machine has it."""
    torch = import_or_say("torch")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r}; torch's are 'cpu', 'cuda', 'cuda:1', 'mps'.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise MissingLibraryError(
            f"device={device!r} needs a GPU and a torch built for CUDA, and torch {torch.__version__} finds none. On a "
            "machine with an NVIDIA GPU install torch as https://pytorch.org/get-started says; else load with "
            "device='cpu'."
        )
    return found


def import_or_say(name: str) -> Any:
    """Import a library, or say which line installs it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"This needs {name}, which cannot be imported ({error}): pip install {name}."
        ) from error


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers' progress bars and notices away, and leave its settings as they were."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300].rstrip(".") if lines else type(error).__name__
