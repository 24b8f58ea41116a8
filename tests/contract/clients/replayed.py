"""Runs in the environment of a framework: the server's layers over the folder of a manifest, without sockets.

usage: replayed.py FOLDER < [[path, body], ...]   > [[status, answer], ...]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from modelbuild_runtime.process.model import load_model
from modelbuild_runtime.process.replay import Replayer
from modelbuild_runtime.settings import Settings


def main() -> None:
    settings = Settings(manifest=str(Path(sys.argv[1], "manifest.json")))
    loaded = load_model(settings, 1, {})
    server = Replayer(settings, loaded.router, loaded.dataplane)
    answers = []
    for path, body in json.load(sys.stdin):
        response = server.post(path, json.dumps(body).encode())
        answers.append([response.status, json.loads(response.body)])
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
