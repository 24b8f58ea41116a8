"""Pushing to real registries: what is there is not sent again, and refusals are in plain words."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from modelbuild.errors import RegistryError
from modelbuild.registry.push import push

from .conftest import start_registry

pytestmark = pytest.mark.docker


@pytest.fixture
def tagged(engine, tiny, progress):
    """Build an image and give it a name; both are removed afterwards."""
    images = []

    def build(reference, **changes):
        image = engine.build(*tiny(engine, **changes), no_cache=False, progress=progress)
        images.append(engine.tag(image, reference))
        return images[-1]

    yield build
    for image in images:
        engine.remove(image)


def manifest(registry, repository, reference, user=""):
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    headers = {"Accept": kinds}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    request = urllib.request.Request(f"http://{registry.host}/v2/{repository}/manifests/{reference}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read()


def log_in(tmp_path, host, user):
    secret = base64.b64encode(user.encode()).decode()
    (tmp_path / "docker-config" / "config.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))


def test_the_digest_is_the_registrys(engine, registry, tagged, progress):
    reference = f"{registry.host}/team/tiny:1"
    tagged(reference)
    found = push(engine, reference, progress=progress)
    body = manifest(registry, "team/tiny", "1")
    assert found.digest == "sha256:" + hashlib.sha256(body).hexdigest()
    assert len(json.loads(body)["layers"]) >= 6
    if engine.name == "docker":  # podman keeps a digest of its own
        assert engine.inspect(reference).image.digest == found.digest


def test_only_what_the_registry_lacks_is_sent(docker_engine, registry, tiny, progress):
    engine = docker_engine
    images = []
    try:
        pushes = []
        for number, features in enumerate([b"def add(x):\n    return x\n", b"def add(x):\n    return -x\n"]):
            image = engine.build(*tiny(engine, features=features), no_cache=False, progress=progress)
            reference = f"{registry.host}/team/edited:{number}"
            images.append(engine.tag(image, reference))
            pushes.append(push(engine, reference, progress=progress))
        pushes.append(push(engine, reference, progress=progress))
    finally:
        for image in images:
            engine.remove(image)
    first, edited, again = pushes
    assert first.layers_sent >= 6
    assert edited.layers_sent == 1
    assert edited.layers_there == first.layers_sent - 1
    assert (again.layers_sent, again.sent) == (0, 0)
    assert len({first.digest, edited.digest, again.digest}) == 2


def test_without_a_login(engine, private_registry, tagged, progress):
    reference = f"{private_registry.host}/team/tiny:1"
    tagged(reference)
    with pytest.raises(RegistryError) as caught:
        push(engine, reference, progress=progress)
    assert "wants credentials and none are stored" in caught.value.message
    assert caught.value.hint == f"Log in first: docker login {private_registry.host}"


def test_with_a_wrong_password(engine, private_registry, tagged, progress, tmp_path):
    reference = f"{private_registry.host}/team/tiny:1"
    tagged(reference)
    log_in(tmp_path, private_registry.host, "ann:wrong")
    with pytest.raises(RegistryError, match="did not accept the credentials"):
        push(engine, reference, progress=progress)


def test_with_a_login(engine, private_registry, tagged, progress, tmp_path):
    reference = f"{private_registry.host}/team/tiny:1"
    tagged(reference)
    log_in(tmp_path, private_registry.host, "ann:s3cret:x")
    found = push(engine, reference, progress=progress)
    body = manifest(private_registry, "team/tiny", found.digest, "ann:s3cret:x")
    assert found.digest == "sha256:" + hashlib.sha256(body).hexdigest()
    assert "s3cret" not in "\n".join([*progress.lines, *progress.steps])


def test_to_a_registry_that_is_not_there(engine, tagged, progress):
    reference = "127.0.0.1:9/team/tiny:1"
    tagged(reference)
    with pytest.raises(RegistryError, match=r"nothing answers at 127\.0\.0\.1:9"):
        push(engine, reference, progress=progress)


def test_of_an_image_that_is_not_there(engine, registry, progress):
    with pytest.raises(RegistryError, match="has no image of that name"):
        push(engine, f"{registry.host}/team/missing:1", progress=progress)


def bridge_address(engine):
    """An address of this machine that is not loopback: engines take any certificate on loopback."""
    network = ipaddress.ip_network(engine.client.inspect_network("bridge")["IPAM"]["Config"][0]["Subnet"])
    address = str(network[1])
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            pytest.skip("the engine's bridge is not on this machine")
    return address


def certificates(folder, address):
    """A CA, and a certificate of it for an address."""
    (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca",
        "req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=registry",
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out tls.crt",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


def test_over_tls_with_a_ca_of_its_own(docker_engine, tiny, progress, tmp_path):
    engine = docker_engine
    address = bridge_address(engine)
    certificates(tmp_path, address)
    tls = f", tls: {{certificate: {tmp_path}/tls.crt, key: {tmp_path}/tls.key}}"
    folder = tmp_path / "registry"
    folder.mkdir()
    for registry in start_registry(folder, address=address, tls=tls):
        reference = f"{registry.host}/team/tiny:1"
        image = engine.tag(engine.build(*tiny(engine), no_cache=False, progress=progress), reference)
        try:
            with pytest.raises(RegistryError) as caught:
                push(engine, reference, progress=progress)
            assert "signed by nobody that the engine knows" in caught.value.message
            assert f"/etc/docker/certs.d/{registry.host}/ca.crt" in caught.value.hint
            if os.geteuid() == 0:
                trusted = Path("/etc/docker/certs.d") / registry.host
                trusted.mkdir(parents=True)
                shutil.copy(tmp_path / "ca.crt", trusted / "ca.crt")
                try:
                    assert push(engine, reference, progress=progress).digest.startswith("sha256:")
                finally:
                    shutil.rmtree(trusted)
        finally:
            engine.remove(image)
