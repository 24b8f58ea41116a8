"""What messages are made of is read when somebody speaks gRPC: they wait for it, and nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.grpc import messages
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.models.replay import Immediate
from runtime.fakes import FakePipeline
from runtime.grpc.wires import MESSAGE, Client, Peer, fake_service, message
from runtime.processes import free_port


@pytest.fixture
def unprepared(monkeypatch):
    """Nothing is read, until ``prepare`` was called: it notes that."""
    calls = []
    monkeypatch.setattr(messages, "prepared", lambda: bool(calls))
    monkeypatch.setattr(messages, "prepare", lambda: calls.append(1))
    return calls


class Beside(list):
    """Work for the thread, done when the test wants it."""

    def do(self):
        for work in tuple(self):
            self.remove(work)
            work()()


@pytest.fixture
def beside():
    return Beside()


def first(beside):
    """A client whose first bytes the server has, and has not looked at."""
    client, dataplane = Client(opened=False), Dataplane(FakePipeline())
    client.app.beside = beside.append
    client.app.open(Router([fake_service([b""])]), dataplane, Immediate(dataplane), "m")
    return client.another()


def test_a_first_call_waits_unread_and_is_answered(unprepared, beside):
    client = first(beside)
    stream = client.open()
    client.send(stream, message(MESSAGE), end=True)
    assert not client.transport.reading
    assert client.transport.written == b""
    assert len(beside) == 1
    beside.do()
    assert client.transport.reading
    client.exchange()
    assert client.answer(stream).messages == [b"[6.0]"]
    assert unprepared


def test_whoever_comes_later_waits_for_nothing(unprepared, beside):
    client = first(beside)
    beside.do()
    other = client.another()
    assert other.call().messages == [b"[6.0]"]
    assert client.call().messages == [b"[6.0]"]
    assert not beside
    assert len(unprepared) == 1


def test_a_client_that_goes_meanwhile_disturbs_nobody(unprepared, beside):
    client = first(beside)
    other = client.another()
    client.transport.close()
    client.connection.connection_lost(None)
    beside.do()
    assert client.transport.written == b""
    other.exchange()
    assert other.call().messages == [b"[6.0]"]


def test_who_says_nothing_loads_nothing(unprepared, beside):
    client = Client(opened=False)
    client.app.beside = beside.append
    Peer(client, greeted=False)
    assert not beside
    assert not unprepared


def test_a_server_that_loads_answers_without_messages(unprepared):
    client = Client(opened=False)
    assert client.call().status == 14
    assert not unprepared


def test_messages_that_cannot_be_read_fail_the_call_and_not_the_server(monkeypatch, beside, caplog):
    def broken():
        raise ImportError("no protobuf")

    monkeypatch.setattr(messages, "prepared", lambda: False)
    monkeypatch.setattr(messages, "prepare", broken)
    client = first(beside)
    beside.do()
    assert "the messages of gRPC cannot be read" in caplog.text
    client.exchange()
    assert client.call().messages == [b"[6.0]"]  # this service has no messages of protobuf


def test_a_process_that_is_asked_over_http_alone_imports_no_protobuf_and_no_archives():
    code = """
import sys
import modelbuild_runtime.process.serving, modelbuild_runtime.process.discovery as discovery
for name in discovery.names():
    __import__(f"modelbuild_runtime.protocols.{name}")
print(*[name for name in ("google.protobuf", "zipfile", "tempfile", "gzip", "difflib") if name in sys.modules])
"""
    assert ran(code) == "\n"


def test_what_speaks_grpc_is_imported_with_its_first_connection():
    code = f"""
import socket, sys
from modelbuild_runtime.process.ports.addresses import bind, bind_more
from modelbuild_runtime.process.server import Server
from modelbuild_runtime.settings import Settings
settings = Settings(host="127.0.0.1", port={free_port()}, grpc_port={free_port()})
server = Server(settings)
server.listen(bind(settings), bind_more(settings))
def told():
    print("hpack" in sys.modules)
told()
with socket.create_connection(("127.0.0.1", settings.grpc_port)):
    server.loop.call_later(0.1, server.loop.stop)
    server.loop.run_forever()
told()
"""
    assert ran(code) == "False\nTrue\n"


def ran(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, timeout=30, capture_output=True, text=True).stdout
