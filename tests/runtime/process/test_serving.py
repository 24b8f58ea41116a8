"""The server as a process: starting, ending, and what it answers meanwhile."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import modelbuild_runtime
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.process.ports.addresses import bind
from modelbuild_runtime.settings import Settings
from runtime.processes import InBackground, manifest, run, serving

HEALTH = Path(modelbuild_runtime.__file__).with_name("health.py")


def probe(port: int) -> int:
    command = [sys.executable, "-I", "-S", str(HEALTH)]
    return subprocess.run(command, env={"MBUILD_PORT": str(port)}, check=False, timeout=10).returncode


def test_it_is_alive_before_it_is_ready_and_the_probe_agrees(tmp_path):
    with serving(tmp_path, FAKE_LOADING=0.7) as served:
        served.until(lambda: served.status("/health/live"))
        assert served.status("/health/live") == 200
        assert served.status("/health/ready") == 503
        assert served.status("/health/startup") == 503
        assert served.get("/predict", [[1, 2, 3]])[0] == 503
        assert probe(served.port) == 1
        served.until_ready()
        assert probe(served.port) == 0
        assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
        assert served.get("/nothing")[0] == 404
    assert probe(served.port) == 1


def test_sigterm_lets_running_requests_finish_and_exits_0(tmp_path):
    with serving(tmp_path, FAKE_SECONDS=0.004) as served:
        served.until_ready()
        kept = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        kept.request("GET", "/pid")
        kept.getresponse().read()
        running = InBackground(served, [[14, 0, 0]])
        served.until(lambda: b"mbuild_in_flight 2.0" in served.get("/metrics")[1])
        served.terminate()
        served.until(lambda: "draining" in served.log.read_text())
        kept.request("GET", "/pid")  # the client could not know yet
        response = kept.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        served.until(lambda: served.status("/pid") == 0)
        served.let_go()
        assert running.wait() == (200, b'{"y":[14.0]}')
        status, log = served.end()
    assert status == 0
    assert "draining: 1 requests in flight" in log
    assert "Traceback" not in log
    kept.close()


def test_sigterm_ends_within_the_grace_period_whatever_runs(tmp_path):
    with serving(tmp_path, FAKE_BROKEN="exit", MBUILD_GRACE=0.3, FAKE_SECONDS=0.004) as served:
        served.until_ready()
        running = InBackground(served, [[14, 0, 0]])
        served.until(lambda: b"mbuild_in_flight 2.0" in served.get("/metrics")[1])
        served.terminate()
        assert running.wait() == (503, b'{"fake":"the server ends before this was answered","field":""}')
        status, log = served.end()
    assert status == 0
    assert "1 requests did not finish within MBUILD_GRACE" in log


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_within_the_grace_period_though_a_prediction_holds_up_the_loop(tmp_path, workers):
    one_thread = {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1}
    with serving(tmp_path, MBUILD_GRACE=0.3, MBUILD_WORKERS=workers, **one_thread) as served:
        served.until_ready()
        InBackground(served, [[-15, 0, 0]])
        served.until((tmp_path / "gate").exists)
        served.terminate()
        status, log = served.end()
    assert status == 0
    # On a busy machine the model may have been found so slow that it runs beside the loop, which then leaves by itself.
    assert log.count("MBUILD_GRACE is over") + log.count("did not finish within MBUILD_GRACE") == 1
    assert "did not stop: killed" not in log


def test_a_prediction_that_never_ends_makes_the_only_process_not_ready_and_then_not_alive(tmp_path):
    with serving(tmp_path, FAKE_SECONDS=0.004, MBUILD_TIMEOUT=0.5) as served:
        served.until_ready()
        assert served.get("/predict", [[14, 0, 0]])[0] == 504
        assert served.status("/health/ready") == 503
        served.until(lambda: served.status("/health/live") == 503)
        served.let_go()
        served.until(lambda: served.status("/health/ready") == 200)
        assert served.status("/health/live") == 200


def test_sigterm_while_loading(tmp_path):
    with serving(tmp_path, FAKE_LOADING=30) as served:
        served.until(lambda: served.status("/health/live") == 200)
        served.terminate()
        assert served.end()[0] == 0


@pytest.mark.parametrize("workers", [{}, {"MBUILD_WORKERS": 2}, {"MBUILD_WORKERS": 2, "MBUILD_PRELOAD": 0}])
def test_a_model_that_catches_everything_does_not_keep_the_process(tmp_path, workers):
    with serving(tmp_path, FAKE_LOADING=1, FAKE_BROKEN="deaf", FAKE_BEGUN=tmp_path / "begun", **workers) as served:
        served.until((tmp_path / "begun").exists)
        served.terminate()
        status, log = served.end()
    assert status == 0
    assert "ready" not in log


def test_sigterm_is_heard_before_anything_large_is_imported():
    """Process 1 of a container, which nothing ends by default, would go on until it is killed."""
    code = (
        "import os, signal, sys\n"
        "from modelbuild_runtime import __main__\n"
        "__main__.read_settings = lambda _: os.kill(os.getpid(), signal.SIGTERM)\n"
        "assert not {'numpy', 'asyncio', 'logging'} & set(sys.modules)\n"
        "__main__.main(['serve'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_sigterm_that_came_while_one_program_took_anothers_place():
    """As a supervisor's does whose model cannot be shared."""
    code = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    command = [sys.executable, "-c", code, "-m", "modelbuild_runtime", "serve"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_health_and_metrics_answer_while_a_prediction_blocks(tmp_path):
    with serving(tmp_path, FAKE_SECONDS=0.004) as served:
        served.until_ready()
        slow = InBackground(served, [[14, 0, 0]])
        served.until(lambda: b"mbuild_in_flight 2.0" in served.get("/metrics")[1])
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert served.get(path)[0] == 200
        assert slow.result is None
        served.let_go()
        assert slow.wait() == (200, b'{"y":[14.0]}')


def test_many_clients_get_their_own_answers(tmp_path):
    with serving(tmp_path, FAKE_SECONDS=0.004) as served:
        served.until_ready()
        for _ in range(3):
            asked = {i: InBackground(served, [[i, 0, 0]]) for i in range(30) if i not in {13, 14}}
            assert {i: one.wait() for i, one in asked.items()} == {i: (200, b'{"y":[%d.0]}' % i) for i in asked}
        text = served.get("/metrics")[1].decode()
        assert 'mbuild_predictions_total{model="fake",outcome="succeeded"} 84.0' in text


def test_a_client_that_goes_away_disturbs_nobody(tmp_path):
    with serving(tmp_path, FAKE_SECONDS=0.1) as served:
        served.until_ready()
        body = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n[[1,2,3]]"
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", served.port)) as client:
                client.sendall(body)
        assert served.get("/predict", [[4, 0, 0]]) == (200, b'{"y":[4.0]}')
        served.until(lambda: b"mbuild_in_flight 1.0" in served.get("/metrics")[1])
        assert "Traceback" not in served.log.read_text()


def test_a_model_that_cannot_be_loaded_is_told_and_ends_with_1(tmp_path):
    done = run(tmp_path, "serve", FAKE_BROKEN="load", MBUILD_PORT=0)
    assert done.returncode == 1
    assert done.stderr.endswith("error: the model is broken\nhint: train another\n")


def test_an_example_that_fails_keeps_the_server_from_starting(tmp_path):
    manifest(tmp_path, {"request": [[666, 0, 0]]})
    done = run(tmp_path, "serve", MBUILD_PORT=0)
    assert done.returncode == 1
    assert "error: the model or its handler fails on an example: ValueError: " in done.stderr


def test_an_example_that_is_refused_keeps_the_server_from_starting(tmp_path):
    manifest(tmp_path, {"name": "request.json", "request": [[1, 2]]})
    done = run(tmp_path, "serve", MBUILD_PORT=0)
    assert done.returncode == 1
    assert "error: the example 'request.json' is refused with 400: " in done.stderr
    assert "expected shape [3]" in done.stderr
    assert "hint: An example is a body of POST /predict" in done.stderr


def test_a_port_in_use_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, "serve", MBUILD_PORT=taken.getsockname()[1])
    assert done.returncode == 1
    assert "error: cannot listen on '127.0.0.1'" in done.stderr
    assert done.stderr.endswith("hint: set MBUILD_PORT\n")


@pytest.mark.parametrize("host", ["1.2.3.4", "\udcff", "a" * 70, "é" * 70])
def test_an_address_that_is_not_ours_is_told(host):
    with pytest.raises(LoadError, match="cannot listen on") as caught:
        bind(Settings(host=host, port=0))
    assert caught.value.hint == "set MBUILD_HOST"


def test_check_compares_the_examples(tmp_path):
    manifest(tmp_path, {"request": [[1, 2, 3]], "expected": {"y": [6.00001]}, "name": "good"}, {"request": [[1, 1, 1]]})
    done = run(tmp_path, "check")
    assert done.returncode == 0, done.stderr
    assert '"ok": true' in done.stdout
    assert '"name": "good"' in done.stdout
    manifest(tmp_path, {"request": [[1, 2, 3]], "expected": {"y": [7.0]}})
    done = run(tmp_path, "check")
    assert done.returncode == 1
    assert "$.y[0] is 6.0, expected 7.0" in done.stdout


def test_info_prints_manifest_and_contract(tmp_path):
    done = run(tmp_path, "info")
    assert done.returncode == 0
    assert '"name": "fake"' in done.stdout
    assert '"datatype": "FP32"' in done.stdout


def test_a_training_job_is_told_that_this_is_no_place_to_train(tmp_path):
    done = run(tmp_path, "train")
    assert done.returncode == 2
    assert done.stderr == "error: this image serves a model, and trains none\n"


def test_wrong_usage_ends_with_2(tmp_path):
    assert run(tmp_path, "explode").returncode == 2
    done = run(tmp_path, "serve", MBUILD_PORT="http")
    assert done.returncode == 2
    assert done.stderr == "error: MBUILD_PORT='http' is not a whole number\n"
    missing = run(tmp_path, "serve", MBUILD_MANIFEST=tmp_path / "none.json", MBUILD_PORT=0)
    assert missing.returncode == 1
    assert "hint: set MBUILD_MANIFEST" in missing.stderr
