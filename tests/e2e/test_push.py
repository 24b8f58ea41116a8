"""Pushing: the digest is the registry's, only what it lacks is sent, and refusals are in plain words."""

from __future__ import annotations

import io
import ipaddress
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import ANSWER, FEATURES, REQUEST, Project
from e2e.registries import Registry, start_registry
from e2e.servers import ask, running

pytestmark = pytest.mark.docker


def test_package_and_push_in_one_go_then_only_what_changed(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any, registry: Registry
) -> None:
    first = image(registry.host, "1.0")
    packaged = mbuild("package", project.model, "-H", project.handler, "-t", first, "--push")
    digest, manifest = registry.manifest(first)
    assert packaged.out == f"{first}@{digest}\n"
    assert len(manifest["layers"]) >= 6
    sent = registry.uploads

    second = first.replace(":1.0", ":1.1")
    project.handler.write_text(FEATURES.replace("Order", "Basket"))
    found = mbuild("package", project.model, "-H", project.handler, "-t", second, "--push", "--json").json
    assert (found["digest"], found["reference"]) == (registry.manifest(second)[0], second)
    assert registry.uploads - sent <= 3  # the handler's layer, the manifest's, and the settings
    try:
        client.images.remove(second, force=True)
        pulled = client.images.pull(second.rpartition(":")[0], tag=found["digest"])
        with running(client, pulled.id) as (_, address):
            assert ask(address, "/predict", REQUEST) == (200, ANSWER)
    finally:
        client.images.remove(pulled.id, force=True)


@pytest.fixture
def small(client: Any, worker: str, image: Callable[..., str]) -> Callable[..., str]:
    """``small(registry)`` is an image of a few bytes under a name there."""

    def make(registry: str = "") -> str:
        reference = image(registry)
        dockerfile = f"FROM scratch\nLABEL mbuild-e2e={worker} name={reference}\nCOPY Dockerfile /\n"
        client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=reference)
        return reference

    return make


def test_push_again_sends_nothing(mbuild: Mbuild, small: Callable[..., str], registry: Registry) -> None:
    reference = small(registry.host)
    first = mbuild("push", reference, "--json").json
    assert first["reference"] == reference
    assert first["digest"] == registry.manifest(reference)[0]
    assert (first["layers_sent"], first["layers_there"]) == (1, 0)
    uploads = registry.uploads
    again = mbuild("push", reference, "--json").json
    assert again["digest"] == first["digest"]
    assert (again["sent"], again["layers_sent"], again["layers_there"]) == (0, 0, 1)
    assert registry.uploads == uploads


def test_the_talk_of_a_push_is_on_stderr(mbuild: Mbuild, small: Callable[..., str], registry: Registry) -> None:
    reference = small(registry.host)
    outcome = mbuild("push", reference)
    assert outcome.out == f"{reference}@{registry.manifest(reference)[0]}\n"
    assert outcome.err.startswith("Pushing")


def test_an_image_that_is_not_there(mbuild: Mbuild, registry: Registry) -> None:
    outcome = mbuild.fails(21, "push", f"{registry.host}/team/absent:1")
    assert f"no image {registry.host}/team/absent:1" in outcome.message
    assert registry.repositories == []


@pytest.mark.parametrize("name", ["Team/Fraud:1", "http://localhost:5000/x", "a b", f"fraud@sha256:{'a' * 64}"])
def test_a_name_that_is_none(mbuild: Mbuild, name: str) -> None:
    assert name in mbuild.fails(2, "push", name).message


def test_a_registry_that_is_not_there(mbuild: Mbuild, small: Callable[..., str]) -> None:
    outcome = mbuild.fails(23, "push", small("127.0.0.1:9"))
    assert "127.0.0.1:9" in outcome.message
    assert "running" in outcome.hint


def test_a_host_that_is_not_there(mbuild: Mbuild, small: Callable[..., str]) -> None:
    outcome = mbuild.fails(23, "push", small("registry.invalid"))
    assert "registry.invalid" in outcome.message
    assert "spelling" in outcome.hint


@pytest.fixture
def forbidding() -> Iterator[str]:
    """A registry that lets nobody write."""

    class Forbidding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"errors":[{"code":"DENIED","message":"this team may only read"}]}'
            self.send_response(200 if self.path == "/v2/" else 404 if self.command == "HEAD" else 403)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_registry_that_refuses(mbuild: Mbuild, small: Callable[..., str], forbidding: str) -> None:
    reference = small(forbidding)
    outcome = mbuild.fails(23, "push", reference)
    assert "may not write to" in outcome.message
    assert forbidding in outcome.message
    assert "this team may only read" in outcome.details
    assert f"docker login {forbidding}" in outcome.hint


def test_what_was_verified_keeps_its_name_when_the_registry_fails(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any
) -> None:
    """It was built, asked and named: pushing it is one command away."""
    reference = image("127.0.0.1:9")
    mbuild.fails(23, "package", project.model, "-H", project.handler, "-t", reference, "--push")
    assert client.images.get(reference).labels["mbuild.verified"] == "true"


@pytest.fixture
def bridge(client: Any) -> str:
    """An address of this machine that is not loopback: engines take any certificate on loopback."""
    subnet = client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    address = str(ipaddress.ip_network(subnet)[1])
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            pytest.skip("the engine's bridge is not on this machine")
    return address


def test_over_tls_on_loopback(mbuild: Mbuild, small: Callable[..., str], tmp_path: Path) -> None:
    with start_registry(tmp_path / "registry", tls=True) as registry:
        assert mbuild("push", small(registry.host)).out.count("@sha256:") == 1
        assert len(registry.repositories) == 1


def test_over_tls_with_an_authority_that_the_engine_learns_to_trust(
    mbuild: Mbuild, small: Callable[..., str], bridge: str, tmp_path: Path
) -> None:
    with start_registry(tmp_path / "registry", address=bridge, tls=True) as registry:
        reference = small(registry.host)
        outcome = mbuild.fails(23, "push", reference)
        assert f"the certificate of {registry.host}" in outcome.message
        assert f"/etc/docker/certs.d/{registry.host}/ca.crt" in outcome.hint
        if os.geteuid():
            pytest.skip("only root may do what the hint says")
        trusted = Path("/etc/docker/certs.d") / registry.host
        trusted.mkdir(parents=True)
        shutil.copy(registry.folder / "ca.crt", trusted / "ca.crt")
        try:
            assert mbuild("push", reference).out.startswith(f"{reference}@sha256:")
        finally:
            shutil.rmtree(trusted)


def test_plain_http_that_is_not_on_loopback(
    mbuild: Mbuild, small: Callable[..., str], bridge: str, tmp_path: Path
) -> None:
    with start_registry(tmp_path / "registry", address=bridge) as registry:
        outcome = mbuild.fails(23, "push", small(registry.host))
        assert f"{registry.host} speaks plain HTTP" in outcome.message
        assert "insecure-registries" in outcome.hint
