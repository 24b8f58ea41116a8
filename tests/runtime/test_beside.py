from __future__ import annotations

import asyncio
import gzip
import json
import threading

import numpy as np
import pytest

from modelbuild_runtime.beside import Beside
from modelbuild_runtime.errors import NotAcceptable
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.process.requests.large import is_large, kept
from modelbuild_runtime.protocols import Prediction, Route
from modelbuild_runtime.request import Response
from runtime.fakes import FakePipeline, decode
from runtime.wires import Client, request

LARGE = b"[[1,2,3]" + b" " * (1 << 18) + b"]"


class Later:
    """Does nothing until the test says so."""

    def __init__(self, client: Client) -> None:
        self.works = []
        client.app.beside = client.app.beside_long = self.works.append

    def do(self) -> None:
        self.works.pop(0)()()


def test_it_is_done_by_another_thread_and_ended_by_the_loop():
    loop = asyncio.new_event_loop()
    seen = []

    def work():
        seen.append(threading.current_thread().name)
        return end

    def end():
        seen.append(threading.current_thread() is threading.main_thread())
        loop.stop()

    Beside(loop, "bodies").do(work)
    loop.run_forever()
    loop.close()
    assert seen == ["bodies", True]


@pytest.mark.parametrize("data", [request(LARGE), request(gzip.compress(b"[[1,2,3]]"), b"Content-Encoding: gzip")])
def test_what_takes_long_to_read_keeps_nobody_else(data):
    client = Client()
    later = Later(client)
    client.send(data, request(b"[[4,5,6]]"))
    other = client.another().send(request(b"[[7,8,9]]"))
    assert (client.statuses, other.statuses) == ([], [200])
    later.do()
    assert [json.loads(body) for _, _, body in client.responses] == [{"y": [6.0]}, {"y": [15.0]}]


def test_what_cannot_be_read_is_refused_in_its_turn():
    client = Client()
    later = Later(client)
    client.send(request(LARGE + b"x"), request(b"x", b"Content-Encoding: gzip"), request())
    later.do()
    later.do()
    assert client.statuses == [500, 400, 200]


def test_a_client_that_has_gone_is_not_predicted_for():
    pipeline = FakePipeline()
    client = Client(pipeline=pipeline)
    later = Later(client)
    client.send(request(LARGE))
    client.connection.connection_lost(None)
    later.do()
    assert pipeline.runs == []
    assert client.transport.written == b""


def test_what_has_waited_too_long_is_not_read():
    client = Client(timeout=0.0)
    later = Later(client)
    client.send(request(LARGE))
    later.do()
    assert client.statuses == [504]


def test_a_large_answer_is_written_beside_the_loop_too():
    client = Client()
    later = Later(client)
    client.send(request(json.dumps([[1, 2, 3]] * 17_000, separators=(",", ":")).encode()), request())
    assert client.statuses == []
    while later.works:
        later.do()
    first, second = (json.loads(body) for _, _, body in client.responses)
    assert first == {"y": [6.0] * 17_000}
    assert second == {"y": [6.0]}


@pytest.mark.parametrize("error, status", [(NotAcceptable("no"), 406), (KeyError("bug"), 500)])
def test_a_large_answer_that_cannot_be_written_is_an_error(error, status):
    def fail(*_):
        raise error

    client = Client(Route("POST", "/x", Prediction(decode, fail)))
    later = Later(client)
    client.send(request(json.dumps([[1, 2, 3]] * 17_000, separators=(",", ":")).encode(), target=b"/x"))
    later.do()
    assert client.statuses == [status]


def test_a_large_body_of_a_route_that_does_not_predict():
    client = Client(Route("POST", "/x", lambda http: HttpResponse(200, b"%d" % len(http.body))))
    later = Later(client)
    client.send(request(LARGE, target=b"/x"))
    later.do()
    assert client.responses[0][2] == b"%d" % len(LARGE)


def test_answers_are_large_by_their_values_and_are_kept_as_they_are():
    array = np.zeros((1, 20_000))
    response = Response(1, {"y": array})
    assert is_large(response)
    copy = kept(response)
    array[:] = 1
    assert not copy.columns["y"].any()
    assert not is_large(Response(1, {"y": np.zeros(10)}))
    assert is_large(Response(2000, rows=[{}] * 2000))
    assert not is_large(Response(1, raw=b""))
