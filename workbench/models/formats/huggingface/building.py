"""From a checkpoint's folder to transformers' class with its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import LoadError, RunError
from workbench.models.torch_arrays import check_device, first_line, import_or_say


def build(
    folder: Path, given: str, config: Mapping[str, Any], *, device: str, trust_remote_code: bool, pickled: bool
) -> Any:
    """Return the architecture's module, in evaluation.

    Parameters
    ----------
    folder
        Of the checkpoint.
    given
        The source, as the user named it.
    config
        The content of config.json.
    device
        As torch names it.
    trust_remote_code
        Whether Python files of the model itself may run; those of transformers go first.
    pickled
        Whether the weights are in pytorch_model.bin, which transformers reads with ``weights_only=True``.

    Raises
    ------
    workbench.errors.RunError
        If transformers lacks the architecture, or the checkpoint lacks weights of it.
    workbench.errors.LoadError
        If transformers cannot build it, with its reason.
    """
    torch = import_or_say("torch")
    transformers = import_or_say("transformers")
    place = check_device(device)
    architecture = architecture_of(config)
    cls = _class(transformers, architecture)
    remote = trust_remote_code and cls is None
    if cls is None and architecture and not trust_remote_code:
        raise RunError(
            f"transformers {transformers.__version__} has no class {architecture!r}, so {given} cannot be run. "
            "Upgrade transformers; or, if the model brings its own Python files and you trust them, load it with "
            "trust_remote_code=True, which runs them."
        )
    if cls is None:
        cls = getattr(transformers, _auto_class(config, architecture), transformers.AutoModel)
    try:
        # some classes draw random numbers before the weights replace them: the user's own go on undisturbed
        with quiet(transformers), torch.random.fork_rng(devices=[]):
            module, loading = cls.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=not pickled,
                dtype="auto",
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are refused below, with their names
                trust_remote_code=remote,
            )
    except Exception as error:
        raise LoadError(f"transformers cannot build {given}: {first_line(error)}.") from error
    mismatched = sorted(loading.get("mismatched_keys", ()))
    if mismatched:
        name, has, wants = mismatched[0]
        raise LoadError(
            f"{given} does not fit its own config.json: {name!r} has shape {list(has)}, and by the configuration "
            f"{list(wants)}{f' (and {len(mismatched) - 1} more)' if len(mismatched) > 1 else ''}. Mend config.json "
            "(id2label has a name for each label; vocab_size, hidden_size and the like are those of the weights), or "
            "download the checkpoint again."
        )
    # a model without a head is often saved without its pooler, and what is asked of it are hidden states
    optional = "pooler" if type(module).__name__.endswith("Model") else None
    missing = sorted(name for name in loading.get("missing_keys", ()) if not (optional and optional in name))
    if missing:
        raise RunError(
            f"{given} has no weights for {len(missing)} tensors of {type(module).__name__}, {missing[0]!r} first; they "
            "would be random numbers, and so would the results. Load a checkpoint that was trained for this "
            "architecture."
        )
    try:
        return module.to(place).eval()
    except Exception as error:
        raise RunError(f"{given} does not go to device {device!r}: {first_line(error)}.") from error


def architecture_of(config: Mapping[str, Any]) -> str:
    """Return the name of the class in the configuration; empty if there is none."""
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else ""


def _class(transformers: Any, architecture: str) -> Any:
    """Return transformers' model of that name; a name of something else in transformers is none."""
    found = getattr(transformers, architecture, None) if architecture.isidentifier() else None
    return found if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel) else None


def _auto_class(config: Mapping[str, Any], architecture: str) -> str:
    """Return which of transformers' AutoModel classes stands for a class that comes with the model."""
    places = config.get("auto_map")
    if isinstance(places, dict):
        for auto, place in places.items():
            if auto.startswith("AutoModel") and str(place).rpartition(".")[2] == architecture:
                return str(auto)
    return "AutoModel"


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
