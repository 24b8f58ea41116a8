"""Inputs made up from a contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.samples import sample_body, sample_columns, sample_rows
from modelbuild_runtime.signature import TensorSpec

TABLE = Contract(
    (
        TensorSpec("age", "FP64", (-1,)),
        TensorSpec("n", "INT64", (-1,)),
        TensorSpec("city", "BYTES", (-1,), labels=("Lyon", "Paris")),
        TensorSpec("grade", "INT64", (-1,), labels=("3", "4")),
        TensorSpec("text", "BYTES", (-1,)),
        TensorSpec("flag", "BOOL", (-1,)),
        TensorSpec("window", "FP32", (-1, -1, 2)),
        TensorSpec("rare", "FP32", (-1,), optional=True),
    )
)
ROW = {
    "age": 0.5,
    "n": 1,
    "city": "Lyon",
    "grade": 3,
    "text": "1",
    "flag": True,
    "window": [[0.5, 0.5]] * 3,
    "rare": 0.5,
}


def test_rows_of_columns() -> None:
    assert sample_rows(TABLE, 2, free=3) == [ROW, ROW]
    assert sample_body(TABLE)["window"] == [[0.5, 0.5]] * 8


def test_columns() -> None:
    columns = sample_columns(TABLE, 2, free=3)

    assert list(columns) == list(ROW)
    assert columns["window"].shape == (2, 3, 2)
    assert columns["grade"].tolist() == [3, 3]
    assert columns["city"].dtype == object


def test_tensors_whose_rows_are_not_counted() -> None:
    contract = Contract((TensorSpec("m", "INT32", (2, -1)), TensorSpec("o", "FP32", (), optional=True)), batched=False)

    assert sample_body(contract) == {"inputs": {"m": [[1] * 8] * 2}}


@pytest.mark.parametrize(
    ("shape", "filled"), [((-1, 3, -1, -1), (1, 3, 64, 64)), ((-1, -1), (1, 8)), ((-1, 3, 224, 224), (1, 3, 224, 224))]
)
def test_free_sizes(shape: tuple[int, ...], filled: tuple[int, ...]) -> None:
    assert sample_columns(Contract((TensorSpec("x", "FP32", shape),)))["x"].shape == filled


def test_too_large_to_read_or_not_known() -> None:
    assert sample_body(Contract((TensorSpec("x", "FP32", (-1, 3, 224, 224)),))) is None
    assert sample_body(Contract(open=True)) is None
    assert sample_rows(Contract(open=True)) == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "number"}, 0.5),
        ({"type": "integer", "minimum": 18}, 18),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "number", "minimum": 0.1, "maximum": 0.2}, 0.2),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "string"}, "1"),
        ({"type": "string", "minLength": 3}, "111"),
        ({"type": "string", "format": "date"}, "2024-01-01"),
        ({"type": "string", "contentEncoding": "base64"}, "MQ=="),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, "1"),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": 7}, 7),
        ({"type": "integer", "default": 9}, 9),
        ({"type": "integer", "examples": [5], "default": 9}, 5),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 10}, [1] * 10),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [1, "1"]),
        ({"$ref": "#/$defs/Inner"}, {"a": True}),
    ],
)
def test_values_that_a_schema_allows(schema: dict[str, Any], value: Any) -> None:
    record = {
        "type": "object",
        "properties": {"x": schema},
        "$defs": {"Inner": {"type": "object", "properties": {"a": {"type": "boolean"}}}},
    }
    contract = Contract((TensorSpec("x", "FP64", (-1,)),), record=record)

    assert sample_rows(contract, free=2 if "maxItems" in schema else 8) == [{"x": value}]


def test_numbers_have_the_inputs_datatype() -> None:
    columns = sample_columns(Contract(tuple(TensorSpec(name, name, (-1,)) for name in ("FP16", "UINT8", "INT64"))))

    assert [array.dtype for array in columns.values()] == [np.float16, np.uint8, np.int64]


def test_an_example_stands_for_what_cannot_be_made_up() -> None:
    contract = Contract(
        (TensorSpec("image", "BYTES", (-1,)), TensorSpec("zoom", "FP32", (-1,))), example={"image": b"\1"}
    )

    assert sample_columns(contract, 2)["image"].tolist() == [b"\1", b"\1"]
    assert sample_rows(contract) == [{"image": {"b64": "AQ=="}, "zoom": 0.5}]
