"""Every text can be read on every ground that it stands on, in JupyterLab's own themes and outside of it."""

import re

import pytest

from workbench.views import template, theme
from workbench.views.models import module_map

# ink, paper, brand, error colour: of JupyterLab's themes (--jp-ui-font-color0, --jp-layout-color0, --jp-brand-color1,
# --jp-error-color1), and the fallbacks of tokens.css for a page that is no JupyterLab
THEMES = {
    "lab light": ("#000000", "#ffffff", "#1976d2", "#d32f2f"),
    "lab dark": ("#ffffff", "#111111", "#2196f3", "#f44336"),
    "page light": ("#111417", "#ffffff", "#0067a8", "#c62828"),
    "page dark": ("#ffffff", "#111417", "#4aa8e0", "#ff6b5e"),
}


def mix(one: str, percent: float, other: str) -> str:
    channels = [(int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(a * percent / 100 + b * (1 - percent / 100)):02x}" for a, b in channels)


def tokens(name: str) -> dict[str, str]:
    """Resolve the colours of tokens.css as a browser would in a theme."""
    colours = dict(zip(("ink", "paper", "brand", "alarm"), THEMES[name], strict=True))
    for token, one, percent, other in re.findall(
        r"--fw-(\w+): color-mix\(in srgb, var\(--fw-(\w+)\) (\d+)%, var\(--fw-(\w+)\)\)", theme.css("tokens")
    ):
        colours[token] = mix(colours[one], float(percent), colours[other])
    return colours


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("text", ["text", "muted", "accent", "error"])
@pytest.mark.parametrize("ground", ["paper", "shade"])
def test_words_stand_out_from_the_page(name, text, ground):
    colours = tokens(name)
    assert theme.contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("name", THEMES)
def test_words_stand_out_from_a_selected_row_and_from_a_full_button(name):
    colours = tokens(name)
    assert theme.contrast(colours["text"], colours["tint"]) >= 4.5
    assert theme.contrast(colours["paper"], colours["accent"]) >= 4.5


@pytest.mark.parametrize("area", [*module_map.COLOURS, module_map.REST, *theme.CONTENDER_COLOURS.values()])
def test_words_stand_out_inside_coloured_areas(area):
    assert theme.contrast(theme.ink_on(area), area) >= 4.5


@pytest.mark.parametrize("area", [*module_map.COLOURS, module_map.REST])
@pytest.mark.parametrize("name", THEMES)
def test_words_stand_out_in_areas_that_are_not_chosen(name, area):
    share = float(re.search(r'aria-pressed="true"\]\)::before \{ opacity: ([\d.]+)', theme.css("table"))[1])
    colours = tokens(name)
    assert theme.contrast(colours["text"], mix(area, 100 * share, colours["paper"])) >= 4.5


@pytest.mark.parametrize("text", [template.INK, template.MUTED, template.ACCENT, template.ALARM])
def test_a_figure_can_be_read_where_no_style_sheet_is(text):
    assert theme.contrast(text, template.PAPER) >= 4.5


def test_every_colour_of_the_figures_follows_the_theme():
    keys = {
        template.PAPER: "paper",
        template.INK: "text",
        template.MUTED: "muted",
        template.LINE: "line",
        template.SHADE: "shade",
        template.ACCENT: "accent",
        template.ALARM: "error",
    }
    sheet = theme.css("figure")
    for key, token in keys.items():
        red, green, blue = (int(key[at : at + 2], 16) for at in (1, 3, 5))
        for part in ("fill", "stroke"):
            rule = f'[style*="{part}: rgb({red}, {green}, {blue})"] {{ {part}: var(--fw-{token}) !important; }}'
            assert rule in sheet


def test_contenders_keep_their_colours_and_own_functions_get_free_ones():
    colours = theme.contender_colours(["mine", "numpy", "numba", "jax", "yours"])
    assert (colours["numpy"], colours["numba"]) == ("#8C8C8C", "#E69F00")
    assert len(set(colours.values())) == 5


def test_style_sheets_balance_their_braces_and_bring_no_foreign_content():
    sheet = theme.css()
    assert sheet.count("{") == sheet.count("}")
    assert "/*" not in sheet
    assert "url(" not in sheet
    assert "@import" not in sheet
