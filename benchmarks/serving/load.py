"""Asking a server: whether its answers are right, and then by wrk how many it gives."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from forms import Form
from processes import StartError, cpu_seconds, ended, memory_mb

HERE = Path(__file__).parent
HOST, PORT = "127.0.0.1", 18431
_PATIENCE = 60
_NEAR = 1e-4


class Question(NamedTuple):
    """One way to ask a server. ``label`` tells it from the others of the same server; ``warm_up`` is in seconds."""

    path: str
    form: Form
    label: str = ""
    warm_up: float = 0.5


class WrongAnswerError(Exception):
    """A server answered, but not what the model says."""


def until_answered(pid: int, question: Question, rows: np.ndarray, pause: float = 0.02) -> None:
    """Wait for the first answer, asking again after ``pause`` seconds. Raises StartError after a minute, and as soon as
    the server's process has ended.
    """
    end = time.monotonic() + _PATIENCE
    said = "no answer"
    while time.monotonic() < end and not ended(pid):
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, body = _post(http.client.HTTPConnection(HOST, PORT, timeout=5), question, rows)
            if status == 200:
                return
            said = f"status {status}: {body[:200]!r}"
        time.sleep(pause)
    raise StartError(said)


def check(question: Question, inputs: np.ndarray, answers: np.ndarray) -> None:
    """Every answer right, before any number is believed."""
    connection = http.client.HTTPConnection(HOST, PORT, timeout=30)
    for rows, expected in zip(inputs, answers, strict=True):
        status, head, body = _post(connection, question, rows)
        if status != 200:
            raise WrongAnswerError(f"status {status}: {body[:300]!r}")
        given = question.form.read(head, body)
        if given.shape != expected.shape or not np.allclose(given, expected, atol=_NEAR):
            raise WrongAnswerError(f"{given.tolist()}, expected {expected.tolist()}"[:400])
    connection.close()


def _post(
    connection: http.client.HTTPConnection, question: Question, rows: np.ndarray
) -> tuple[int, dict[str, str], bytes]:
    fields, body = question.form.write(rows)
    connection.request("POST", question.path, body, fields)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@contextlib.contextmanager
def prepared(question: Question, inputs: np.ndarray) -> Iterator[dict[str, str]]:
    """What load.lua reads, as variables."""
    written = [question.form.write(rows) for rows in inputs]
    told = {fields.get("Inference-Header-Content-Length") for fields, _ in written}
    if len(told) > 1:
        raise ValueError("the requests of a burst have the same header fields")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(body for _, body in written))
        file.flush()
        yield {
            "REQUESTS": file.name,
            "LENGTHS": " ".join(str(len(body)) for _, body in written),
            "FIELDS": "\n".join(f"{name}: {value}" for name, value in written[0][0].items()),
            "TARGET_PATH": question.path,
        }


def sent(requests: dict[str, str], connections: int, seconds: float, port: int = PORT) -> dict[str, float]:
    """What wrk says of so many seconds, on processor 1. It counts whole seconds: it is told to stop."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", "-d600s", "-s", str(HERE / "load.lua")]
    variables = {**os.environ, **requests}
    wrk = subprocess.Popen([*command, f"http://{HOST}:{port}"], env=variables, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(seconds)
        wrk.send_signal(signal.SIGINT)
        output, _ = wrk.communicate(timeout=30)
    finally:
        wrk.kill()
    told = re.search(r"JSON(.*)", output)
    if told is None:
        raise ValueError(f"wrk says {output!r}")
    return json.loads(told.group(1))


def burst(pid: int, requests: dict[str, str], connections: int, seconds: float) -> dict[str, float]:
    """One burst. Rates are a second, times milliseconds, CPU microseconds a request."""
    before = cpu_seconds(pid)
    result = sent(requests, connections, seconds)
    if result["bad"] or not result["requests"]:
        raise WrongAnswerError(f"{result['bad']} of {result['requests']} requests failed")
    return {
        "requests_per_second": result["requests"] / result["seconds"],
        "cpu_us": (cpu_seconds(pid) - before) / result["requests"] * 1e6,
        "p50_ms": result["p50"],
        "p99_ms": result["p99"],
        "memory_mb": memory_mb(pid),
    }
