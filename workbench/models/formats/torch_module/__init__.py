"""A ``torch.nn.Module`` that is there already: its weights shared, its inputs as far as ``forward`` tells them.

What only passes its arguments on to another module, as `torch.compile` and `DataParallel` make it, is described by that
one and runs itself.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import TensorSpec
from workbench.errors import InputError, LoadError
from workbench.models.formats import Format
from workbench.models.formats.huggingface.probing import probed
from workbench.models.formats.huggingface.signature import Signature, longest_text, signature
from workbench.models.inputs import InputRules, kind_of
from workbench.models.model import ModelInfo, TensorTable
from workbench.models.pickled import shared_tensor
from workbench.models.source import Source
from workbench.models.torch_arrays import is_tensor
from workbench.models.torch_model import TorchModel, arrays_of

if TYPE_CHECKING:
    from workbench.models.export.examples import Limits

ANY = "any"
"""The dtype of an input about which ``forward`` says only its name."""
_INNER = ("_orig_mod", "module")
"""Where torch.compile, and DataParallel and its kind, have the module that they wrap."""


class ModuleModel(TorchModel):
    """The user's own module, which it does not change: it runs in evaluation, and is put back as it was.

    Parameters
    ----------
    source
        With the module.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._module = source.value
        self._inner, wrappers = _unwrapped(source.value)
        module = self._inner
        self._counting, self._running = threading.Lock(), 0
        self._in_training: list[Any] = []
        name = type(module).__name__
        self.given = f"the given {name}"
        state, others = _state(module, self.given)
        first: dict[Any, str] = {}
        shared = {}
        for key, value in state.items():
            same = (value.data_ptr(), tuple(value.shape), value.stride(), value.dtype) if value.numel() else key
            if not value.is_meta and first.setdefault(same, key) != key:
                shared[key] = first[same]
        self.tensors = TensorTable(
            shared_tensor(key, value, self.given) for key, value in state.items() if key not in shared
        )
        self.device = next((value.device for value in state.values()), "cpu")
        inputs, outputs = self._signature(module)
        self._checked = InputRules(inputs, symbols=True) if not _takes_more(module) else None
        if hasattr(module, "config") and outputs:
            self.options_of_forward = {"return_dict": True}
        metadata = {f"shared: {key}": other for key, other in shared.items()} | others
        if wrappers:
            metadata["wrapped in"] = ", ".join(wrappers)
        if self._module.training:
            metadata["training"] = "the module is in training; it is run in evaluation, and put back"
        self.info = ModelInfo(
            format="torch",
            name=name,
            inputs=inputs,
            outputs=outputs,
            opset={},
            ir_version=None,
            producer=f"torch {sys.modules['torch'].__version__}",
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=metadata,
        )

    def build(self) -> Any:
        """Return the module, which was given."""
        return self._module

    def feeds(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Return what the module is given, as arrays; their dtypes and sizes are the module's to judge."""
        if not isinstance(inputs, Mapping):
            raise InputError(
                f"The inputs are {kind_of(inputs)}; give a dict of arrays by name: "
                f"{', '.join(spec.name for spec in self.info.inputs) or 'those of forward()'}."
            )
        arrays = arrays_of(inputs)
        if self._checked is not None:
            arrays = self._checked.check(arrays)
        feeds = {}
        for name, value in arrays.items():
            array = np.asarray(value)
            if array.dtype.kind not in "biufcV":
                raise InputError(f"Input {name!r} is {kind_of(value)}, which makes no array of numbers.")
            # numbers that have no dtype of their own take torch's
            made_here = not hasattr(value, "dtype") and array.dtype == np.float64
            feeds[name] = array.astype(np.float32) if made_here else array
        return feeds

    def forward(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Run the module in evaluation, and put it back into training where it was."""
        with self._evaluating():
            return super().forward(feeds)

    @contextmanager
    def exporting(self) -> Iterator[Any]:
        """Give the module in evaluation, without what wraps it; leave it as it was."""
        with self._evaluating():
            yield self._inner

    @property
    def limits(self) -> Limits:
        """What inputs must keep to that are made up for it."""
        from workbench.models.export.examples import Limits

        config = _config(self._inner)
        return Limits(config.get("vocab_size") or 2, frozenset(), longest_text(config))

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        with self._counting:  # the last of several runs at the same time puts it back
            if not self._running:
                self._in_training = [module for module in self._module.modules() if module.training]
                for module in self._in_training:
                    module.training = False
            self._running += 1
        try:
            yield
        finally:
            with self._counting:
                self._running -= 1
                if not self._running:
                    for module in self._in_training:
                        module.training = True

    def _signature(self, module: Any) -> Signature:
        """Return inputs and outputs: as of a checkpoint where the module is one of transformers', or by forward()."""
        config = _config(module)
        if config:
            has_pooler = any(name.endswith("pooler.dense.weight") for name in self.tensors)
            known = signature(config, type(module).__name__, has_pooler)
            if not known[0]:
                known = probed(module)
            if known[0]:
                return known
        return (
            tuple(
                TensorSpec(name, ANY, None, optional=parameter.default is not parameter.empty)
                for name, parameter in _parameters(module).items()
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            ),
            (),
        )


def _state(module: Any, given: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a module by name; and what else is in its state, as the packed weights of torch's int8."""
    import torch

    state = module.state_dict()
    for name, value in state.items():
        if torch.nn.parameter.is_lazy(value):
            raise LoadError(
                f"{given} has the parameter {name!r}, which gets its shape on the module's first call. Call it once, "
                "module(x), and load it then."
            )
    others = {f"no tensor: {name}": type(value).__name__ for name, value in state.items() if not is_tensor(value)}
    return {name: value for name, value in state.items() if is_tensor(value)}, others


def _unwrapped(module: Any) -> tuple[Any, list[str]]:
    """Return the module that the outer ones pass their arguments on to, and the classes of those, outermost first.

    Such a one takes whatever comes, and has nothing but the module that it passes it to. It is one of torch's own: what
    a class of somebody else does with the result nobody knows.
    """
    import torch

    wrappers: list[str] = []
    while True:
        parameters = _parameters(module).values()
        inner = next(
            (part for name in _INNER if isinstance(part := getattr(module, name, None), torch.nn.Module)), None
        )
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        named = any(one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters)
        if inner is None or named or own or not type(module).__module__.startswith("torch."):
            return module, wrappers
        wrappers.append(type(module).__name__)
        module = inner


def _config(module: Any) -> Mapping[str, Any]:
    transformers = sys.modules.get("transformers")
    if transformers is None or not isinstance(module, transformers.PreTrainedModel):
        return {}
    config: dict[str, Any] = module.config.to_dict()
    return {**config, "dtype": str(module.dtype).removeprefix("torch.")}


def _parameters(module: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(module.forward).parameters
    except (TypeError, ValueError):  # compiled, and without a Python signature
        return {}


def _takes_more(module: Any) -> bool:
    """Return whether forward takes names that its signature does not have."""
    parameters = _parameters(module)
    return not parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def _recognises(source: Source) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and source.value is not None and isinstance(source.value, torch.nn.Module)


FORMAT = Format(
    name="torch",
    title="a torch.nn.Module",
    options=(),
    recognises=_recognises,
    open=lambda source, options: ModuleModel(source),
)
