"""What grpcio's own client sees when a worker dies: those of its calls that the worker had are UNAVAILABLE, which it may
retry by itself; nobody else notices; and the request that ends workers twice is refused.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contract.clients.environment import HERE, python_of
from contract.server import serving

pytestmark = pytest.mark.slow

HANDLER = '''
import os
import time

import numpy as np


def preprocess(x: np.ndarray) -> np.ndarray:
    """13 ends the process after a while, 14 takes a while; the answer is the process."""
    if (x == 13).any():
        time.sleep(0.5)
        os.kill(os.getpid(), 9)
    if (x == 14).any():
        time.sleep(0.8)
    return np.full_like(x, os.getpid())
'''
INPUTS = [{"name": "x", "datatype": "INT64", "shape": [-1, 1]}]
QUARANTINED = ["INVALID_ARGUMENT", "this request has ended this server's processes twice, and is not run again"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("deaths")
    settings = {"MBUILD_WORKERS": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # or nothing can be forked
    with serving(folder, INPUTS, handler=HANDLER, **settings) as address:
        command = [str(python_of("grpc")), str(HERE / "grpc_deaths_session.py"), address.grpc]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found["log"] = (folder / "log").read_text()
    return found


def test_calls_that_a_dead_worker_had_are_unavailable(served):
    for code, words in (served["killer"], *served["waiting"]):
        assert code == "UNAVAILABLE"
        assert "ocket closed" in words or "reset by peer" in words


def test_calls_to_the_other_worker_are_answered_by_it(served):
    assert served["beside"]
    assert all(served["beside"])


def test_every_connection_is_answered_again(served):
    assert set(served["after"]) == {"int"}


def test_a_client_that_may_retry_is_answered_by_another_process(served):
    assert (served["retried"], served["retried, answered"]) == (True, "int")


def test_a_request_that_ends_workers_twice_is_refused_from_then_on(served):
    assert served["second time"][0] == "UNAVAILABLE"
    assert served["third time"] == QUARANTINED
    assert served["log"].count("it is quarantined") == 2


def test_one_that_is_retried_ends_no_more_than_two(served):
    assert served["another, retried"] == QUARANTINED
    assert served["log"].count("died after") == 4
