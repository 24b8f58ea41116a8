"""Keys, and who is answered without one; over connections without a network."""

from __future__ import annotations

import gc
import logging

import pytest

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import SettingError, Unauthorized
from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.models.replay import Immediate
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.protocols import Route
from modelbuild_runtime.security.keys import MISSING, WRONG, api_keys
from modelbuild_runtime.settings import Settings
from runtime.fakes import FakePipeline, fake_protocol
from runtime.wires import Client, FakeTransport, parse, request


def said(text, **others):
    return Route("GET", f"/{text}", lambda _http: HttpResponse(200, text.encode()), **others)


class Keyed(Client):
    """A client of an application that wants keys."""

    def __init__(self, *, opened: bool = True, **settings):
        settings.setdefault("api_keys", "one,two")
        self.keys = api_keys(Settings(**settings))
        dataplane = Dataplane(FakePipeline())
        public = said("public", public=lambda _http: HttpResponse(200, b"in public"))
        router = Router([fake_protocol(said("health", public=True), public, said("secret"))])
        self.app = Application(Settings(**settings), router if opened else Router([]), self.keys)
        self.queue = Immediate(dataplane)
        if opened:
            self.app.open(router, dataplane, self.queue)
        self._connect()

    def ask(self, *headers: bytes, target: bytes = b"/predict", method: bytes = b"POST"):
        self._connect()
        self.send(request(b"[[1,2,3]]" if method == b"POST" else b"", *headers, target=target, method=method))
        return parse(self.transport.written, method.decode())[0]


def refusal(headers, **settings):
    return api_keys(Settings(**settings)).refusal(headers)


def test_nobody_needs_a_key_unless_there_are_some():
    assert api_keys(Settings()) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, MISSING),
        ({b"authorization": b"Bearer one"}, ""),
        ({b"authorization": b"bearer  two "}, ""),
        ({b"x-api-key": b"two"}, ""),
        ({b"x-api-key": b" two "}, ""),
        ({b"authorization": b"Basic b25lOg==", b"x-api-key": b"one"}, ""),
        ({b"authorization": b"Bearer other", b"x-api-key": b"one"}, ""),
        ({b"authorization": b"Bearer One"}, WRONG),
        ({b"authorization": b"Bearer one,two"}, WRONG),
        ({b"authorization": b"Bearer one, Bearer two"}, WRONG),
        ({b"authorization": b"Bearer on"}, WRONG),
        ({b"authorization": b"Bearer \xff\xfe"}, WRONG),
        ({b"authorization": b"Bearer"}, MISSING),
        ({b"authorization": b"Bearer "}, MISSING),
        ({b"authorization": b"one"}, MISSING),
        ({b"authorization": b"Basic one"}, MISSING),
        ({b"x-api-key": b""}, MISSING),
        ({b"x-api-key": b"Bearer one"}, WRONG),
    ],
)
def test_how_a_key_is_borne(headers, expected):
    assert refusal(headers, api_keys=" one, two,") == expected


@pytest.mark.parametrize(
    ("given", "file", "message"),
    [
        (",", None, "MBUILD_API_KEYS is set, and holds no key"),
        ("one,t wo", None, "MBUILD_API_KEYS: key 2 holds something else"),
        ("schlüssel", None, "MBUILD_API_KEYS: key 1 holds something else"),
        ("", "\n# none yet\n\n", "MBUILD_API_KEYS_FILE: .*keys holds no key"),
        ("", "one\ntw o\n", "MBUILD_API_KEYS_FILE: .*keys: key 2 holds something else"),
    ],
)
def test_what_can_be_no_key_is_told_without_telling_it(tmp_path, given, file, message):
    if file is not None:
        (tmp_path / "keys").write_text(file)
    with pytest.raises(SettingError, match=message) as raised:
        api_keys(Settings(api_keys=given, api_keys_file=str(tmp_path / "keys") if file is not None else ""))
    assert "wo" not in raised.value.message
    assert "schl" not in raised.value.message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingError, match=r"MBUILD_API_KEYS_FILE: .*none cannot be read: No such file"):
        api_keys(Settings(api_keys_file=str(tmp_path / "none")))


def test_keys_of_a_file_are_replaced_and_those_of_the_variable_stay(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "keys").write_text("# the first\nk-old\n")
    keys = api_keys(Settings(api_keys="k-fixed", api_keys_file=str(tmp_path / "keys")))

    def known():
        return [key for key in (b"k-fixed", b"k-old", b"k-new") if not keys.refusal({b"x-api-key": key})]

    assert known() == [b"k-fixed", b"k-old"]
    assert not keys.renewed()
    (tmp_path / "keys").write_text("k-new\r\n")
    assert keys.renewed()
    assert known() == [b"k-fixed", b"k-new"]
    (tmp_path / "keys").write_text("")
    assert not keys.renewed()
    assert known() == [b"k-fixed", b"k-new"]
    assert "the keys from before are kept" in caplog.text
    assert "k-" not in caplog.text, "no key is logged"


def test_a_prediction_needs_one():
    client = Keyed()
    status, headers, body = client.ask()
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="model"')
    assert body == b'{"fake":"%b","field":""}' % MISSING.encode()
    assert headers.get("connection") != "close"
    assert client.ask(b"Authorization: Bearer three")[2] == b'{"fake":"%b","field":""}' % WRONG.encode()
    assert client.ask(b"Authorization: Bearer one")[2] == b'{"y":[6.0]}'
    assert client.ask(b"x-api-key: two")[2] == b'{"y":[6.0]}'


def test_a_head_with_a_key_is_known_and_one_without_is_not():
    client = Keyed()
    for _ in range(3):
        assert client.ask()[0] == 401
        assert client.ask(b"X-API-Key: one")[0] == 200
    assert len(client.app.routes.known_heads._heads) == 1


def test_a_key_that_is_taken_back_is_no_key_although_its_head_was_known(tmp_path):
    (tmp_path / "keys").write_text("old")
    client = Keyed(api_keys="", api_keys_file=str(tmp_path / "keys"))
    assert client.ask(b"X-API-Key: old")[0] == 200
    (tmp_path / "keys").write_text("newer")
    assert client.keys.renewed()
    client.app.routes.forget()
    assert client.ask(b"X-API-Key: old")[0] == 401
    assert client.ask(b"X-API-Key: newer")[0] == 200


def test_what_is_public_is_for_all():
    client = Keyed()
    for method in (b"GET", b"HEAD"):
        assert client.ask(target=b"/health", method=method)[0] == 200
    assert client.ask(target=b"/public", method=b"GET")[2] == b"in public"
    assert client.ask(b"X-API-Key: one", target=b"/public", method=b"GET")[2] == b"public"
    assert client.ask(target=b"/secret", method=b"GET")[0] == 401
    assert client.ask(target=b"/health", method=b"POST")[0] == 401, "and so that nobody learns what there is"
    assert client.ask(target=b"/nothing", method=b"GET")[0] == 401
    assert client.ask(b"X-API-Key: one", target=b"/nothing", method=b"GET")[0] == 404


@pytest.mark.parametrize(
    "target", [b"/secret/", b"//secret", b"/%73ecret", b"/secret?x", b"http://test/secret", b"/x/../secret"]
)
def test_no_way_of_writing_a_path_leads_around_it(target):
    assert Keyed().ask(target=target, method=b"GET")[0] == 401


def test_while_the_model_is_loaded_everybody_is_told_so():
    assert Keyed(opened=False).ask()[0] == 503


def test_who_has_no_key_sends_no_large_body():
    client = Keyed()
    client.send(b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 40000000\r\n\r\n")
    status, headers, _ = client.responses[0]
    assert (status, headers["connection"]) == (401, "close")
    assert client.app.held == 0

    client = Keyed()
    client.send(b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    assert client.transport.written.startswith(b"HTTP/1.1 401 ")

    client = Keyed()
    client.send(b"POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(40):
        if client.connection._finished:
            break
        client.send(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
    assert client.statuses == [401]
    assert client.app.held == 0


def test_who_has_one_may():
    client = Keyed()
    client.send(
        b"POST /predict HTTP/1.1\r\nHost: test\r\nX-API-Key: one\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    assert client.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"[[1,2,3]]")
    assert client.statuses == [200]


def test_refusals_leave_nothing_behind():
    client = Keyed()
    gc.freeze()  # what is there already is not looked at
    try:
        for _ in range(20):
            client.ask()
        gc.collect()
        assert sum(isinstance(thing, Unauthorized) for thing in gc.get_objects()) == 0
    finally:
        gc.unfreeze()
    assert client.app.in_flight == 0


def test_what_the_server_asks_itself_needs_none():
    connection = Connection(Application(Settings(api_keys="one"), Router([fake_protocol()])))
    connection.connection_made(transport := FakeTransport())  # type: ignore[arg-type]
    connection.data_received(request(b"", method=b"GET", target=b"/health/ready"))
    assert transport.written.startswith(b"HTTP/1.1 200 ")
