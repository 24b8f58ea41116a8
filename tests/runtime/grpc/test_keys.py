"""Keys in the metadata of calls: the same as in headers."""

from __future__ import annotations

import pytest

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.grpc.status import UNAUTHENTICATED
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.models.replay import Immediate
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.security.keys import MISSING, WRONG, api_keys
from modelbuild_runtime.settings import Settings
from runtime.fakes import FakePipeline
from runtime.grpc.wires import MESSAGE, Client, fake_service, message


class Keyed(Client):
    """A client of an application that wants keys; Watch is public."""

    def __init__(self, **settings):
        settings = Settings(**settings)
        self.keys = api_keys(settings)
        dataplane = Dataplane(FakePipeline())
        self.state = [b"up"]
        service = fake_service(self.state)
        routes = [route._replace(public=route.path.endswith("Watch")) for route in service.routes]
        router = Router([service._replace(routes=tuple(routes))])
        self.app = Application(settings, router, self.keys)
        self.app.open(router, dataplane, Immediate(dataplane))
        self._connect()

    def refused(self, **fields):
        """The answer to a call that ends before its message is sent."""
        return self.answer(self.open(**fields))


def test_a_call_needs_one():
    client = Keyed(api_keys="one,two")
    answer = client.refused()
    assert (answer.status, answer.words) == (UNAUTHENTICATED, MISSING)
    assert answer.headers["www-authenticate"] == 'Bearer realm="model"'
    assert client.refused(x_api_key="three").words == WRONG
    assert client.call(x_api_key="one").messages == [b"[6.0]"]
    assert client.call(authorization="Bearer two").messages == [b"[6.0]"]
    assert client.refused(path="/a.B/C").status == UNAUTHENTICATED
    assert client.refused(path="/a.B/C", x_api_key="one").status == 12


@pytest.mark.parametrize("path", ["/fake.Service/Chat", "/fake.Service/Parts", "/fake.Service/Predict"])
def test_it_is_told_before_anything_is_sent(path):
    client = Keyed(api_keys="one")
    stream = client.open(path=path)
    assert client.answer(stream).status == UNAUTHENTICATED
    assert client.app.held == 0


def test_what_is_public_is_for_all():
    client = Keyed(api_keys="one")
    stream = client.open(path="/fake.Service/Watch")
    client.send(stream, message(), end=True)
    assert client.answer(stream).messages == [b"up"]


def test_a_key_that_is_taken_back_ends_on_connections_that_are_open(tmp_path):
    (tmp_path / "keys").write_text("old")
    client = Keyed(api_keys_file=str(tmp_path / "keys"))
    for _ in range(3):
        assert client.call(MESSAGE, x_api_key="old").status == 0
    (tmp_path / "keys").write_text("newer")
    assert client.keys.renewed()
    client.app.routes.forget()
    assert client.refused(x_api_key="old").status == UNAUTHENTICATED
    assert client.call(MESSAGE, x_api_key="newer").status == 0
    assert client.call(MESSAGE, x_api_key="newer").status == 0
