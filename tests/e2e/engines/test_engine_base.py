"""Base images are looked at before time is spent on them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import uuid

import pytest

from modelbuild.engines.http_build import Order, build, dockerfile_only
from modelbuild.errors import BaseImageError, UsageError

from .conftest import BASE

pytestmark = pytest.mark.docker


@pytest.fixture
def image(engine, progress):
    """Build an image from a Dockerfile and give it a name; removed afterwards."""
    names = []

    def make(dockerfile, platform=""):
        name = f"mbuild-test/base-{uuid.uuid4().hex[:8]}:1"
        build(engine.client, engine.builder, Order(dockerfile_only(dockerfile), tag=name, platform=platform), progress)
        names.append(name)
        return name

    yield make
    for name in names:
        engine.client.remove_image(name)


def look(engine, reference, progress, platform="linux/amd64"):
    return engine.base(reference, platform, pull=False, progress=progress)


def refusal(engine, reference, progress, platform="linux/amd64"):
    with pytest.raises(BaseImageError) as caught:
        look(engine, reference, progress, platform)
    return caught.value


def test_python_and_libc_are_asked_once(engine, progress, tmp_path):
    found = look(engine, BASE, progress)
    assert found.reference == BASE
    assert found.python.startswith("3.")
    assert found.libc.startswith("glibc 2.")
    assert found.platform == "linux/amd64"
    (kept,) = (tmp_path / "cache" / "bases").iterdir()
    assert kept.stem == found.id.removeprefix("sha256:")
    kept.write_text(json.dumps({"python": "9.9", "libc": "kept", "packages": []}))
    assert look(engine, BASE, progress).python == "9.9"


def test_no_container_is_left(engine, progress):
    def containers():
        return {item["Id"] for item in engine.client.containers(all=True, filters={"ancestor": BASE})}

    before = containers()  # of a run that was killed, say, on the same engine
    look(engine, BASE, progress)
    assert containers() <= before


def test_without_a_python(engine, image, progress):
    name = image(f"FROM {BASE}\nENV PATH=/nowhere\n")
    error = refusal(engine, name, progress)
    assert error.message == f"The base image {name} has no python3 on its PATH."
    assert "mbuild base" in error.hint


def test_with_a_python_that_does_not_work(engine, image, progress):
    name = image(f"FROM {BASE}\nENV PYTHONHOME=/nowhere LD_LIBRARY_PATH=/nowhere LD_PRELOAD=/x PATH=/usr/bin\n")
    # -I ignores PYTHONHOME: such a base works, which is what the images built on it need too.
    assert look(engine, name, progress).python.startswith("3.")


def test_for_another_platform(engine, progress):
    error = refusal(engine, BASE, progress, platform="linux/s390x")
    assert BASE in error.message
    assert "The one that the engine has is for linux/amd64, not linux/s390x." in error.message
    assert engine.client.inspect_image(BASE)["Architecture"] == "amd64"


@pytest.fixture
def foreign(docker_engine):
    """Load an image of another architecture, with nothing in it."""
    names = []

    def make(*environment):
        names.append(f"mbuild-test/base-{uuid.uuid4().hex[:8]}:1")
        layer = b"\0" * 1024
        config = {
            "architecture": "s390x",
            "os": "linux",
            "config": {"Env": list(environment)},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
        manifest = [{"Config": "config.json", "RepoTags": names[-1:], "Layers": ["layer.tar"]}]
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, content in {"manifest.json": manifest, "config.json": config, "layer.tar": layer}.items():
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        list(docker_engine.client.load_image(archive.getvalue()))
        return names[-1]

    yield make
    for name in names:
        docker_engine.client.remove_image(name)


def test_a_foreign_one_that_says_its_python(docker_engine, foreign, progress):
    found = look(docker_engine, foreign("PYTHON_VERSION=3.12.4"), progress, platform="linux/s390x")
    assert (found.python, found.libc, found.platform) == ("3.12", "glibc", "linux/s390x")


def test_a_foreign_one_that_does_not(docker_engine, foreign, progress):
    error = refusal(docker_engine, foreign(), progress, platform="linux/s390x")
    assert "is for s390x, which the engine does not run, and does not say its Python" in error.message


def test_a_name_that_is_none(engine, progress):
    with pytest.raises(UsageError, match="capitals in 'Python'"):
        look(engine, "ghcr.io/Python", progress)


def test_one_that_does_not_exist(engine, registry, progress):
    error = refusal(engine, f"{registry.host}/team/missing:1", progress)
    assert error.message == f"There is no base image {registry.host}/team/missing:1."
    assert progress.steps == [f"Pulling {registry.host}/team/missing:1"]


def test_from_a_registry_that_is_not_there(engine, progress):
    error = refusal(engine, "registry.invalid/team/python:3.11", progress)
    assert "the host registry.invalid is not found" in error.message
    assert "mbuild base" in error.hint


@pytest.fixture
def pulled(engine, private_registry, progress, tmp_path):
    """A base image as it comes from a registry that wants a login."""
    secret = base64.b64encode(b"ann:s3cret:x").decode()
    logins = {"auths": {private_registry.host: {"auth": secret}}}
    (tmp_path / "docker-config" / "config.json").write_text(json.dumps(logins))
    name = f"{private_registry.host}/library/python:pulled"
    engine.client.tag(BASE, *name.rsplit(":", 1))
    digest = engine.push(name, progress=progress).digest
    engine.client.remove_image(name)
    yield look(engine, name, progress), digest
    engine.client.remove_image(name)


def test_pulled_with_a_login_when_it_is_missing_and_pinned_then(pulled, progress):
    found, digest = pulled
    assert found.digest == digest
    assert found.pinned.endswith(f"@{digest}")
    assert f"Pulling {found.reference}" in progress.steps


def test_a_build_asks_no_registry(engine, pulled, tiny, progress, tmp_path):
    """The builder could not: it has no login."""
    (tmp_path / "docker-config" / "config.json").unlink()
    plan, context = tiny(engine, base=pulled[0], model=uuid.uuid4().bytes)
    image = engine.build(plan, context, no_cache=True, progress=progress)
    engine.remove(image)
    assert image.layers[-1].name == "manifest"
