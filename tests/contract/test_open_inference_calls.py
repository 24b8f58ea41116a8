"""The Open Inference Protocol's methods of gRPC: what they answer, and with which codes they refuse."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.calls import Caller, code, words
from contract.models import MODELS
from contract.wires import Server, server
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.open_inference.grpc_request import _FIELDS
from modelbuild_runtime.tensor import NUMPY

MESSAGES = load("open_inference")
ROW = [5.0, 1.0, 2.0, 0.5]
RAW = np.array([ROW], np.float32).tobytes()


def call(method: str, message: Any = None, model: str = "iris", at: Server | None = None) -> Any:
    message = message if message is not None else getattr(MESSAGES, f"{method}Request")()
    sent = message if isinstance(message, bytes) else message.SerializeToString()
    return Caller(at or server(model)).call(f"inference.GRPCInferenceService/{method}", sent)


def told(method: str, model: str = "iris", at: Server | None = None, **fields: Any) -> dict[str, Any]:
    """The answer of a method that tells, with the names of the .proto file."""
    response = call(method, getattr(MESSAGES, f"{method}Request")(**fields), model, at)
    assert code(response) == 0, words(response)
    message = getattr(MESSAGES, f"{method}Response").FromString(response.body)
    return MessageToDict(message, preserving_proto_field_name=True)


def question(
    raw: bytes | None = RAW, name: str = "x", datatype: str = "FP32", shape: Any = (1, 4), **fields: Any
) -> Any:
    message = MESSAGES.ModelInferRequest(model_name=fields.pop("model_name", "iris"), **fields)
    message.inputs.add(name=name, datatype=datatype, shape=shape)
    if raw is not None:
        message.raw_input_contents.append(raw)
    return message


def infer(message: Any, model: str = "iris") -> Any:
    response = call("ModelInfer", message, model)
    assert code(response) == 0, words(response)
    return MESSAGES.ModelInferResponse.FromString(response.body)


def texts(raw: bytes) -> list[bytes]:
    found = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return found


def test_raw_tensors_in_and_out():
    answer = infer(question(id="7"))
    assert (answer.model_name, answer.model_version, answer.id) == ("iris", "1", "7")
    assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [
        ("label", "BYTES", [1]),
        ("probabilities", "FP32", [1, 3]),
    ]
    assert texts(answer.raw_output_contents[0]) == [b"setosa"]
    assert np.frombuffer(answer.raw_output_contents[1], np.float32).tolist() == [0.75, 0.125, 0.125]
    assert not answer.outputs[1].HasField("contents")


def test_tensors_in_the_field_of_their_datatype():
    message = question(None)
    message.inputs[0].contents.fp32_contents.extend(ROW)
    assert infer(message).raw_output_contents == infer(question()).raw_output_contents
    assert infer(message).id == ""


@pytest.mark.parametrize("datatype", sorted(_FIELDS))
def test_every_datatype_has_its_field(datatype):
    contents = MESSAGES.InferTensorContents.DESCRIPTOR.fields_by_name[_FIELDS[datatype]]
    value = b"a" if datatype == "BYTES" else NUMPY[datatype].type(1).item()
    getattr(MESSAGES.InferTensorContents(), contents.name).append(value)


def test_only_the_outputs_that_are_asked_for_and_classes():
    message = question()
    message.outputs.add(name="probabilities").parameters["classification"].int64_param = 2
    answer = infer(message)
    assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [("probabilities", "BYTES", [1, 2])]
    assert texts(answer.raw_output_contents[0]) == [b"0.750000:0:setosa", b"0.125000:1:versicolor"]


def test_other_models():
    message = question(b"\x03\0\0\0\xff\0\x01", "image", "BYTES", (1,), model_name="picture")
    answer = infer(message, "picture")
    assert np.frombuffer(answer.raw_output_contents[0], np.int64).tolist() == [3]
    assert texts(answer.raw_output_contents[1]) == [b"\xff\0\x01"]
    matrix = question(np.arange(6, dtype=np.int32).tobytes(), "m", "INT32", (2, 3), model_name="matrix")
    assert list(infer(matrix, "matrix").outputs[0].shape) == [3, 2]
    items = infer(question(np.float64(1).tobytes(), "x", "FP64", (1,), model_name="items"), "items")
    assert [output.name for output in items.outputs] == ["text", "tags", "n"]
    raw = question(b"\x02\0\0\0hi", "body", "BYTES", (1,), model_name="raw")
    assert texts(infer(raw, "raw").raw_output_contents[0]) == [b"body=hi"]
    numbers = call("ModelInfer", question(model_name="raw"), "raw")
    assert words(numbers).endswith("this model's handler reads bodies by itself; send one element of BYTES")


def with_contents() -> Any:
    message = question()
    message.inputs[0].contents.fp32_contents.extend(ROW)
    return message


def in_another_field() -> Any:
    message = question(None)
    message.inputs[0].contents.fp64_contents.extend(ROW)
    return message


def with_parameter(**value: Any) -> Any:
    message = question()
    message.parameters["timeout"].CopyFrom(MESSAGES.InferParameter(**value))
    return message


def asking_for(name: str) -> Any:
    message = question()
    message.outputs.add(name=name)
    return message


def in_shared_memory() -> Any:
    message = question(None)
    message.inputs[0].parameters["shared_memory_region"].string_param = "r"
    return message


def two_raw() -> Any:
    message = question()
    message.raw_input_contents.append(b"")
    return message


def twice() -> Any:
    message = two_raw()
    message.inputs.add(name="x", datatype="FP32", shape=[0])
    return message


@pytest.mark.parametrize(
    ("message", "expected", "said"),
    [
        (b"\xff", 3, "the message is no ModelInferRequest"),
        (b"", 5, "Request for unknown model: '' is not found"),
        (question(model_name="other"), 5, "Request for unknown model: 'other' is not found"),
        (question(model_version="9"), 5, "Request for unknown model: 'iris' version 9 is not found"),
        (MESSAGES.ModelInferRequest(model_name="iris"), 3, "'x' is missing"),
        (
            with_contents(),
            3,
            "contents field must not be specified when using raw_input_contents for 'x' for model 'iris'",
        ),
        (two_raw(), 3, "expected 1 raw_input_contents for model 'iris', got 2"),
        (twice(), 3, "input 'x' is there twice"),
        (question(RAW[:-1]), 3, "takes 16 bytes, got 15"),
        (question(None), 3, "is 4 elements, and the data has 0"),
        (in_another_field(), 3, "FP32 is sent in fp32_contents, not in fp64_contents"),
        (question(None, datatype="FP16"), 3, "FP16 has no field in contents; use raw_input_contents"),
        (question(datatype="FP31"), 3, "datatype 'FP31' is not supported"),
        (question(datatype="BF16"), 3, "datatype 'BF16' is not supported"),
        (question(shape=(-1, 4)), 3, "no array has the shape [-1, 4]"),
        (question(shape=(0, 1 << 60)), 3, "no array has the shape"),
        (question(name="y"), 3, "'y'"),
        (in_shared_memory(), 3, "shared memory is not supported"),
        (asking_for("z"), 3, "'z'"),
        (with_parameter(string_param="soon"), 3, "timeout must be a number of microseconds"),
        (with_parameter(), 3, "parameter 'timeout' has no value"),
    ],
)
def test_what_is_wrong_is_told(message, expected, said):
    response = call("ModelInfer", message)
    assert code(response) == expected
    assert said in words(response).replace("%25", "%")


def test_what_the_model_s_code_says_reaches_no_client():
    broken = Server("iris")
    broken.pipeline.run = lambda inputs, parameters=None: 1 / 0
    response = call("ModelInfer", question(), at=broken)
    assert code(response) == 13
    assert "division" not in words(response)


def test_a_stream_answers_each_message_and_errors_are_answers_too():
    answer = MESSAGES.ModelStreamInferResponse.FromString(call("ModelStreamInfer", question(id="1")).body)
    assert answer.error_message == ""
    assert answer.infer_response.id == "1"
    assert answer.infer_response.parameters["triton_final_response"].bool_param is True
    response = call("ModelStreamInfer", question(model_name="other", id="2"))
    answer = MESSAGES.ModelStreamInferResponse.FromString(response.body)
    assert "grpc-status" not in dict(response.headers)
    assert answer.error_message == "Request for unknown model: 'other' is not found"
    assert answer.infer_response.id == "2"
    assert response.status == 404
    assert MESSAGES.ModelStreamInferResponse.FromString(call("ModelStreamInfer", b"\xff").body).error_message


def told_in_parts(text: str, **fields: Any) -> list[Any]:
    raw = len(text).to_bytes(4, "little") + text.encode()
    message = question(raw, "prompt", "BYTES", (1,), model_name="story", id="7")
    for name, value in fields.items():
        message.parameters[name].CopyFrom(MESSAGES.InferParameter(**value))
    return [
        MESSAGES.ModelStreamInferResponse.FromString(part) for part in call("ModelStreamInfer", message, "story").parts
    ]


def test_a_handler_that_makes_parts_answers_in_several():
    answers = [answer.infer_response for answer in told_in_parts("once upon a time", most={"int64_param": 3})]
    assert [texts(answer.raw_output_contents[0]) for answer in answers] == [[b"once "], [b"upon "], [b"a "]]
    assert {answer.id for answer in answers} == {"7"}
    assert [answer.parameters["triton_final_response"].bool_param for answer in answers] == [False] * 3
    *_, last = told_in_parts("once", triton_enable_empty_final_response={"bool_param": True})
    assert last.infer_response.parameters["triton_final_response"].bool_param is True
    assert not last.infer_response.outputs
    whole = question(b"\4\0\0\0once", "prompt", "BYTES", (1,), model_name="story")
    assert texts(infer(whole, "story").raw_output_contents[0]) == [b"once "]


def test_parts_that_break_off_end_with_an_error_of_their_own():
    *parts, last = told_in_parts("once upon stop")
    assert len(parts) == 2
    assert "the model or its handler failed" in last.error_message
    assert last.infer_response.id == "7"


def test_health():
    waiting = Server("iris", ready=False)
    assert (told("ServerLive"), told("ServerLive", at=waiting)) == ({"live": True}, {})
    assert (told("ServerReady"), told("ServerReady", at=waiting)) == ({"ready": True}, {})
    assert told("ModelReady", name="iris", version="1") == {"ready": True}
    assert told("ModelReady", name="iris", at=waiting) == {}
    assert told("ModelReady", name="other") == {}
    assert told("ModelReady", name="iris", version="2") == {}


@pytest.mark.parametrize("model", sorted(MODELS))
def test_what_rest_says_grpc_says_too(model):
    def rest(path: str, method: str = "GET") -> Any:
        return json.loads(server(model).ask(method, path).body)

    assert told("ServerMetadata") == rest("/v2")
    metadata = rest(f"/v2/models/{model}")
    for tensor in (*metadata["inputs"], *metadata["outputs"]):
        tensor["shape"] = [str(size) for size in tensor["shape"]]
    found = told("ModelMetadata", model, name=model)
    assert {"inputs": [], "outputs": [], **found} == metadata
    config = told("ModelConfig", model, name=model)["config"]
    said = rest(f"/v2/models/{model}/config")
    assert (config["name"], config["platform"]) == (said["name"], said["platform"])
    assert config.get("max_batch_size", 0) == said["max_batch_size"]
    assert [tensor["data_type"] for tensor in config.get("input", [])] == [t["data_type"] for t in said["input"]]
    statistics = told("ModelStatistics", model, name=model)["model_stats"][0]["inference_stats"]
    expected = rest(f"/v2/models/{model}/stats")["model_stats"][0]["inference_stats"]
    assert statistics["success"] == {key: str(value) for key, value in expected["success"].items()}
    assert told("ModelStatistics", model) == told("ModelStatistics", model, name=model)
    index = rest("/v2/repository/index", "POST")
    assert told("RepositoryIndex", model)["models"] == [{k: v for k, v in index[0].items() if v}]


def test_the_repository_has_one_model_that_stays():
    assert told("RepositoryIndex", at=Server("iris", ready=False), ready=True) == {}
    assert told("RepositoryModelLoad", model_name="iris") == {"model_name": "iris", "isLoaded": True}
    asked = MESSAGES.RepositoryModelLoadRequest(model_name="iris")
    asked.parameters["config"].string_param = "{}"
    assert code(call("RepositoryModelLoad", asked)) == 12
    assert code(call("RepositoryModelLoad", MESSAGES.RepositoryModelLoadRequest(model_name="a"))) == 5
    assert code(call("RepositoryModelUnload", MESSAGES.RepositoryModelUnloadRequest(model_name="iris"))) == 12


def test_settings_are_told_and_stay():
    assert told("LogSettings")["settings"]["log_info"] == {"bool_param": True}
    assert told("TraceSetting")["settings"]["trace_level"] == {"value": ["OFF"]}
    changed = MESSAGES.TraceSettingRequest()
    changed.settings["trace_level"].value.append("TIMESTAMPS")
    assert code(call("TraceSetting", changed)) == 12
    log = MESSAGES.LogSettingsRequest()
    log.settings["log_info"].bool_param = False
    assert code(call("LogSettings", log)) == 12


@pytest.mark.parametrize("kind", ["System", "Cuda"])
def test_shared_memory(kind):
    assert told(f"{kind}SharedMemoryStatus") == told(f"{kind}SharedMemoryUnregister") == {}
    response = call(f"{kind}SharedMemoryRegister")
    assert code(response) == 12
    assert words(response) == "shared memory is not supported: this server shares none with its clients"


@given(st.binary(max_size=200), st.sampled_from(sorted(MODELS)))
@settings(deadline=None)
def test_no_bytes_make_the_server_fail(body, model):
    for method in ("ModelInfer", "ModelStreamInfer", "ModelMetadata", "RepositoryModelLoad", "LogSettings"):
        assert call(method, body, model).status < 500 or code(call(method, body, model)) == 12


SIZES = st.lists(st.integers(-2, 5) | st.integers(-(1 << 63), (1 << 63) - 1), max_size=4)


@given(
    st.sampled_from([*NUMPY, "BF16", ""]), SIZES, st.none() | st.binary(max_size=40), st.sampled_from(sorted(MODELS))
)
@settings(deadline=None)
def test_no_tensor_makes_the_server_fail(datatype, shape, raw, model):
    name = next(iter(spec.name for spec in server(model).service.contract.inputs), "x")
    message = question(raw, name, datatype, shape, model_name=model)
    assert call("ModelInfer", message, model).status in {200, 400, 413}
