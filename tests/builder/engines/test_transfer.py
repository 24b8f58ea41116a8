from __future__ import annotations

import json
from pathlib import Path

from modelbuild.engines import Pushed
from modelbuild.engines.transfer import Transfer

STREAMS = Path(__file__).parent / "streams"
DOCKER = "sha256:7ce3630142a3fc65a48322f78b30b8276bf689063564746871e469b87b955044"
PODMAN = "sha256:e230b6002200a6941893b379932946206bdcdc75beb87a54de3742fe72521fd8"


class Bar:
    def __init__(self):
        self.counts, self.lines = [], []

    def step(self, name, detail=""): ...

    def bytes(self, done, total):
        self.counts.append((done, total))

    def log(self, line):
        self.lines.append(line)


def read(name):
    transfer = Transfer(Bar())
    for line in (STREAMS / f"{name}.jsonl").read_text().splitlines():
        transfer.feed(json.loads(line))
    return transfer


def test_a_new_layer():
    transfer = read("docker_push_new")
    assert transfer.pushed() == Pushed(DOCKER, 48097280, 1, 0)
    counts = transfer.progress.counts
    assert counts == sorted(counts)
    assert counts[-1] == (48097280, 48097280)
    assert transfer.progress.lines == ["a7a8ff6bf655: Preparing", "a7a8ff6bf655: Pushed"]


def test_layers_that_are_there():
    assert read("docker_push_again").pushed() == Pushed(DOCKER, 0, 0, 1)
    assert read("docker_push_mounted").pushed() == Pushed(DOCKER, 0, 0, 1)


def test_podman_tells_the_digest_and_no_more():
    assert read("podman_push_new").pushed() == Pushed(PODMAN, 0, 0, 0)


def test_an_error():
    transfer = read("docker_push_no_login")
    assert transfer.error == "no basic auth credentials"
    assert transfer.digest == ""


def test_a_layer_larger_than_it_said():
    bar = Bar()
    transfer = Transfer(bar)
    transfer.feed({"id": "a", "status": "Pushing", "progressDetail": {"current": 5}})
    transfer.feed({"id": "b", "status": "Downloading", "progressDetail": {"current": 12, "total": 10}})
    transfer.feed({"id": "a", "status": "Pushing", "progressDetail": None})
    assert bar.counts == [(5, 5), (17, 17), (12, 17)]
