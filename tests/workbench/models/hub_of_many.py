"""A hub with several models, made of the one that test_hub.py has, and a script that uses a cache of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from .test_hub import Hub

SETTINGS = {
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
}


class ManyHub(Hub):
    """The models team/<folder> of a folder of folders; ``slowly`` is a pause in seconds after each piece of a file."""

    def __init__(self, folder: Path, slowly: float, *arguments: object) -> None:
        self._root, self._slowly = folder, slowly
        super().__init__(folder, *arguments)

    def do_GET(self) -> None:
        parts = self.path.split("/")
        if "team" in parts[:-1]:
            place = parts.index("team") + 1
            if (self._root / parts[place]).is_dir():
                self.folder, parts[place] = self._root / parts[place], "tiny"
                self.path = "/".join(parts)
                return super().do_GET()
        return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        if not self._slowly or self.command != "GET" or len(content) < 10_000:
            return super().answer(status, content, headers)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for start in range(0, len(content), 10_000):
                self.wfile.write(content[start : start + 10_000])
                time.sleep(self._slowly)
        except OSError:  # who asked was killed
            self.close_connection = True
        return None


class QuietServer(ThreadingHTTPServer):
    """Says nothing of those who hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(folder: Path, *, slowly: float = 0.0) -> Iterator[str]:
    """Serve a folder of models and give its address."""
    with QuietServer(("127.0.0.1", 0), partial(ManyHub, folder, slowly)) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def asking(address: str) -> Iterator[None]:
    """Let huggingface_hub ask a hub in this process, where it has read its settings already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.ENDPOINT", address)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        patch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield


def make_models(folder: Path, names: list[str], kilobytes: int) -> None:
    """Write models of three files each, whose contents name their model."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(f'{{"name": "{name}"}}')
        (folder / name / "model.safetensors").write_bytes(name.encode().ljust(10, b".") * (kilobytes * 60))
        (folder / name / "extra.safetensors").write_bytes(name.encode().ljust(10, b"-") * (kilobytes * 40))
