"""A picture beside each plotly figure of a notebook, for pages that run no script, such as GitHub's.

The pictures are drawn by the plotly.js that the plotly package carries, in the Chromium of the browser tests: no reader
of the notebook needs anything for them. They are JPEG on purpose: where there is a PNG, plotly's extension of Lab shows
that in place of the figure, in its own size and light on a dark page, until the mouse comes.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import sys
from typing import Any

FIGURE = "application/vnd.plotly.v1+json"
PICTURE = "image/jpeg"
WIDTH = 800
SCALE = 2
DRAW = """async ([figure, size]) => {
  const url = await Plotly.toImage(JSON.parse(figure), { format: "png", ...size });
  return url.slice(url.indexOf(",") + 1);
}"""


def add_pictures(notebook: Any) -> None:
    """Put a picture into each output that holds a plotly figure."""
    outputs = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if FIGURE in output.get("data", {})
    ]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not outputs:
        return
    if not chromium:
        print("no Chromium here, so the figures get no picture: apt-get install chromium", file=sys.stderr)
        return
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.add_script_tag(content=get_plotlyjs())
        for output in outputs:
            figure = output.data[FIGURE]
            size = {"width": WIDTH, "height": figure["layout"].get("height", 450)}
            drawn = page.evaluate(DRAW, [json.dumps(figure), {**size, "scale": SCALE}])
            output.data[PICTURE] = _on_paper(drawn)
            output.metadata[PICTURE] = size
        browser.close()


def _on_paper(drawn: str) -> str:
    """Put a PNG, as base64, on white paper and into a JPEG, as base64."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(drawn))).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    small = io.BytesIO()
    paper.convert("RGB").save(small, "JPEG", quality=85, subsampling=0, optimize=True)
    return base64.b64encode(small.getvalue()).decode()
