"""The formats that ``load`` knows: each is one module or folder here with a :class:`Format` named ``FORMAT``.

To add one, add a module. Its ``recognises`` looks at content, never at a file's name, and costs no more than reading
the first bytes; what it needs is imported in ``open``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from workbench.models.model import Model
from workbench.models.source import Source


@dataclass(frozen=True)
class Option:
    """One keyword argument of ``load``, for forms and messages.

    Parameters
    ----------
    name
        The keyword.
    kind
        What its values are: ``str``, ``int``, ``bool``, ``dict``, or a class of ours.
    default
        The value if left out; None where the library behind decides.
    help
        One line.
    choices
        The only values, if there are few.
    aliases
        What others call some of them.
    make
        For a class of ours: makes what ``open`` is given of what the user gave, or raises an InputError.
    """

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    make: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Format:
    """One format of models.

    Parameters
    ----------
    name
        As in ``model.info.format``.
    title
        For messages and forms: ``"an ONNX model"``.
    options
        The keyword arguments that ``load`` takes for it.
    recognises
        Whether the source is of this format, so that a failure to open it is this format's to explain.
    open
        Makes the model, given the source and every option's value by name.
    order
        Formats are asked in this order: those with a mark of their own first.
    """

    name: str
    title: str
    options: tuple[Option, ...]
    recognises: Callable[[Source], bool]
    open: Callable[[Source, Mapping[str, Any]], Model]
    order: int = 0


@cache
def formats() -> tuple[Format, ...]:
    """Return all formats, in the order in which they are asked."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted((module.FORMAT for module in modules), key=lambda one: (one.order, one.name)))
