"""Runs in the environment of a framework: the server's layers over the folders of manifests, without sockets.

usage: replayed.py < {"folder": [[path, body], ...], ...}   > {"folder": [[status, answer], ...], ...}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from modelbuild_runtime.process.models.model import load_model
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.settings import Settings


def answers(folder: str, asked: list[Any]) -> list[Any]:
    settings = Settings(manifest=str(Path(folder, "manifest.json")))
    loaded = load_model(settings, 1, {})
    server = Replayer(settings, loaded.router, loaded.dataplane)
    found = []
    for path, body in asked:
        response = server.post(path, json.dumps(body).encode())
        found.append([response.status, json.loads(response.body)])
    return found


if __name__ == "__main__":
    print(json.dumps({folder: answers(folder, asked) for folder, asked in json.load(sys.stdin).items()}))
