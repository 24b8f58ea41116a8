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
            "job": {"$ref": "#/components/schemas/Bytes"},
            "married": {"type": "boolean"},
        },
        "required": ["age", "job"],
        "additionalProperties": False,
    }
    assert schema.record(Contract(record={"title": "Its own"})) == {"title": "Its own"}
    assert schema.record(OPEN)["type"] == "object"


def test_fixed_sizes_are_in_the_schema():
    most = 2.0**128 * (1 - 2.0**-25)  # what is less is rounded to the largest number
    number = {"type": ["number", "null"], "exclusiveMinimum": -most, "exclusiveMaximum": most}
    assert schema.record(MIXED)["properties"]["v"] == {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    free = schema.value(TensorSpec("x", "FP32", (-1, -1, 3)), batched=True)
    assert (free["minItems"], free.get("maxItems")) == (1, None)
    assert free["items"]["minItems"] == 3


@pytest.mark.parametrize("name", ALL)
def test_columns_have_one_more_axis_than_a_record_s_values(name):
    for spec in ALL[name].inputs:
        whole = schema.columns(ALL[name])["properties"][spec.name]
        one = schema.record(ALL[name])["properties"][spec.name]
        assert whole == (one if not ALL[name].batched else {"type": "array", "items": one, "minItems": 1})


def test_columns_of_a_record_type_are_lists_of_its_fields():
    fields = {"age": {"type": "integer", "minimum": 18}}
    contract = Contract((TensorSpec("age", "INT64", (-1,)),), record={"type": "object", "properties": fields})
    found = schema.columns(contract)["properties"]["age"]
    assert found == {"type": "array", "items": fields["age"], "minItems": 1}


def test_an_answer_s_numbers_have_no_limits_and_its_labels_are_told():
    contract = Contract(outputs=(TensorSpec("y", "FP32", (-1, 2), labels=("no", "yes")),))
    assert schema.outputs(contract)["properties"]["y"] == {
        "type": "array",
        "items": {"type": ["number", "null"]},
        "minItems": 2,
        "maxItems": 2,
        "description": "In the order of no, yes",
    }


def test_rows_are_all_written_in_the_same_way():
    by_name, by_place = schema.components(MIXED)["Rows"]["anyOf"]
    assert by_name["items"] == schema.RECORD
    assert len(by_place["items"]["prefixItems"]) == len(MIXED.inputs)
    assert schema.components(ALL["whole"])["Rows"]["anyOf"][0]["maxItems"] == 1


def test_an_answer_of_objects_says_what_they_are():
    entity = {"type": "object", "properties": {"word": {"type": "string"}}}
    contract = Contract(outputs=(TensorSpec("entities", "BYTES", (-1,)),), answers={"entities": entity})
    found = schema.components(contract)
    assert found["Outputs"]["properties"] == {"entities": entity}
    bare, columns = found["Answer"]["anyOf"][2]["properties"]["predictions"]["items"]["anyOf"][0], found["Answer"]
    assert bare == entity
    (by_name, _) = columns["anyOf"][3]["properties"]["outputs"]["anyOf"]
    assert by_name["properties"] == {"entities": {"type": "array", "items": entity}}


def test_parameters_stand_beside_rows():
    told = {"factor": {"type": ["number", "null"], "default": 2.0}}
    contract = Contract((TensorSpec("x", "FP32", (-1,)),), parameters=told)
    found = schema.components(contract)
    assert found["Parameters"] == {"type": ["object", "null"], "properties": told}
    for way in found["Question"]["anyOf"][2:]:
        assert way["properties"]["parameters"] == {"$ref": "#/components/schemas/Parameters"}
    assert "Parameters" not in schema.components(Contract((TensorSpec("x", "FP32", (-1,)),)))
