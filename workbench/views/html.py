"""Small pieces of HTML and text: escaping, numbers with three significant digits, facts and tables."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

from workbench.text import format_sizes

from . import theme

MULTIPLICATION_SIGN = "\N{MULTIPLICATION SIGN}"
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=[^\W\d_])")


class Fault(str):
    """What a table sets apart, since it says that something is wrong."""


class Markup(str):
    """What is HTML already, which a table shows as it is."""


def escape(value: object) -> str:
    r"""Return a value as text that HTML shows as it is; control characters become visible.

    >>> escape("<b>"), escape("a\x00")
    ('&lt;b&gt;', 'a␀')
    """
    shown = str(value).translate({code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)})
    return html.escape(shown, quote=True)


def number(value: float) -> str:
    """Write a number with three significant digits, a whole one in full, with a real minus sign.

    >>> number(0.62), number(-12345), number(-1.2345e-5), number(1234.5), number(float("nan"))
    ('0.620', '\u221212,345', '\u22121.23e\u22125', '1,230', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else "\N{MINUS SIGN}\N{INFINITY}"
    if value == int(value) and abs(value) < 1e9:
        text = f"{int(value):,}"
    elif 999.5 <= abs(value) < 1e6:
        text = f"{float(f'{value:.3g}'):,.0f}"
    else:
        text = f"{value:#.3g}".removesuffix(".")
    if "e" in text:
        digits, exponent = text.split("e")
        text = f"{digits}e{int(exponent)}"
    return text.replace("-", "\N{MINUS SIGN}")


def shorten(text: str, limit: int) -> str:
    """Leave out the middle of a text of more than ``limit`` characters."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half + 1 :]}"


def shape_text(shape: Sequence[object]) -> str:
    """Write the shape of an array as people say it.

    >>> shape_text((384, 1536)), shape_text(())
    ('384 \u00d7 1536', 'scalar')
    """
    return format_sizes(shape, f" {MULTIPLICATION_SIGN} ")


def card(*parts: str, sheets: Sequence[str] = ()) -> str:
    """Return a self-contained piece of HTML: its style sheets, of which ``sheets`` names more, and its parts."""
    return f'<style>{theme.css("tokens", "card", *sheets)}</style><div class="fw fw-card">{"".join(parts)}</div>'


def heading(text: object, note: object = "") -> str:
    """Return a heading line, and a smaller note under it."""
    small = f'<p class="fw-muted">{escape(note)}</p>' if note else ""
    return f'<h4 class="fw-heading">{escape(text)}</h4>{small}'


def answer(first: str, doubts: Iterable[str], small: Iterable[str]) -> str:
    """Return the answer, large; what is wrong or in doubt, set apart; and the conditions, small."""
    parts = [f'<h3 class="fw-verdict">{escape(first)}</h3>']
    parts += [f'<p class="fw-warning">{escape(doubt)}</p>' for doubt in doubts]
    parts += [f'<p class="fw-conditions">{escape(line)}</p>' for line in small]
    return "".join(parts)


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names with their values, side by side; pairs with an empty value are left out."""
    shown = [(name, value) for name, value in pairs if str(value)]
    cells = "".join(f"<div><span>{escape(name)}</span> <b>{escape(value)}</b></div>" for name, value in shown)
    return f'<div class="fw-facts">{cells}</div>'


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numeric: Sequence[str] = (),
    wrapped: Sequence[str] = (),
) -> str:
    """Return a table; the first column and those ``wrapped`` may wrap, those ``numeric`` stand to the right."""
    kinds = [
        ' class="fw-num"' if name in numeric else ' class="fw-name"' if place == 0 or name in wrapped else ""
        for place, name in enumerate(columns)
    ]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{_cell(value)}</td>" for value, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="fw-scroll"><table class="fw-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    """Return the inside of a cell; a line does not end between a number and its unit."""
    if isinstance(value, Markup):
        return value
    text = _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", escape(value))
    return f'<b class="fw-fault">{text}</b>' if isinstance(value, Fault) else text


def folded(summary: str, body: str) -> str:
    """Return a part that opens on a click, with no script."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
