from __future__ import annotations

import pytest

from modelbuild.engines.base_image import same_platform
from modelbuild.engines.container import hardened, health_command, served_port
from modelbuild.engines.endpoint import Endpoint

LOCAL = Endpoint("unix:///var/run/docker.sock", "the default socket")


def test_a_container_is_run_as_a_careful_operator_would():
    found = hardened(8080, LOCAL)
    assert found["read_only"]
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges"]
    assert found["port_bindings"] == {8080: ("127.0.0.1",)}


def test_on_another_machine_its_port_must_be_reachable_from_here():
    assert hardened(8080, Endpoint("tcp://build.example:2375", "DOCKER_HOST"))["port_bindings"] == {8080: None}


@pytest.mark.parametrize(
    ("config", "port"),
    [({"Env": ["A=1", "MBUILD_PORT=8081"]}, 8081), ({"Env": ["MBUILD_PORT=8081", "PORT=9000"]}, 9000), ({}, 8080)],
)
def test_the_port_that_the_image_serves(config, port):
    assert served_port(config) == port


@pytest.mark.parametrize(
    ("check", "command"),
    [
        ({"Test": ["CMD", "python3", "h.py"]}, ("python3", "h.py")),
        ({"Test": ["CMD-SHELL", "curl x"]}, ("/bin/sh", "-c", "curl x")),
        ({"Test": ["NONE"]}, ()),
        ({}, ()),
        (None, ()),
    ],
)
def test_the_health_check(check, command):
    assert health_command({"Healthcheck": check}) == command


@pytest.mark.parametrize(
    ("has", "wanted", "same"),
    [
        (("linux", "amd64", ""), "linux/amd64", True),
        (("linux", "arm64", "v8"), "linux/arm64", True),
        (("linux", "arm64", ""), "linux/arm64/v8", True),
        (("linux", "arm", "v6"), "linux/arm/v7", False),
        (("linux", "amd64", ""), "linux/arm64", False),
        (("windows", "amd64", ""), "linux/amd64", False),
    ],
)
def test_platforms(has, wanted, same):
    details = dict(zip(("Os", "Architecture", "Variant"), has, strict=True))
    assert same_platform(details, wanted) is same
