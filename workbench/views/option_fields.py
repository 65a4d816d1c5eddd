"""Keyword arguments as fields; what is left as it is does not count as chosen."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.errors import InputError
from workbench.models.cache.config import CacheConfig
from workbench.models.formats import Option
from workbench.views.models.cache_fields import CacheFields

from . import controls, html


class OptionFields(widgets.VBox):  # type: ignore[misc]
    """Fields for the options of one kind of thing at a time, of a format of models say.

    Parameters
    ----------
    kinds
        The options of each kind.
    title
        Stands above the fields; nothing if empty.

    Attributes
    ----------
    fields
        The field of each option, by kind and option.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self, kinds: Mapping[str, Sequence[Option]], title: str = "") -> None:
        self._kind, self._title = "", title
        self.fields = {kind: {option.name: _field(option) for option in options} for kind, options in kinds.items()}
        self._options = {kind: {option.name: option for option in options} for kind, options in kinds.items()}
        for fields in self.fields.values():
            for field in fields.values():
                field.observe(self._changed, "value")
        super().__init__(_dom_classes=("fw-options",))

    @property
    def chosen(self) -> dict[str, Any]:
        """The options of the shown kind that differ from their defaults, as arguments of a call.

        Raises
        ------
        workbench.errors.InputError
            If a number is asked for and something else is written.
        """
        options = self._options.get(self._kind, {})
        values = {name: _value(options[name], field) for name, field in self.fields.get(self._kind, {}).items()}
        return {name: value for name, value in values.items() if value != options[name].default}

    def show_for(self, kind: str) -> None:
        """Show the fields of a kind; none for one that is not known."""
        self._kind = kind
        fields = self.fields.get(kind, {})
        title = [html.heading(self._title)] if fields and self._title else []
        self.children = [*map(widgets.HTML, title), *fields.values()]
        self._changed()

    def set(self, options: Mapping[str, Any]) -> None:
        """Fill the shown fields from arguments of a call; those left out go back to their defaults."""
        for name, field in self.fields.get(self._kind, {}).items():
            value = options.get(name, self._options[self._kind][name].default)
            if isinstance(field, CacheFields):
                field.show(value)
            elif isinstance(field, widgets.Text):
                field.value = "" if value is None else str(value)
            elif isinstance(field, widgets.Dropdown) and value is None:
                field.index = 0
            else:
                field.value = value

    def _changed(self, *_: Any) -> None:
        self.written += 1


def _field(option: Option) -> Any:
    told = {"tooltip": option.help}
    if option.kind is CacheConfig:
        return CacheFields()
    if option.choices:
        choices = [
            *([("auto", None)] if option.default is None else []),
            *((one, one) for one in option.choices),
        ]
        index = [value for _, value in choices].index(option.default)  # None as a value would choose nothing
        return controls.dropdown(option.name, choices, index=index, **told)
    if option.kind is bool:
        return widgets.Checkbox(value=option.default, description=option.name, indent=False, **told)
    value = "" if option.default is None else str(option.default)
    return controls.text(option.name, value=value, placeholder=option.help, **told)


def _value(option: Option, field: Any) -> Any:
    if isinstance(field, CacheFields):
        return field.config
    if not isinstance(field, widgets.Text):
        return field.value
    written = field.value.strip()
    if not written:
        return option.default
    if option.kind is dict:
        return _written_dict(option, written)
    if option.kind not in _NUMBERS:
        return written
    try:
        return option.kind(written)
    except ValueError:
        what = _NUMBERS[option.kind]
        raise InputError(f"{option.name} is {written!r}, which is not {what}; it says {option.help}.") from None


_NUMBERS: dict[type, str] = {int: "a whole number", float: "a number"}


def _written_dict(option: Option, written: str) -> dict[str, Any]:
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{option.name} is {written!r}, which is not a dict; it says {option.help}.")
    return value
