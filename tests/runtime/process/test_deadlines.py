"""Deadlines from the socket to the queue, against a real process whose model is busy."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from typing import Any

from runtime.processes import InBackground, Served, serving

BUSY = [[14, 0, 0]]


def ask(served: Served, **headers: str) -> tuple[int, float]:
    """Status, and seconds until it came."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/predict", json.dumps([[1, 2, 3]]), named)
    status = connection.getresponse().status
    connection.close()
    return status, time.monotonic() - began


def counted(served: Served, name: str) -> float:
    text = served.get("/metrics")[1].decode()
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE))


def busy(served: Served) -> InBackground:
    """A prediction that goes on until the test lets it go."""
    running = InBackground(served, BUSY)
    served.until(lambda: counted(served, "mbuild_in_flight") >= 2)  # the one that asks is another
    time.sleep(0.05)
    return running


def test_a_deadline_passes_in_the_queue_and_the_work_is_never_done(tmp_path: Any) -> None:
    with serving(tmp_path, FAKE_SECONDS=0.01) as served:
        running = busy(served.until_ready())
        status, seconds = ask(served, x_request_timeout="0.2")
        assert (status, seconds < 2) == (504, True)
        status, seconds = ask(served, x_envoy_expected_rq_timeout_ms="150")
        assert (status, seconds < 2) == (504, True)
        served.let_go()
        assert running.wait()[0] == 200
        assert ask(served, x_request_timeout="5")[0] == 200
        assert counted(served, 'mbuild_batch_requests_sum{model="fake"}') == 2
        assert counted(served, 'mbuild_shed_total{model="fake",reason="deadline"}') == 2


def test_a_client_that_goes_away_is_taken_out_of_the_queue(tmp_path: Any) -> None:
    with serving(tmp_path, FAKE_SECONDS=0.01) as served:
        running = busy(served.until_ready())
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n[[1,2,3]]")
            served.until(lambda: counted(served, 'mbuild_waiting{model="fake"}') == 1)
        served.until(lambda: counted(served, 'mbuild_waiting{model="fake"}') == 0)
        served.let_go()
        assert running.wait()[0] == 200
        assert counted(served, 'mbuild_batch_requests_sum{model="fake"}') == 1


def test_an_objective_is_kept_from_the_first_request_on(tmp_path: Any) -> None:
    """Everybody at once, before anything was asked: who is let in is answered in time, the others are told at once."""
    with serving(tmp_path, FAKE_SECONDS=0.05, MBUILD_SLO=0.3, MBUILD_MAX_BATCH_SIZE=2) as served:
        served.until_ready()
        crowd = [InBackground(served, [[100 + i, 0, 0]]) for i in range(40)]  # lesser numbers may end the process
        answers = [one.wait() for one in crowd]
        good = [answer for answer in answers if answer[0] == 200]
        assert {answer[0] for answer in answers} <= {200, 429, 504}
        assert len(good) >= 4
        assert len(good) <= 30
        for i, (status, body) in enumerate(answers):
            assert status != 200 or json.loads(body) == {"y": [100.0 + i]}
        assert counted(served, 'mbuild_shed_total{model="fake",reason="slo"}') >= 10


def test_answers_are_kept_where_that_is_asked_for(tmp_path: Any) -> None:
    with serving(tmp_path, MBUILD_ANSWER_CACHE=10_000) as served:
        served.until_ready()
        for _ in range(3):
            assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
        assert counted(served, 'mbuild_cache_total{model="fake",outcome="hit"}') == 2
        assert counted(served, 'mbuild_batch_requests_sum{model="fake"}') == 1
