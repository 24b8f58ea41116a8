"""Ports beside the main one."""

from __future__ import annotations

import http.client

import pytest

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.process.ports.listeners import Listener, listeners, router
from modelbuild_runtime.protocols import Protocol, Route
from modelbuild_runtime.settings import Settings
from runtime.fakes import fake_error
from runtime.process.workers.test_supervisor import ONE_THREAD
from runtime.processes import free_port, serving


def said(text):
    return lambda _http: HttpResponse(200, text.encode())


ONE = Protocol(
    "one", "One", (Route("GET", "/both", said("one"), when=lambda http: b"x-one" in http.headers),), fake_error
)
TWO = Protocol("two", "Two", (Route("GET", "/both", said("two")), Route("GET", "/two", said("two"))), fake_error)
OPERATIONS = Protocol("operations", "Operations", (Route("GET", "/health", said("ok")),), fake_error)
MANAGING = Protocol("managing", "Managing", (Route("GET", "/models", said("models")),), fake_error, "management")
ALL = [ONE, TWO, OPERATIONS, MANAGING]


def routes(speaks, target):
    return [(bound.name, bound.route.when is None) for bound in router(ALL, speaks).find(b"GET", target).routes]


def test_settings():
    settings = Settings(host="127.0.0.1", listeners="8501=rest, 1337=sagemaker", grpc_port=0)
    assert listeners(settings) == (Listener("127.0.0.1", 8501, "rest"), Listener("127.0.0.1", 1337, "sagemaker"))
    managed = Settings(management_port=8081, management_token="t", grpc_port=0)
    assert listeners(managed) == (Listener("127.0.0.1", 8081, "management", "t"),)
    assert listeners(Settings()) == (Listener("0.0.0.0", 8001, "grpc"),)
    assert listeners(Settings(grpc_port=0, listeners="8500=grpc")) == (Listener("0.0.0.0", 8500, "grpc"),)
    assert listeners(Settings(port=8001)) == ()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"listeners": "8501"}, "is not a port and a protocol"),
        ({"listeners": "99999=rest"}, "is not a port and a protocol"),
        ({"listeners": "8501=soap"}, "no protocol 'soap'"),
        ({"management_port": 8081}, "MBUILD_MANAGEMENT_TOKEN is not"),
        ({"management_port": 8081, "management_token": "t", "workers": 2}, "MBUILD_WORKERS is more than 1"),
    ],
)
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(SettingError, match=said):
        listeners(Settings(**settings))


def test_all_protocols_share_the_main_port_by_their_conditions():
    assert routes("", b"/both") == [("one", False), ("two", True)]
    assert routes("", b"/health") == [("operations", True)]
    assert routes("", b"/models") == []


def test_a_protocol_alone_needs_no_condition():
    assert routes("one", b"/both") == [("one", True)]
    assert routes("one", b"/two") == []
    assert routes("one", b"/health") == [("operations", True)]


def test_management_is_on_its_own_port_only():
    assert routes("management", b"/models") == [("managing", True)]
    assert routes("management", b"/both") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_ports_of_a_process(tmp_path, workers):
    pinned = free_port()
    settings = {
        "MBUILD_LISTENERS": f"{pinned}=sagemaker",
        "MBUILD_WORKERS": str(workers),
    }
    with serving(tmp_path, **settings, **ONE_THREAD) as served:
        served.until_ready()
        assert ask(served.port, "POST", "/predict", b"[[1,2,3]]") == 200
        assert ask(served.port, "GET", "/models") == 404
        assert ask(pinned, "POST", "/another", b"[[1,2,3]]") == 200
        assert ask(pinned, "POST", "/predict", b"[[1,2,3]]") == 404
        assert ask(pinned, "GET", "/health/ready") == 200


def test_the_port_of_operators_asks_for_the_token(tmp_path):
    managed = free_port()
    settings = {"MBUILD_MANAGEMENT_PORT": str(managed), "MBUILD_MANAGEMENT_TOKEN": "s3cret"}
    with serving(tmp_path, **settings) as served:
        served.until_ready()
        assert ask(managed, "GET", "/models") == 401
        assert ask(managed, "GET", "/models", token="Bearer s3cret") == 200
        assert ask(managed, "POST", "/predict", b"[[1,2,3]]", token="Bearer s3cret") == 404
        assert ask(managed, "GET", "/models", token="Bearer other") == 401
        assert ask(managed, "GET", "/models", token="bearer s3cret") == 200
        assert ask(managed, "GET", "/models", token="s3cret") == 401
        assert ask(managed, "GET", "/health/ready") == 200, "as on all ports, health is told to all"


def ask(port, method, target, body=b"", token=""):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, target, body, {"Authorization": token} if token else {})
    status = connection.getresponse().status
    connection.close()
    return status
