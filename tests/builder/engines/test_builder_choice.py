from __future__ import annotations

import pytest

from modelbuild.engines.docker import engine_at
from modelbuild.engines.endpoint import Endpoint
from modelbuild.host import Host

CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]
OVERLAY = [["Backing Filesystem", "extfs"]]


class Client:
    def __init__(self, api, status, system="linux", component="Engine"):
        self.api, self.status, self.system, self.component = api, status, system, component

    def version(self):
        components = [{"Name": self.component}]
        return {
            "Version": "1.2+x",
            "ApiVersion": self.api,
            "Os": self.system,
            "Arch": "amd64",
            "Components": components,
        }

    def info(self):
        return {"DriverStatus": self.status}


def chosen(tmp_path, client, **environment):
    return engine_at(client, Endpoint("unix:///x.sock", "the default socket"), Host(tmp_path, "3.11", environment))


@pytest.mark.parametrize(
    ("client", "builder"),
    [
        (Client("1.41", OVERLAY), "BuildKit"),  # Debian's 20.10
        (Client("1.38", OVERLAY), "the classic builder"),
        (Client("1.45", OVERLAY), "BuildKit"),
        (Client("1.45", CONTAINERD), "the classic builder"),  # 26.1: its BuildKit cannot read what it is sent
        (Client("1.48", CONTAINERD), "BuildKit"),
        (Client("1.45", None), "BuildKit"),
        (Client("1.45", OVERLAY, system="windows"), "the classic builder"),
        (Client("1.41", OVERLAY, component="Podman Engine"), "buildah"),
    ],
)
def test_the_builder_that_works(tmp_path, client, builder):
    engine = chosen(tmp_path, client)
    found = engine.builder.NAME
    assert found == builder
    assert f" 1.2 with {builder} at unix:///x.sock (the default socket)" in engine.reason


def test_the_user_may_want_the_classic_builder(tmp_path):
    engine = chosen(tmp_path, Client("1.45", OVERLAY), DOCKER_BUILDKIT="0")
    assert "the classic builder" in engine.reason


def test_podman_behind_dockers_socket_is_podman(tmp_path):
    engine = chosen(tmp_path, Client("1.41", OVERLAY, component="Podman Engine"))
    assert (engine.name, engine.reason.split()[0]) == ("podman", "Podman")
