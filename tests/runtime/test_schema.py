from __future__ import annotations

import pytest

from modelbuild_runtime import schema
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from runtime.contracts import ALL, MIXED, OPEN, RECORD


def test_a_record_has_the_contract_s_fields():
    assert schema.record(RECORD) == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
            "job": {"type": "string"},
            "married": {"type": "boolean"},
        },
        "required": ["age", "job"],
        "additionalProperties": False,
    }
    assert schema.record(Contract(record={"title": "Its own"})) == {"title": "Its own"}
    assert schema.record(OPEN)["type"] == "object"


def test_fixed_sizes_are_in_the_schema():
    number = {"type": ["number", "null"]}
    assert schema.record(MIXED)["properties"]["v"] == {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    free = schema.value(TensorSpec("x", "FP32", (-1, -1, 3)), batched=True)
    assert "minItems" not in free
    assert free["items"]["minItems"] == 3


@pytest.mark.parametrize("name", ALL)
def test_columns_have_one_more_axis_than_a_record_s_values(name):
    for spec in ALL[name].inputs:
        whole = schema.columns(ALL[name])["properties"][spec.name]
        one = schema.record(ALL[name])["properties"][spec.name]
        assert whole == (one if not ALL[name].batched else {"type": "array", "items": one})
