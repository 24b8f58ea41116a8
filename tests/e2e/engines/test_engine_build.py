"""Building with every builder: the same layers again, only what changed, nothing left behind."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from modelbuild.engines.http_build import Order, build, dockerfile_only
from modelbuild.errors import ArtifactError, BuildError
from modelbuild.planning.dockerfile import render

from .conftest import BASE, docker

pytestmark = pytest.mark.docker


def names(image, *, cached):
    return [layer.name for layer in image.layers if layer.cached is cached and layer.name != "base"]


def diff_ids(image):
    return [layer.diff_id for layer in image.layers]


def unique():
    """Contents that no builder has in its cache."""
    return uuid.uuid4().hex.encode()


@pytest.fixture
def built(engine):
    """Images to remove when the test is over."""
    images = []
    yield images
    for image in images:
        engine.remove(image)


def test_two_builds_without_a_cache_give_the_same_layers(engine, tiny, progress, built):
    plan, context = tiny(engine, model=unique())
    for _ in range(2):
        built.append(engine.build(plan, context, no_cache=True, progress=progress))
    first, second = built
    assert names(first, cached=False) == ["dependencies", "server", "model", "handler", "manifest"]
    assert diff_ids(first) == diff_ids(second)
    assert first.id != second.id  # it was built twice


def test_after_an_edit_of_the_handler_only_its_layer_changes(engine, tiny, progress, built):
    model = unique()
    first = engine.build(*tiny(engine, model=model), no_cache=False, progress=progress)
    edit = b"# %s\ndef add(x):\n    return x + 2\n" % unique()
    plan, context = tiny(engine, model=model, features=edit)
    progress.counts.clear()
    second = engine.build(plan, context, no_cache=False, progress=progress)
    built += [first, second]
    changed = [new.name for old, new in zip(first.layers, second.layers, strict=True) if old.diff_id != new.diff_id]
    assert changed == ["handler"]
    assert names(second, cached=True)[:3] == ["dependencies", "server", "model"]
    assert "handler" in names(second, cached=False)
    assert progress.counts[-1][1] < 2000  # neither the model nor the dependencies were sent


def test_after_a_change_of_the_model_the_dependencies_are_untouched(engine, tiny, progress, built):
    first = engine.build(*tiny(engine, model=unique()), no_cache=False, progress=progress)
    second = engine.build(*tiny(engine, model=unique()), no_cache=False, progress=progress)
    built += [first, second]
    changed = [new.name for old, new in zip(first.layers, second.layers, strict=True) if old.diff_id != new.diff_id]
    assert changed == ["model"]
    assert names(second, cached=True)[:2] == ["dependencies", "server"]


def test_stages_give_the_image_that_the_whole_dockerfile_gives(engine, tiny, progress, built):
    plan, context = tiny(engine, model=unique())
    staged = engine.build(plan, context, no_cache=False, progress=progress)
    order = Order(replace(context, dockerfile=render(plan)).tar(), no_cache=True)
    whole = engine.inspect(build(engine.client, engine.builder, order, progress).image)
    built += [staged, replace(whole.image, reference="")]
    assert diff_ids(whole.image)[-5:] == diff_ids(staged)[-5:]
    found = [engine.client.inspect_image(image.id)["Config"] for image in built]
    for config in found:
        for history in ("Image", "Hostname"):  # where it was built, not what it is
            config.pop(history, None)
    assert found[0] == found[1]


def test_the_image_is_what_the_plan_says(engine, tiny, progress, built):
    plan, context = tiny(engine)
    image = engine.build(plan, context, no_cache=False, progress=progress)
    built.append(image)
    found = engine.inspect(image.id)
    assert found.labels["mbuild.quoted"] == plan.labels["mbuild.quoted"]
    assert found.environment["PYTHONPATH"] == plan.environment["PYTHONPATH"]
    assert found.image.platform == "linux/amd64"
    assert [layer.name for layer in found.image.layers][-5:] == [layer.name for layer in plan.layers]
    assert [layer.diff_id for layer in found.image.layers][-5:] == diff_ids(image)[-5:]


def test_labels_change_no_layer_and_replace_the_image(engine, tiny, progress, built):
    image = engine.build(*tiny(engine, model=unique()), no_cache=False, progress=progress)
    labels = {"mbuild.contract": '{"a": "b\\n $x \\" é"}', "mbuild.long": "x" * 100_000}
    labelled = engine.label(image, labels)
    built.append(labelled)
    found = engine.inspect(labelled.id)
    assert {name: found.labels[name] for name in labels} == labels
    assert [layer.diff_id for layer in found.image.layers] == [
        layer.diff_id for layer in found.image.layers[:-5]
    ] + diff_ids(image)[-5:]
    dangling = engine.client.images(filters={"dangling": True}, quiet=True)
    assert image.id not in dangling


def test_a_tagged_image_survives_being_built_and_dropped_again(engine, tiny, progress, built):
    plan, context = tiny(engine)
    reference = f"mbuild-test/tagged:{uuid.uuid4().hex[:8]}"
    tagged = engine.tag(engine.build(plan, context, no_cache=False, progress=progress), reference)
    again = engine.build(plan, context, no_cache=False, progress=progress)
    engine.remove(again)
    assert engine.inspect(reference).image.id == tagged.id
    engine.remove(tagged)
    engine.remove(tagged)  # one that is gone is no error
    with pytest.raises(BuildError, match="has no image"):
        engine.inspect(reference)


def leftovers(client, marker):
    """Images, intermediate ones too, and containers that carry the marker in their environment."""
    found = []
    for image in client.images(all=True):
        with suppress(Exception):  # others work with the same engine
            found += [image["Id"] for entry in client.inspect_image(image["Id"])["Config"]["Env"] if marker in entry]
    for container in client.containers(all=True):
        with suppress(Exception):
            environment = client.inspect_container(container["Id"])["Config"]["Env"]
            found += [container["Id"] for entry in environment if marker in entry]
    return found


def running(words):
    """Whether a process of this machine has these words in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if words.encode() in path.read_bytes():
                return True
    return False


def test_a_failed_build_leaves_nothing(engine, progress):
    marker = uuid.uuid4().hex
    dockerfile = f'FROM {BASE}\nENV MARKER={marker}\nRUN ["python3", "-c", "print(1); raise SystemExit(3)"]\n'
    with pytest.raises(BuildError) as caught:
        build(engine.client, engine.builder, Order(dockerfile_only(dockerfile)), progress)
    assert "RUN" in caught.value.message
    assert "3" in caught.value.message
    assert leftovers(engine.client, marker) == []
    assert engine.client.inspect_image(BASE)  # the base stays where it was


def test_an_interrupted_build_leaves_nothing(engine, progress, monkeypatch):
    marker = uuid.uuid4().hex
    seconds = 4 if engine.name == "podman" else 60  # podman ends the instruction that it is at
    dockerfile = (
        f"FROM {BASE}\nENV MARKER={marker}\n"
        f'RUN ["python3", "-u", "-c", "import time; print(\'asleep\'); time.sleep({seconds}); \'{marker}\'"]\n'
    )

    def log(line):
        if line.strip() == "asleep":
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "log", log)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(engine.client, engine.builder, Order(dockerfile_only(dockerfile)), progress)
    assert time.monotonic() - began < 30
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (leftovers(engine.client, marker) or running(marker)):
        time.sleep(0.2)
    assert leftovers(engine.client, marker) == []
    assert not running(marker)


def test_a_file_that_changes_meanwhile_fails_the_build(engine, tiny, progress):
    plan, context = tiny(engine, model=b"x" * 100_000 + unique())
    model = next(tree for tree in context.trees if tree.name == "model")
    model.files[0].source.write_bytes(b"short")
    with pytest.raises(ArtifactError, match="changed while it was being packaged"):
        engine.build(plan, context, no_cache=False, progress=progress)


def test_progress_counts_the_bytes_that_are_sent(engine, tiny, progress, built):
    plan, context = tiny(engine, model=os.urandom(3_000_000))
    built.append(engine.build(plan, context, no_cache=False, progress=progress))
    assert [step for step in progress.steps if "model" in step] == ["Building model"]
    assert max(total for _, total in progress.counts) > 3_000_000
    assert all(done <= total for done, total in progress.counts)


class Cut(threading.Thread):
    """An engine that dies: passes a socket's bytes on until the answer to a build begins, then hangs up."""

    def __init__(self, path, target):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.target = target

    def run(self):
        while True:
            client, _ = self.listener.accept()
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self.target)
            state = {"build": False}
            threading.Thread(target=self.forward, args=(client, engine, state, True), daemon=True).start()
            threading.Thread(target=self.forward, args=(engine, client, state, False), daemon=True).start()

    def forward(self, source, sink, state, to_engine):
        with suppress(OSError):
            while piece := source.recv(65536):
                state["build"] = state["build"] or (to_engine and b"/build?" in piece)
                if state["build"] and not to_engine:
                    sink.sendall(piece)
                    break
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_an_engine_that_dies_half_way(tmp_path, tiny, progress):
    from modelbuild.host import Host

    path = tmp_path / "cut.sock"
    Cut(path, "/var/run/docker.sock").start()
    settings = {**os.environ, "DOCKER_HOST": f"unix://{path}"}
    engine = docker(Host(tmp_path / "cache", "3.11", settings))
    assert str(path) in engine.reason
    plan, context = tiny(engine, model=unique())
    with pytest.raises(BuildError, match="went away while building the image") as caught:
        engine.build(plan, context, no_cache=True, progress=progress)
    assert "docker info" in caught.value.hint
