"""Run notebooks in place and keep their outputs: ``python tests/notebooks/run.py [notebooks/01_workbench.ipynb ...]``.

All of ``notebooks/`` without arguments. What one run and the next would differ in for no reason is left out, so that a
diff shows what changed. A notebook in which a cell fails is left as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).parent))
from pictures import add_pictures

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path: Path) -> None:
    """Run one notebook from its own folder, in a kernel of its own, and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    add_pictures(notebook)
    clean(notebook)
    nbformat.write(notebook, path)


def clean(notebook: Any) -> None:
    """Leave only what a reader sees and a test compares; cleaning twice is cleaning once."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    for place, cell in enumerate(notebook.cells, 1):
        cell.id = f"{place:02}"
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in ("tags",) if key in cell.metadata})
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                # Its state is not kept, for it is megabytes; a view of it would be an error in place of the text.
                output.get("data", {}).pop(WIDGET, None)


def _joined(outputs: list[Any]) -> list[Any]:
    """Join what one stream printed, which arrives in pieces that differ from run to run."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def main(names: list[str]) -> int:
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}  # the kernels inherit them
    failed = []
    for path in [Path(name) for name in names] or sorted(NOTEBOOKS.glob("*.ipynb")):
        print(path.name, flush=True)
        try:
            run(path)
        except CellExecutionError as error:
            print(error, file=sys.stderr)
            failed.append(path.name)
    if failed:
        print(f"failed and left as before: {', '.join(failed)}", file=sys.stderr)
    return len(failed) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
