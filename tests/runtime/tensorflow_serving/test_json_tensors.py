from __future__ import annotations

import json

import numpy as np
import pytest

from modelbuild_runtime.bodies import flat_buffer
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving.json_tensors import PredictReader

ROWS = [[i, i + 0.5] for i in range(500)]


def reader(*specs: TensorSpec, **more) -> PredictReader:
    return PredictReader(Contract(specs, **more))


PAIRS = reader(TensorSpec("x", "FP32", (-1, 2)))


def read(reader: PredictReader, document: object):
    return reader.read(json.dumps(document).encode())


@pytest.mark.skipif(not flat_buffer.HERE, reason="without simdjson")
@pytest.mark.parametrize(
    "document, form",
    [
        ({"instances": ROWS}, "instances"),
        ({"signature_name": "serving_default", "instances": ROWS}, "instances"),
        ({"inputs": ROWS}, "inputs"),
        ({"inputs": {"x": ROWS}}, "inputs"),
    ],
)
def test_large_bodies_become_one_array(document, form):
    question = read(PAIRS, document)
    tensor = question.payload.tensors["x"]
    assert question.form == form
    assert isinstance(tensor.data, np.ndarray)
    assert tensor.data.tolist() == ROWS


@pytest.mark.parametrize(
    "document, message",
    [
        (
            {"instances": [*ROWS, [1, "a"]]},
            'element: 500 .* JSON Value: "a" Type: String is not of expected type: float',
        ),
        ({"instances": [*ROWS, [1, True]]}, "JSON Value: true Type: True is not"),
        ({"instances": [*ROWS, [1]]}, "element: 500 .* Expecting tensor size: 2 but got: 1"),
        ({"instances": [*ROWS, [1, []]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": ROWS, "signature_name": "no"}, 'Serving signature name: "no" not found'),
        ({"instances": ROWS, "inputs": ROWS}, "expecting only one of"),
    ],
)
def test_large_bodies_are_refused_as_small_ones_are(document, message):
    with pytest.raises(InvalidInput, match=message):
        read(PAIRS, document)


def test_what_else_is_in_a_request_is_ignored():
    assert read(PAIRS, {"instances": ROWS, "context": 1}).form == "instances"


@pytest.mark.parametrize(
    "datatype, value, type_",
    [
        ("INT32", 1.0, "int32"),
        ("INT32", 1 << 31, "int32"),
        ("INT64", 1 << 63, "int64"),
        ("INT8", 128, "int8"),
        ("UINT8", -1, "uint8"),
        ("BOOL", 1, "bool"),
        ("FP64", "1", "double"),
        ("FP32", None, "float"),
        ("BYTES", 1, "string"),
    ],
)
def test_each_datatype_takes_its_own_values(datatype, value, type_):
    with pytest.raises(InvalidInput, match=f"is not of expected type: {type_}$") as caught:
        read(reader(TensorSpec("x", datatype, (-1,))), {"inputs": [value]})
    assert caught.value.field == "x"


def test_numbers_may_be_written_as_integers():
    payload = read(PAIRS, {"inputs": [[1, 2.5]]}).payload
    assert payload.tensors["x"].data == [1, 2.5]


def test_rows_that_fit_exactly_are_read_as_such():
    question = read(PAIRS, {"instances": [[1, 2.5], [3, 4]]})
    assert (question.payload.count, question.form) == (2, "instances")
    assert np.frombuffer(question.payload.data, np.float32).tolist() == [1, 2.5, 3, 4]


def test_rows_with_nothing_around_are_no_request():
    with pytest.raises(InvalidInput):
        read(PAIRS, [[1, 2.5]])


def test_a_single_value_has_no_shape():
    assert read(reader(TensorSpec("x", "FP32", ())), {"inputs": 1.5}).payload.tensors["x"].shape == ()


TWO = reader(TensorSpec("a", "FP32", (-1,)), TensorSpec("b", "BYTES", (-1,), optional=True))


def test_optional_inputs_may_be_missing_from_all_rows_or_some():
    payload = read(TWO, {"instances": [{"a": 1}, {"a": 2}]}).payload
    assert isinstance(payload, Columns)
    assert list(payload.tensors) == ["a"]
    assert isinstance(read(TWO, {"instances": [{"a": 1}, {"a": 2, "b": "x"}]}).payload, Rows)
    assert list(read(TWO, {"inputs": {"a": [1]}}).payload.tensors) == ["a"]


def test_records_keep_their_rows():
    records = reader(TensorSpec("a", "BYTES", (-1,)), TensorSpec("b", "FP32", (-1,)), record={"type": "object"})
    row = {"a": {"b64": "aGk="}, "b": {"any": ["thing"]}}
    assert read(records, {"instances": [row]}).payload.items == [{**row, "a": b"hi"}]
    with pytest.raises(InvalidInput, match="keys must be equal to: a,b"):
        read(records, {"instances": [{"a": "x"}]})


def test_a_record_of_one_field_may_be_its_value():
    records = reader(TensorSpec("a", "FP32", (-1,)), record={"type": "object"})
    assert read(records, {"instances": [1, 2]}).payload.items == [{"a": 1}, {"a": 2}]


def test_an_open_contract_takes_any_names():
    anything = reader(open=True)
    assert read(anything, {"instances": [{"q": "x"}]}).payload.items == [{"q": "x"}]
    assert list(read(anything, {"inputs": {"q": [1, 2]}}).payload.tensors) == ["q"]
    with pytest.raises(InvalidInput, match="Missing 'inputs' or 'instances' key"):
        read(anything, {"q": 1})
