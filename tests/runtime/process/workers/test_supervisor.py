"""Several processes on one port."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import time
from contextlib import closing
from functools import partial
from types import SimpleNamespace

from modelbuild_runtime.process.workers import supervisor
from modelbuild_runtime.process.workers.supervisor import running_threads
from modelbuild_runtime.settings import Settings
from runtime.processes import InBackground, Served, run, serving

ONE_THREAD = {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1}


def pids(served: Served, count: int) -> set[int]:
    """So many different processes answer."""
    found: set[int] = set()

    def enough() -> bool:
        if served.status("/pid") == 200:
            found.add(int(served.get("/pid")[1]))
        return len(found) >= count

    served.until(enough)
    return found


def test_what_workers_share_is_there_before_the_fork(monkeypatch):
    made = []
    spoken = [SimpleNamespace(made=partial(made.append, name)) for name in ("one", "two")]
    model = SimpleNamespace(service=SimpleNamespace(protocols=spoken))
    monkeypatch.setattr(supervisor, "load_model", lambda *_: model)
    monkeypatch.setattr(supervisor, "running_threads", lambda: 1)
    monkeypatch.setattr(supervisor, "settle", lambda _: made.append("settled"))
    assert supervisor._preload(Settings(grpc_port=0), 1) is model
    assert made == ["one", "two", "settled"]


def test_workers_share_a_port_and_add_up_their_counters(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        assert served.process.pid not in pids(served, 2)
        for i in range(20):
            assert served.get("/predict", [[i + 20, 0, 0]]) == (200, b'{"y":[%d.0]}' % (i + 20))

        def counted() -> bool:
            return b'mbuild_predictions_total{model="fake",outcome="succeeded"} 20.0' in served.get("/metrics")[1]

        served.until(counted)
        served.until(counted)
        served.terminate()
        status, log = served.end()
    assert status == 0
    assert "Traceback" not in log


def test_a_worker_that_dies_is_replaced_and_its_counts_stay(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        before = pids(served, 2)
        for _ in range(10):
            served.get("/predict", [[1, 0, 0]])
        time.sleep(1.5)  # each worker leaves its numbers on the board once a second
        assert b'outcome="succeeded"} 10.0' in served.get("/metrics")[1]
        assert served.get("/predict", [[13, 0, 0]])[0] == 502
        served.until(lambda: "died after" in served.log.read_text())
        assert len(pids(served, 2) - before) == 1
        served.until(lambda: b'outcome="succeeded"} 10.0' in served.get("/metrics")[1])
    log = served.log.read_text()
    assert re.search(
        r"worker [01] \(process \d+\) died after [\d.]+ s: killed by SIGKILL \(Killed\); in flight: \w+\n", log
    )


def test_whoever_a_dead_worker_had_not_answered_is_told(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, MBUILD_LOG_FORMAT="json", **ONE_THREAD) as served:
        pids(served, 2)
        with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)) as connection:
            connection.request("POST", "/predict", "[[1,0,0]]")
            assert connection.getresponse().read() == b'{"y":[1.0]}'
            connection.request("POST", "/predict", "[[13,1,0]]", {"x-request-id": "the-last-one"})
            response = connection.getresponse()
            told = json.loads(response.read())
            assert response.will_close
        assert (response.status, response.headers["x-request-id"]) == (502, "the-last-one")
        assert (told["code"], told["request_id"]) == ("worker_died", "the-last-one")
        served.until(lambda: b'mbuild_worker_deaths_total{cause="signal"} 1.0' in served.get("/metrics")[1])
        assert b"mbuild_requests_lost_total 1.0" in served.get("/metrics")[1]
    deaths = [json.loads(line) for line in served.log.read_text().splitlines() if "died after" in line]
    assert [(line["request_ids"], line["cause"]) for line in deaths] == [(["the-last-one"], "signal")], deaths


def test_a_worker_that_is_told_to_stop_while_it_starts_has_not_died(tmp_path):
    """Its examples catch what tells it, and take a while."""
    with serving(tmp_path, MBUILD_WORKERS=2, FAKE_SECONDS=0.3, **ONE_THREAD) as served:
        pids(served, 2)
        assert served.get("/predict", [[13, 0, 0]])[0] == 502
        served.until(lambda: "died after" in served.log.read_text())
        time.sleep(0.1)
        served.terminate()
        status, log = served.end()
    assert status == 0
    assert log.count("died after") == 1
    assert "did not stop" not in log


def test_a_request_that_ends_workers_twice_is_not_run_again(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        before = pids(served, 2)
        for _ in range(2):
            assert served.get("/predict", [[13, 0, 0]])[0] == 502
            assert len(pids(served, 2) - before) > 0
        after = pids(served, 2)
        for _ in range(6):
            status, body = served.get("/predict", [[13, 0, 0]])
            assert (status, json.loads(body)["fake"]) == (422, REFUSED)
        assert served.get("/predict", [[1, 0, 0]])[0] == 200
        assert pids(served, 2) == after
        assert served.get("/predict", [[13, 0, 1]])[0] == 502  # another
    assert "it is quarantined" in served.log.read_text()


def test_requests_that_kill_one_worker_after_the_other_do_not_end_the_server(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        pids(served, 2)
        for number in range(6):
            assert served.get("/predict", [[13, 2, number]])[0] == 502
        assert len(pids(served, 2)) == 2
        assert served.get("/predict", [[1, 0, 0]])[0] == 200


def test_a_worker_that_is_held_up_for_ever_is_replaced_and_who_waits_for_it_is_answered(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, MBUILD_TIMEOUT=0.5, **ONE_THREAD) as served:
        one, other = pids(served, 2)
        held_up({one})
        waiting = [InBackground(served, [[number, 0, 0]]) for number in range(20, 50)]
        served.until(lambda: "died after" in served.log.read_text())
        assert [one.wait() for one in waiting] == [(200, b'{"y":[%d.0]}' % number) for number in range(20, 50)]
        after = pids(served, 2)
        log = served.log.read_text()
    assert (one in after, other in after) == (False, True)
    assert re.search(r"worker [01] \(process \d+\) has answered nobody for \d s: killed\n", log)
    assert log.count("died after") == 1


def test_a_prediction_that_never_ends_costs_one_of_several_workers_its_process(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, MBUILD_TIMEOUT=0.5, FAKE_SECONDS=0.004, **ONE_THREAD) as served:
        before = pids(served, 2)
        assert served.get("/predict", [[14, 0, 0]])[0] == 504
        served.until(lambda: "died after" in served.log.read_text())
        after = pids(served, 2)
    assert len(before & after) == 1


def test_workers_that_a_frozen_container_held_up_are_not(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, MBUILD_TIMEOUT=0.5, **ONE_THREAD) as served:
        workers = pids(served, 2)
        everybody = [*workers, served.process.pid]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in everybody[:: 1 if number == signal.SIGSTOP else -1]:
                os.kill(pid, number)
            time.sleep(4.5)
        assert pids(served, 2) == workers
        assert "killed" not in served.log.read_text()


REFUSED = "this request has ended this server's processes twice, and is not run again"


def test_a_connection_ends_for_the_client_when_the_worker_closes_it(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        pids(served, 2)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", served.port), 5) as sock:
                sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                while sock.recv(4096):
                    pass


def held_up(workers: set[int]) -> None:
    """From now on they accept nobody: who comes waits in their queues."""
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    time.sleep(0.1)


def end(workers: set[int]) -> None:
    for worker in workers:
        os.kill(worker, signal.SIGKILL)


def test_nobody_is_refused_while_all_workers_are_replaced(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        workers = pids(served, 2)
        for _ in range(2):  # a fifth worker that dies young ends the server
            held_up(workers)
            waiting = [InBackground(served, [[number, 0, 0]]) for number in range(20, 40)]
            time.sleep(0.3)
            end(workers)
            late = [served.get("/predict", [[number, 0, 0]]) for number in range(40, 60)]  # while nobody is there
            assert [one.wait() for one in waiting] == [(200, b'{"y":[%d.0]}' % number) for number in range(20, 40)]
            assert late == [(200, b'{"y":[%d.0]}' % number) for number in range(40, 60)]
            workers = pids(served, 2)
        served.terminate()
        assert served.end()[0] == 0
        assert served.status("/health/live") == 0


def answered(sock: socket.socket) -> bytes:
    """All that comes; nothing after a connection that breaks."""
    data = b""
    try:
        while more := sock.recv(4096):
            data += more
    except ConnectionResetError:
        data += b"<reset>"
    return data


def test_what_workers_had_not_read_when_they_died(tmp_path):
    """On a new connection it is answered. On one that was in use it is not: part of an answer may be on its way."""
    question = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    with serving(tmp_path, MBUILD_WORKERS=2, **ONE_THREAD) as served:
        workers = pids(served, 2)
        new, used, idle = [socket.create_connection(("127.0.0.1", served.port), 10) for _ in range(3)]
        with new, used, idle:
            used.sendall(question)
            assert used.recv(4096).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.3)  # all are accepted
            held_up(workers)
            new.sendall(question)
            used.sendall(question)
            end(workers)
            told = answered(new)
            assert told.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in told
            assert b'"code":"worker_died"' in told
            assert answered(used) in (b"", b"<reset>")
            assert answered(idle) == b""
        served.until(lambda: served.status("/health/live") == 200)


def test_who_waits_for_a_worker_that_takes_long_to_be_replaced_is_answered_by_another(tmp_path):
    settings = {"MBUILD_PRELOAD": 0, "FAKE_LOADING": 4, **ONE_THREAD}
    with serving(tmp_path, MBUILD_WORKERS=2, **settings) as served:
        one, _ = pids(served, 2)
        held_up({one})
        waiting = [InBackground(served, [[number, 0, 0]]) for number in range(20, 50)]
        end({one})
        assert [one.wait() for one in waiting] == [(200, b'{"y":[%d.0]}' % number) for number in range(20, 50)]
        assert served.log.read_text().count("is ready") == 2
        served.until(lambda: served.log.read_text().count("is ready") == 3)
        assert len(pids(served, 2)) == 2
        time.sleep(1.2)  # whoever stood in has left by now
        assert [served.get("/predict", [[number, 0, 0]])[0] for number in range(20, 40)] == [200] * 20


def test_sigterm_drains_all_workers(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, FAKE_SECONDS=0.004, **ONE_THREAD) as served:
        pids(served, 2)
        running = [InBackground(served, [[14, i, 0]]) for i in range(4)]
        served.until(lambda: re.search(rb"mbuild_in_flight [23456]", served.get("/metrics")[1]))
        served.terminate()
        served.let_go()
        assert [one.wait() for one in running] == [(200, b'{"y":[%d.0]}' % (14 + i)) for i in range(4)]
        assert served.end()[0] == 0


def test_workers_that_cannot_start_end_the_server(tmp_path):
    settings = {"MBUILD_WORKERS": 2, "MBUILD_PRELOAD": 0, "FAKE_BROKEN": "load", "MBUILD_PORT": 0}
    done = run(tmp_path, "serve", **settings)
    assert done.returncode == 1
    assert "worker 0: the model is broken" in done.stderr
    assert "workers die as soon as they start: giving up" in done.stderr


def test_each_worker_may_load_for_itself(tmp_path):
    with serving(tmp_path, MBUILD_WORKERS=2, MBUILD_PRELOAD=0) as served:
        pids(served, 2)
        assert served.get("/predict", [[1, 2, 3]])[0] == 200


def test_threads_are_counted(tmp_path):
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    assert running_threads(tmp_path) == 3
    assert running_threads(tmp_path / "nowhere") == 2
