"""The real JupyterLab and a real browser, one of each for all tests of this folder.

JupyterLab has configuration, data and runtime folders of its own and shows a copy of ``notebooks/``.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
SCREENSHOTS = os.environ.get("WORKBENCH_SCREENSHOTS")
"""A folder that receives a picture of every state; none are taken if it is not set."""

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}

# JupyterLab's "idle" indicator lies before a kernel exists; these promises do not.
READY = """async () => {
  const app = window.jupyterapp;
  const late = new Promise((_, reject) => setTimeout(reject, 60000, Error("the notebook has no kernel after 60 s")));
  await app.restored;
  let panel = null;
  for (let i = 0; i < 300 && !panel; i++) {
    const current = app.shell.currentWidget;
    if (current?.sessionContext && current.content?.widgets) panel = current;
    else await new Promise(resolve => setTimeout(resolve, 50));
  }
  await Promise.race([late, panel.context.ready]);
  await Promise.race([late, panel.sessionContext.ready]);
  await Promise.race([late, panel.sessionContext.session.kernel.info]);
}"""

ALL_RUN = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code")
  .every(({ model }) => model.executionCount && model.executionState !== "running")"""

APPEND = """source => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.model.sharedModel.addCell({ cell_type: "code", source });
  notebook.activeCellIndex = notebook.widgets.length - 1;
}"""


def pytest_collection_modifyitems(items):
    if CHROMIUM or os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="no Chromium here: apt-get install chromium"))


class Lab:
    """A running JupyterLab server."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.root = folder / "root"
        for part in ("notebooks", "docs"):
            shutil.copytree(ROOT / part, self.root / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        overrides = self.home / "config" / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(parents=True)
        overrides.write_text(json.dumps(SETTINGS))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "lab.log"
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "IPYTHONDIR": "ipython",
        }
        environment = {**os.environ, **{name: str(self.home / place) for name, place in places.items()}}
        options = [
            "--no-browser",
            "--allow-root",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=browser-test",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options], stdout=log, stderr=log, env=environment, cwd=self.root
            )

    def wait(self) -> None:
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status?token=browser-test", timeout=2)
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()}")

    def url(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?token=browser-test&reset"

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")  # while it lives, Playwright's event loop lets no other run in this process
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "no Chromium here: apt-get install chromium"
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        )
        yield chromium
        chromium.close()


class Notebook:
    """A notebook that is open in JupyterLab, with its kernel ready."""

    def __init__(self, page, lab: Lab, name: str) -> None:
        self.page = page
        page.goto(lab.url(name))
        page.wait_for_selector(".jp-Notebook", timeout=30_000)
        page.evaluate(READY)

    def command(self, name: str, **arguments) -> None:
        self.page.evaluate(
            "([name, arguments]) => void window.jupyterapp.commands.execute(name, arguments)", [name, arguments]
        )

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def wait_until_run(self) -> None:
        """Wait until every code cell has been run."""
        self.page.wait_for_function(ALL_RUN, timeout=90_000)

    def run(self, source: str) -> None:
        """Append a cell and run it, without waiting for it."""
        self.page.evaluate(APPEND, source)
        self.command("notebook:run-cell")

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === String(light)", arg=name == "Light", timeout=10_000
        )

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            self.page.wait_for_timeout(400)
            self.page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


@pytest.fixture(scope="module")
def open_notebook(lab, browser):
    pages = []

    def open_one(name: str, width: int = 1280, height: int = 900) -> Notebook:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(20_000)
        pages.append(page)
        notebook = Notebook(page, lab, name)
        notebook.command("application:toggle-left-area") if page.locator("#jp-left-stack").is_visible() else None
        return notebook

    yield open_one
    for page in pages:
        page.close()
