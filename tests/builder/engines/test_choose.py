from __future__ import annotations

import socket

import pytest

from modelbuild.engines import choose
from modelbuild.engines.docker import proxies
from modelbuild.engines.endpoint import docker_endpoints
from modelbuild.engines.podman import podman_endpoints
from modelbuild.errors import EngineUnavailableError, UsageError
from modelbuild.host import Host


def host(tmp_path, **environment):
    return Host(tmp_path, "3.11", {"HOME": str(tmp_path), "PATH": str(tmp_path), **environment})


def test_an_unknown_engine(tmp_path):
    with pytest.raises(UsageError, match="no build engine 'dokcer'") as caught:
        choose("dokcer", host(tmp_path))
    assert "docker, podman" in caught.value.hint


def refused(tmp_path, **environment):
    with pytest.raises(EngineUnavailableError) as caught:
        choose("", host(tmp_path, **environment))
    return caught.value


def test_nothing_reachable_names_each_cause_and_all_ways_out(tmp_path):
    missing = f"unix://{tmp_path}/no.sock"
    error = refused(tmp_path, DOCKER_HOST=missing, CONTAINER_HOST=missing)
    assert error.message == "No build engine is reachable."
    assert error.details.splitlines() == [
        f"docker: {missing} (DOCKER_HOST): there is no such socket",
        f"podman: {missing} (CONTAINER_HOST): there is no such socket",
    ]
    for way in ("systemctl start docker", "DOCKER_HOST", "usermod -aG docker", "podman", "mbuild render"):
        assert way in error.hint


def test_a_docker_that_was_named_is_not_replaced_by_podman(tmp_path):
    error = refused(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert error.details == f"docker: unix://{tmp_path}/no.sock (DOCKER_HOST): there is no such socket"


def test_a_socket_that_nobody_listens_on(tmp_path):
    path = tmp_path / "old.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    error = refused(tmp_path, DOCKER_HOST=f"unix://{path}", CONTAINER_HOST=f"unix://{path}")
    assert "(DOCKER_HOST): nothing listens there" in error.details


def test_a_port_that_nobody_listens_on(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    assert "nothing listens there" in refused(tmp_path, DOCKER_HOST=address, CONTAINER_HOST=address).details


def test_an_address_that_is_none(tmp_path):
    assert "docker: nonsense (DOCKER_HOST)" in refused(tmp_path, DOCKER_HOST="nonsense", CONTAINER_HOST="x").details


def test_docker_host_is_the_only_endpoint(tmp_path):
    found = list(docker_endpoints({"DOCKER_HOST": "tcp://build.example:2375", "HOME": str(tmp_path)}))
    assert [(endpoint.url, endpoint.host) for endpoint in found] == [("tcp://build.example:2375", "build.example")]


def test_container_host_is_the_only_endpoint_of_podman(tmp_path):
    assert [endpoint.url for endpoint in podman_endpoints({"CONTAINER_HOST": "unix:///x"})] == ["unix:///x"]


def test_a_users_own_sockets(tmp_path):
    path = tmp_path / "docker.sock"
    path.touch()
    found = [item.url for item in docker_endpoints({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)})]
    assert f"unix://{path}" in found


def test_proxies_reach_the_build():
    environment = {"http_proxy": "http://p:1", "NO_PROXY": "localhost", "https_proxy": "", "OTHER": "x"}
    assert proxies(environment) == {"http_proxy": "http://p:1", "NO_PROXY": "localhost"}
