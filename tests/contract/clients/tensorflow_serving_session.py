"""Runs in an environment of its own: asks the server with TensorFlow Serving's gRPC client, and prints what it got.

usage: tensorflow_serving_session.py ECHO CLASSES NUMBER < {"DATATYPE": [value, ...], ...}

Each argument is host:port. ECHO answers each input under its name, CLASSES an input "p" of two numbers a row, NUMBER
an input "y" of one.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

DTYPES = {"BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
MESSAGES = (
    predict_pb2.PredictRequest,
    predict_pb2.PredictResponse,
    classification_pb2.ClassificationRequest,
    classification_pb2.ClassificationResponse,
    regression_pb2.RegressionRequest,
    regression_pb2.RegressionResponse,
    inference_pb2.MultiInferenceRequest,
    inference_pb2.MultiInferenceResponse,
    get_model_metadata_pb2.GetModelMetadataRequest,
    get_model_metadata_pb2.GetModelMetadataResponse,
    get_model_metadata_pb2.SignatureDefMap,
    get_model_status_pb2.GetModelStatusRequest,
    get_model_status_pb2.GetModelStatusResponse,
    model_management_pb2.ReloadConfigRequest,
    model_management_pb2.ReloadConfigResponse,
)


def fields(descriptor: Any, found: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """The numbers of all fields of a message and of those in it."""
    if descriptor.full_name not in found:
        found[descriptor.full_name] = {field.name: field.number for field in descriptor.fields}
        for field in descriptor.fields:
            if field.message_type is not None:
                fields(field.message_type, found)
    return found


def arrays(values: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    return {name: np.array([row], DTYPES.get(name) or np.dtype(name.lower())) for name, row in values.items()}


def predict_request(protos: dict[str, Any], **spec: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = spec.get("name", "echo")
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    request.model_spec.signature_name = spec.get("signature", "")
    for name, proto in protos.items():
        request.inputs[name].CopyFrom(proto)
    request.output_filter.extend(spec.get("outputs", ()))
    return request


def plain(response: Any) -> dict[str, Any]:
    found = {}
    for name, proto in response.outputs.items():
        array = tf.make_ndarray(proto)
        flat = [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]
        found[name] = [list(array.shape), str(array.dtype), flat]
    return found


def in_lists(array: np.ndarray) -> Any:
    """The other encoding, as clients in other languages have it."""
    proto = tf.make_tensor_proto(array[:0], array.dtype, list(array[:0].shape))
    for size, dim in zip(array.shape, proto.tensor_shape.dim, strict=True):
        dim.size = size
    field = {"f4": "float_val", "f8": "double_val", "i8": "int64_val", "i4": "int_val", "b1": "bool_val"}[
        array.dtype.str[1:]
    ]
    getattr(proto, field).extend(array.ravel().tolist())
    return proto


def failed(call: Any, request: Any) -> list[Any]:
    try:
        call(request)
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


def example(**features: Any) -> Any:
    kinds = {float: ("float_list", tf.train.FloatList), int: ("int64_list", tf.train.Int64List)}
    found = {}
    for name, values in features.items():
        kind, list_of = kinds[type(values[0])]
        found[name] = tf.train.Feature(**{kind: list_of(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=found))


def examples(request: Any, *rows: Any) -> Any:
    request.model_spec.name = "echo"
    request.input.example_list.examples.extend(rows)
    return request


def asked_echo(address: str, values: dict[str, list[Any]]) -> dict[str, Any]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        metadata = prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        inputs = arrays(values)
        protos = {name: tf.make_tensor_proto(array) for name, array in inputs.items()}
        first = predict(predict_request(protos), timeout=30)
        uniform = {
            name: tf.make_tensor_proto(array.ravel()[-1], tf.as_dtype(array.dtype), [2, 3], verify_shape=False)
            for name, array in inputs.items()
        }
        lists = {**protos, **{name: in_lists(inputs[name]) for name in ("FP32", "FP64", "INT64", "INT32", "BOOL")}}
        large = {
            name: tf.make_tensor_proto(np.resize(array, (2000, 300)))
            for name, array in inputs.items()
            if name != "BYTES"
        }
        large["BYTES"] = tf.make_tensor_proto([["x"]] * 2000)
        told = metadata_request("echo")
        state = get_model_status_pb2.GetModelStatusRequest()
        state.model_spec.name = "echo"
        return {
            "all": plain(first),
            "spec": [first.model_spec.name, first.model_spec.version.value, first.model_spec.signature_name],
            "uniform": plain(predict(predict_request(uniform), timeout=30)),
            "lists": plain(predict(predict_request(lists), timeout=30)),
            "large": {name: found[0] for name, found in plain(predict(predict_request(large), timeout=60)).items()},
            "filtered": plain(predict(predict_request(protos, outputs=["BYTES", "INT8"]), timeout=30)),
            "versioned": list(predict(predict_request(protos, version=1, signature="serving_default")).outputs),
            "labelled": list(predict(predict_request(protos, label="stable")).outputs),
            "errors": {
                "model": failed(predict, predict_request(protos, name="other")),
                "version": failed(predict, predict_request(protos, version=7)),
                "signature": failed(predict, predict_request(protos, signature="other")),
                "inputs": failed(predict, predict_request({"BOOL": protos["BOOL"]})),
                "output": failed(predict, predict_request(protos, outputs=["other"])),
                "reload": failed(models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()),
            },
            "metadata": signatures(metadata(told, timeout=30)),
            "status": [
                [one.version, get_model_status_pb2.ModelVersionStatus.State.Name(one.state), one.status.error_code]
                for one in models.GetModelStatus(state, timeout=30).model_version_status
            ],
        }


def metadata_request(name: str) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = name
    return request


def signatures(response: Any) -> dict[str, Any]:
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    return {
        name: {
            key: [tf.dtypes.as_dtype(one.dtype).name, [dim.size for dim in one.tensor_shape.dim]]
            for key, one in signature.inputs.items()
        }
        for name, signature in found.signature_def.items()
    }


def asked_examples(classes: str, number: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with grpc.insecure_channel(classes) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        rows = (example(p=[0.25, 0.75]), example(p=[1.0, 0.0]))
        answer = stub.Classify(examples(classification_pb2.ClassificationRequest(), *rows), timeout=30)
        found["classes"] = [[[one.label, one.score] for one in row.classes] for row in answer.result.classifications]
        found["not a number"] = failed(stub.Regress, examples(regression_pb2.RegressionRequest(), *rows))
    with grpc.insecure_channel(number) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = regression_pb2.RegressionRequest()
        request.model_spec.name = "echo"
        request.input.example_list_with_context.examples.extend([example(), example(y=[2.5])])
        request.input.example_list_with_context.context.CopyFrom(example(y=[7]))
        answer = stub.Regress(request, timeout=30)
        found["numbers"] = [one.value for one in answer.result.regressions]
        several = inference_pb2.MultiInferenceRequest()
        several.input.example_list.examples.extend([example(y=[1.5])])
        several.tasks.add(method_name="tensorflow/serving/regress").model_spec.name = "echo"
        found["several"] = [
            [one.value for one in result.regression_result.regressions]
            for result in stub.MultiInference(several, timeout=30).results
        ]
    return found


if __name__ == "__main__":
    echo, classes, number = sys.argv[1:]
    numbers: dict[str, dict[str, int]] = {}
    for message in MESSAGES:
        fields(message.DESCRIPTOR, numbers)
    print(json.dumps({**asked_echo(echo, json.load(sys.stdin)), **asked_examples(classes, number), "fields": numbers}))
