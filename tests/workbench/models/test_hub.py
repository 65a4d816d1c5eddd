"""Models by their id on the hub: fetched, found in the cache, or missed with a reason; the hub runs in the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import transformers

import workbench as wb
from workbench.errors import LoadError


def test_offline_a_hub_id_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert-base").mkdir()
    with pytest.raises(LoadError) as caught:
        wb.load("bert-bse", revision="v2", cache_dir=tmp_path)
    for part in [
        "revision 'v2' of 'bert-bse'",
        "cannot be reached",
        "huggingface.co",
        "Go online",
        "Did you mean bert-base",
    ]:
        assert part in str(caught.value)


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for, over a folder that is the model team/tiny."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        commit = "0123456789abcdef0123456789abcdef01234567"
        content, headers = b"", {"X-Repo-Commit": commit}
        if path.startswith("/api/models/team/tiny/revision/"):
            revision = path.rsplit("/", 1)[1]
            if revision not in ("main", "v1", commit):
                return self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            siblings = [{"rfilename": name.name} for name in sorted(self.folder.iterdir())]
            content = json.dumps({"id": "team/tiny", "sha": commit, "siblings": siblings}).encode()
            headers["Content-Type"] = "application/json"
        elif path.startswith("/api/models/team/tiny/tree/"):
            files = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name.encode().hex()}
                for file in sorted(self.folder.iterdir())
            ]
            content = json.dumps(files).encode()
            headers["Content-Type"] = "application/json"
        elif path.startswith("/team/tiny/resolve/") and (self.folder / path.rsplit("/", 1)[1]).is_file():
            name = path.rsplit("/", 1)[1]
            content = (self.folder / name).read_bytes()
            headers["ETag"] = f'"{name.encode().hex()}"'
        else:
            return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        return self.answer(200, content, headers)

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def hub(own: Path) -> Iterator[str]:
    (own / "own.py").write_text("")
    state = dict(transformers.BertModel.from_pretrained(own).state_dict())
    torch.save(state, own / "pytorch_model.bin")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, own)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


FETCH = """
import os, sys, workbench as wb
model = wb.load("team/tiny", revision="v1", cache_dir=sys.argv[1])
print(model.info.name, model.info.parameters)
def fetched(model):
    names = {"config.json", "own.py", "model.safetensors", "pytorch_model.bin"}
    print(*sorted(names & {path.name for path in model._source.path.iterdir()}))
fetched(model)
fetched(wb.load("team/tiny", cache_dir=sys.argv[1] + "/trusted", trust_remote_code=True, allow_pickle=True))
if len(sys.argv) > 2:
    os.remove(sys.argv[2])
pickled = wb.load("team/tiny", cache_dir=sys.argv[1] + "/pickled", allow_pickle=True)
fetched(pickled)
print(pickled.info.parameters == model.info.parameters)
for source, revision in [("team/tiny", "v9"), ("team/none", None)]:
    try:
        wb.load(source, revision=revision, cache_dir=sys.argv[1])
    except wb.WorkbenchError as error:
        print(type(error).__name__, error)
"""


def test_a_hub_id_is_fetched_and_then_found_in_the_cache(hub: str, own: Path, tmp_path: Path) -> None:
    settings = {
        "HF_ENDPOINT": hub,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    for offline, removed in (("0", [str(own / "model.safetensors")]), ("1", [])):
        done = subprocess.run(
            [sys.executable, "-c", FETCH, str(tmp_path / "cache"), *removed],
            env={**os.environ, **settings, "HF_HUB_OFFLINE": offline},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        model, plain, trusted, pickled, same, revision, missing = done.stdout.splitlines()
        assert plain == "config.json model.safetensors"
        assert trusted == "config.json model.safetensors own.py"
        assert (pickled, same) == ("config.json pytorch_model.bin", "True")
        assert model.startswith("team/tiny: BertModel")
        if offline == "0":
            assert revision.startswith(
                "LoadError revision 'v9' of 'team/tiny' cannot be fetched: the model has no such"
            )
            assert missing.startswith("LoadError 'team/none' cannot be fetched: the hub has no such model")
