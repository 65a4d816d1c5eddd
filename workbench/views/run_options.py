"""The options that ``load`` takes for a format, as fields; what is left as it is does not count as chosen."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.errors import InputError
from workbench.models.formats import Option, formats

from . import controls, html


class RunOptions(widgets.VBox):  # type: ignore[misc]
    """Fields for the options of one format at a time.

    Attributes
    ----------
    fields
        The field of each option of every format, by format and option.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self) -> None:
        self._format = ""
        self.fields = {one.name: {option.name: _field(option) for option in one.options} for one in formats()}
        self._options = {one.name: {option.name: option for option in one.options} for one in formats()}
        for fields in self.fields.values():
            for field in fields.values():
                field.observe(self._changed, "value")
        super().__init__(_dom_classes=("fw-options",))

    @property
    def chosen(self) -> dict[str, Any]:
        """The options of the shown format that differ from their defaults, as arguments of ``load``.

        Raises
        ------
        workbench.errors.InputError
            If a number is asked for and something else is written.
        """
        options = self._options.get(self._format, {})
        values = {name: _value(options[name], field) for name, field in self.fields.get(self._format, {}).items()}
        return {name: value for name, value in values.items() if value != options[name].default}

    def show_for(self, format: str) -> None:
        """Show the fields of a format, named as in ``model.info.format``; none for a name that is no format's."""
        self._format = format
        title = [html.heading("Options")] if format in self.fields else []
        self.children = [*map(widgets.HTML, title), *self.fields.get(format, {}).values()]
        self._changed()

    def set(self, options: Mapping[str, Any]) -> None:
        """Fill the fields of the shown format from arguments of ``load``; those left out go back to their defaults."""
        for name, field in self.fields.get(self._format, {}).items():
            value = options.get(name, self._options[self._format][name].default)
            field.value = ("" if value is None else str(value)) if isinstance(field, widgets.Text) else value

    def _changed(self, *_: Any) -> None:
        self.written += 1


def _field(option: Option) -> Any:
    told = {"tooltip": option.help}
    if option.choices:
        return controls.dropdown(option.name, option.choices, value=option.default, **told)
    if option.kind is bool:
        return widgets.Checkbox(value=option.default, description=option.name, indent=False, **told)
    value = "" if option.default is None else str(option.default)
    return controls.text(option.name, value=value, placeholder=option.help, **told)


def _value(option: Option, field: Any) -> Any:
    if not isinstance(field, widgets.Text):
        return field.value
    written = field.value.strip()
    if not written:
        return option.default
    if option.kind is dict:
        return _written_dict(option, written)
    if option.kind is not int:
        return written
    if not written.isdecimal():
        raise InputError(f"{option.name} is {written!r}, which is not a whole number; it says {option.help}.")
    return int(written)


def _written_dict(option: Option, written: str) -> dict[str, Any]:
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{option.name} is {written!r}, which is not a dict; it says {option.help}.")
    return value
