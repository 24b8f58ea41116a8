"""The engine's collector of garbage may take a layer that a build is about to start from."""

from __future__ import annotations

import re

import pytest
from docker.errors import NotFound

from builder.values import BASE, example_plan, make_trees
from modelbuild.dependencies.lock import Lock
from modelbuild.engines import docker
from modelbuild.engines.endpoint import Endpoint
from modelbuild.engines.failure import lost_a_layer
from modelbuild.engines.transcript import Transcript
from modelbuild.errors import BuildError
from modelbuild.host import Host
from modelbuild.planning.context import Context
from modelbuild.progress import Silence

LOST = (
    "The build failed at '[2/2] COPY --chown=0:0 model/ /': failed to prepare 7s0uabc: "
    "open /var/lib/docker/overlay2/k2/committed: no such file or directory"
)


def short(reference):
    """The kind of a stage."""
    return "base" if reference == BASE.pinned else reference.removeprefix("mbuild-stage:").split("-")[0]


class Client:
    """Has whatever was built or tagged; says how large each image of the plan would be."""

    def __init__(self, plan):
        self.plan, self.there = plan, {plan.base.reference}

    def inspect_image(self, reference):
        if reference not in self.there:
            raise NotFound("no such image")
        above = [] if reference == self.plan.base.reference else [layer.digest for layer in self.plan.layers]
        return {"Id": "sha256:" + "0" * 64, "Size": 10, "RootFS": {"Layers": ["sha256:base", *above]}}

    def remove_image(self, reference):
        self.there.discard(reference)

    def images(self, **_):
        return []


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Builds with answers that are given, and tells each build's start, its tag, and whether it was without cache."""
    plan = example_plan(tmp_path)
    context = Context(plan, "", make_trees(tmp_path), Lock("", "3.11", "linux/amd64", "x"))
    client, asked = Client(plan), []

    def run(*answers):
        left = list(answers)

        def build(_client, _builder, order, _progress):
            start = re.search(rb"^ARG BASE=(\S+)", b"".join(order.body), re.MULTILINE)[1].decode()
            asked.append((short(start), short(order.tag), order.no_cache))
            answer = left.pop(0)
            if answer:
                raise BuildError(answer)
            image = order.tag or f"image-{len(asked)}"
            client.there.add(image)
            return Transcript(print, image=image, cached={"server"})

        monkeypatch.setattr(docker, "build", build)
        engine = docker.DockerEngine(
            client,
            Endpoint("unix:///x.sock", ""),
            Host(tmp_path, "3.11", {}),
            docker.buildkit,
            "docker",
            "",
            "linux/amd64",
        )
        return engine.build(plan, context, no_cache=False, progress=Silence())

    return run, asked, client


def test_a_lost_layer_is_built_anew_from_the_base_without_stages(built):
    run, asked, client = built
    image = run("", LOST, "")
    assert asked == [("base", "server", False), ("server", "model", False), ("base", "", True)]
    assert not any(layer.cached for layer in image.layers if layer.name != "base")
    assert not [name for name in client.there if name.startswith("mbuild-stage")]


def test_what_is_lost_again_is_told(built):
    run, asked, _ = built
    with pytest.raises(BuildError, match="failed to prepare"):
        run("", LOST, LOST)
    assert len(asked) == 3


def test_other_failures_are_not_tried_again(built):
    run, asked, _ = built
    with pytest.raises(BuildError, match="exit code"):
        run("The build failed at 'RUN apt-get install libgomp1': exit code: 100")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "message",
    [
        LOST,
        "failed to prepare sha256:1f: open /var/lib/docker/overlay2/q/.tmp-committed3822505730: no such file or directory",
        "failed to prepare extraction snapshot: parent snapshot sha256:ec9d does not exist: not found",
        "failed to get layer: layer does not exist",
    ],
)
def test_the_engines_words_for_it(message):
    assert lost_a_layer(message)


@pytest.mark.parametrize(
    "message", ["open /etc/x: no such file or directory", "failed to prepare x: permission denied"]
)
def test_what_is_something_else(message):
    assert not lost_a_layer(message)
