"""What a user does in the app again and again, and what is asked of each panel."""

import re

import pytest


def tab(app, name):
    app.locator(".lm-TabBar-tab", has_text=re.compile(f"^{name}$")).click()


def button(app, name):
    return app.get_by_role("button", name=name, exact=True).locator("visible=true")


def field(app, label):
    return app.get_by_label(label, exact=True).locator("visible=true")


def assert_never(app, script, what):
    for _ in range(150):  # colours and figures take a moment to change
        if not (found := app.evaluate(script)):
            return
        app.page.wait_for_timeout(100)
    pytest.fail(f"{what}: {found}")


def assert_readable(app):
    assert_never(app, PALE_TEXT, "contrast under 4.5")


def assert_not_too_wide(app, name):
    assert_never(app, "app => Math.max(0, app.scrollWidth - app.clientWidth - 1)", f"{name} is too wide, by pixels")


# Visible text whose contrast with what is painted behind it is under 4.5, as "text: ratio".
PALE_TEXT = """app => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      for (const layer of ["::before", null]) {
        const style = getComputedStyle(e, layer);
        if (style.display === "none" || (layer && style.content === "none")) continue;
        const colour = rgba(style.backgroundColor);
        if (colour[3] === 255) return colour;
      }
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const element of app.querySelectorAll("*")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("svg, style, script")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(1)}`);
  }
  return pale.length ? pale : null;
}"""
