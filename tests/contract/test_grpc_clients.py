"""gRPC's own clients against the real server: Triton's, KServe's, and grpcio's stubs, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import modelbuild_runtime
from contract.clients.environment import HERE, python_of
from contract.server import DATATYPES, Address, serving
from contract.test_tritonclient import VALUES

pytestmark = pytest.mark.slow


def session(environment: str, script: str, echo: Address) -> dict[str, Any]:
    command = [str(python_of(environment)), str(HERE / script), echo.grpc]
    done = subprocess.run(command, input=json.dumps(VALUES), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def sessions(echo: Address) -> dict[str, Any]:
    return session("grpc", "grpc_session.py", echo)


@pytest.fixture(scope="module")
def triton(sessions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sessions["triton"]
    return found


@pytest.fixture(scope="module")
def kserve(echo: Address) -> dict[str, Any]:
    return session("kserve", "kserve_grpc_session.py", echo)


def close_to(datatype: str) -> Any:
    return pytest.approx(VALUES[datatype], rel=1e-6) if datatype == "FP32" else VALUES[datatype]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype(triton, kserve, datatype):
    assert triton["values"][datatype] == close_to(datatype)
    assert kserve["binary"][datatype] == close_to(datatype)


def test_health(triton, kserve, sessions):
    assert (triton["live"], triton["ready"], triton["model"]) == (True, True, [True, True, False])
    assert (kserve["live"], kserve["ready"], kserve["model"]) == (True, True, [True, False])
    assert sessions["grpcio"]["health"] == ["SERVING", "SERVING"]
    assert sessions["grpcio"]["watched"] == "SERVING"


def test_ids_and_outputs(triton, kserve):
    assert triton["id"] == kserve["id"] == "an-id"
    assert kserve["name"] == "echo"
    assert triton["some"] == ["INT64"]
    assert triton["classes"] == ["0.500000:1", "0.250000:0"]


def test_what_the_server_says_of_itself(triton):
    assert "classification" in triton["metadata"]["extensions"]
    assert triton["tensors"] == list(DATATYPES)
    assert triton["config"] == {"name": "BOOL", "data_type": "TYPE_BOOL", "dims": ["-1"]}
    assert triton["index"] == [{"name": "echo", "version": "1", "state": "READY"}]
    assert triton["counted"] is True
    assert triton["log"] == {"bool_param": True}
    assert triton["trace"] == {"value": ["OFF"]}
    assert triton["regions"] == [{}, {}]


def test_compressed_and_large_messages(triton):
    assert triton["gzip"] == triton["deflate"] == VALUES["FP64"]
    assert triton["large"] is True


def test_errors_reach_the_client_in_words(triton, kserve):
    assert triton["another"] == ["StatusCode.NOT_FOUND", "Request for unknown model: 'other' is not found"]
    assert triton["missing"][0] == "StatusCode.INVALID_ARGUMENT"
    assert "'BOOL' is missing" in triton["missing"][1]
    assert triton["raised"][0] == "StatusCode.INTERNAL"
    assert "secret" not in triton["raised"][1]
    assert triton["late"][0] == "StatusCode.DEADLINE_EXCEEDED"
    assert triton["no memory"][0] == triton["unload"][0] == "StatusCode.UNIMPLEMENTED"
    assert kserve["error"][0] == "INVALID_ARGUMENT"
    assert "is missing" in kserve["error"][1]
    assert "'FP16' is missing" in kserve["typed"][1], "and what was typed was read"


def test_a_stream_is_answered_in_order_and_outlives_an_error(triton):
    expected: list[Any] = [[str(number), number] for number in range(100)]
    expected[50] = ["error", "Request for unknown model: 'other' is not found"]
    assert triton["stream"] == expected


def test_the_asynchronous_client(sessions):
    assert sessions["aio"] == [[str(number), number] for number in range(50)]


def test_reflection_and_methods_that_are_not_there(sessions):
    found = sessions["grpcio"]
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(found["services"])
    assert found["file"] == ["open_inference.proto", ["triton_model_config.proto"]]
    assert found["/inference.GRPCInferenceService/Nothing"] == found["/a.B/C"] == "UNIMPLEMENTED"


FOREIGN = ("tritonclient.grpc", "grpc_health.v1.health_pb2", "grpc_reflection.v1alpha.reflection_pb2")


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_handler_may_import_what_the_same_messages_were_generated_into(ours_first):
    ours = "from modelbuild_runtime.grpc import messages\nfor name in NAMES: messages.load(name)\nmessages.prepare()\n"
    theirs = "".join(f"import {module}\n" for module in FOREIGN)
    names = "NAMES = ['open_inference', 'grpc_health', 'grpc_reflection_v1alpha']\n"
    check = (
        "from tritonclient.grpc import service_pb2\n"
        "mine = messages.load('open_inference').ModelInferRequest(model_name='m', raw_input_contents=[b'x'])\n"
        "assert service_pb2.ModelInferRequest.FromString(mine.SerializeToString()).model_name == 'm'\n"
    )
    code = names + (ours + theirs if ours_first else theirs + ours) + check
    environment = {**os.environ, "PYTHONPATH": str(Path(modelbuild_runtime.__file__).parents[1])}
    done = subprocess.run(
        [python_of("grpc"), "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_client_is_asked_to_leave_before_the_server_does(tmp_path):
    """What is on its way is answered; a later call is told at once that nobody is there."""
    code = (
        "import grpc, sys, threading\n"
        "import numpy as np, tritonclient.grpc as triton\n"
        "client = triton.InferenceServerClient(sys.argv[1])\n"
        "item = triton.InferInput('BYTES', [1, 1], 'BYTES').set_data_from_numpy(np.array([['sleep']], object))\n"
        "answers = []\n"
        "done = threading.Event()\n"
        "client.async_infer('echo', [item], callback=lambda result, error: (answers.append(error), done.set()))\n"
        "import time; time.sleep(0.2); print('asked', flush=True)\n"
        "assert done.wait(20) and answers == [None], answers\n"
        "time.sleep(1)\n"
        "quick = triton.InferInput('BYTES', [1, 1], 'BYTES').set_data_from_numpy(np.array([['a']], object))\n"
        "try: client.infer('echo', [quick])\n"
        "except triton.InferenceServerException as error: print(error.status())\n"
    )
    with serving(tmp_path, [{"name": "BYTES", "datatype": "BYTES", "shape": [-1, -1]}]) as address:
        asking = subprocess.Popen(
            [python_of("grpc"), "-c", code, address.grpc], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert asking.stdout.readline() == "asked\n"
    output, errors = asking.communicate(timeout=30)
    assert asking.returncode == 0, errors
    assert output == "StatusCode.UNAVAILABLE\n"


def test_calls_that_end_in_the_queue_are_never_run(tmp_path):
    """One whose deadline passes, and one that is cancelled, behind a slow one; grpcio's own client, real sockets."""
    code = (
        "import sys, threading, time\n"
        "import numpy as np, tritonclient.grpc as triton\n"
        "from tritonclient.utils import InferenceServerException\n"
        "client = triton.InferenceServerClient(sys.argv[1])\n"
        "def item(text):\n"
        "    return [triton.InferInput('BYTES', [1, 1], 'BYTES').set_data_from_numpy(np.array([[text]], object))]\n"
        "answers, done, ended = [], threading.Event(), threading.Event()\n"
        "client.async_infer('echo', item('sleep'), callback=lambda result, error: (answers.append(error), done.set()))\n"
        "time.sleep(0.2)\n"
        "began = time.monotonic()\n"
        "try: client.infer('echo', item('late'), client_timeout=0.15)\n"
        "except InferenceServerException as error: print(error.status())\n"
        "call = client.async_infer('echo', item('gone'), callback=lambda result, error: ended.set())\n"
        "time.sleep(0.1); call.cancel(); assert ended.wait(5)\n"
        "assert not done.is_set(), 'the slow one is over before the others were'\n"
        "assert done.wait(20) and answers == [None], answers\n"
        "client.infer('echo', item('last'))\n"
    )
    with serving(tmp_path, [{"name": "BYTES", "datatype": "BYTES", "shape": [-1, -1]}]) as address:
        done = subprocess.run(
            [python_of("grpc"), "-c", code, address.grpc], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "StatusCode.DEADLINE_EXCEEDED\n"), done.stderr
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            counted = answer.read().decode()
    assert 'mbuild_batch_requests_sum{model="echo"} 2' in counted, "the slow one and the last"
