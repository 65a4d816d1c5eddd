"""A picture beside each plotly figure of a notebook, for pages that run no script, such as GitHub's.

The pictures are drawn by the plotly.js that the plotly package carries, in the Chromium of the browser tests: no reader
of the notebook needs anything for them. They are JPEG on purpose: where there is a PNG, plotly's extension of Lab shows
that in place of the figure, in its own size and light on a dark page, until the mouse comes.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

FIGURE = "application/vnd.plotly.v1+json"
PICTURE = "image/jpeg"
WIDTH = 800
SCALE = 2
DRAW = """async ([figure, size]) => {
  const drawn = new Image();
  drawn.src = await Plotly.toImage(JSON.parse(figure), { format: "png", ...size });
  await drawn.decode();
  const paper = Object.assign(document.createElement("canvas"), { width: drawn.width, height: drawn.height });
  const pen = paper.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, drawn.width, drawn.height);
  pen.drawImage(drawn, 0, 0);
  const url = paper.toDataURL("image/jpeg", 0.85);
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
            output.data[PICTURE] = page.evaluate(DRAW, [json.dumps(figure), {**size, "scale": SCALE}])
            output.metadata[PICTURE] = size
        browser.close()
