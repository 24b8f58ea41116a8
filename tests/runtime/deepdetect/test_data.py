from __future__ import annotations

import base64

import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.deepdetect.data import read, takes_bytes
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns
from modelbuild_runtime.signature import TensorSpec

WIDE = Contract((TensorSpec("x", "FP32", (-1, 3)),))
TABLE = Contract((TensorSpec("age", "INT64", (-1,)), TensorSpec("job", "BYTES", (-1,))))
PIECE = Contract((TensorSpec("image", "BYTES", (-1, 1)),))


def values(found):
    if isinstance(found.payload, Columns):
        return {name: list(tensor.data) for name, tensor in found.payload.tensors.items()}
    return found.payload.items


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["1,2,3"], [1, 2, 3]),
        (["a,b,c", "1,2,3"], [1, 2, 3]),
        (["1,2,3\n4,5,6"], [1, 2, 3, 4, 5, 6]),
        (["1,2,3\r\n", "4,5,6"], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_lines_for_one_wide_input(items, expected):
    found = read(items, {}, WIDE)
    assert [float(value) for value in values(found)["x"]] == expected
    assert found.uri(0) == "1"


def test_a_header_is_the_contract_s_names_where_text_may_be_a_value():
    assert values(read(["job,age", "cook,4"], {}, TABLE)) == {"job": ["cook"], "age": [4]}
    assert values(read(["4,job"], {}, TABLE)) == {"age": [4], "job": ["job"]}
    with pytest.raises(InvalidInput, match="'age' is INT64, and 'years' is not"):
        read(["years,job", "4,cook"], {}, TABLE)


def test_a_column_of_ids_names_the_rows_and_is_no_input():
    found = read(
        ["id;age;note;job", "a;4;;cook", "b;5;x;nurse"], {"id": "id", "ignore": ["note"], "separator": ";"}, TABLE
    )
    assert values(found) == {"age": [4, 5], "job": ["cook", "nurse"]}
    assert [found.uri(0), found.uri(1)] == ["a", "b"]


def test_an_id_may_be_an_input_too():
    found = read(["age,job", "4,cook"], {"id": "job"}, TABLE)
    assert values(found) == {"age": [4], "job": ["cook"]}
    assert found.uri(0) == "cook"


def test_an_id_that_no_header_has_changes_nothing():
    found = read(["4,cook"], {"id": "Id"}, TABLE)
    assert values(found) == {"age": [4], "job": ["cook"]}
    assert found.uri(0) == "1"


@pytest.mark.parametrize(
    ("item", "parameters", "expected"),
    [
        ("good", {}, "good"),
        ("a,b", {}, "a,b"),
        ("{}", {}, "{}"),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n.").decode(), {}, b"\x89PNG\r\n\x1a\n."),
        (base64.b64encode(b"\xff\xd8\xff").decode(), {"connector": "txt"}, "/9j/"),
        ("good", {"connector": "image"}, base64.b64decode("good")),
    ],
)
def test_text_is_text_and_a_picture_is_bytes(item, parameters, expected):
    assert takes_bytes(PIECE)
    found = read([item], parameters, PIECE)
    assert values(found) == [expected]
    assert found.uri(0) == "0"


@pytest.mark.parametrize(
    ("items", "parameters", "complaint"),
    [
        ([], {}, "No Data"),
        (["1,2,3", 5], {}, r"data\[1\] must be a string"),
        ([None], {}, r"data\[0\] must be a string"),
        (["HTTPS://example.com/x"], {}, "is a URL"),
        (["file:///etc/passwd"], {}, "is a URL"),
        (["/etc/passwd"], {}, "no row|cells|is not"),
        (["[1, 2, 3", "[1]"], {}, r"data\[0\] is not JSON"),
        (['"1,2,3'], {}, "not CSV"),
        (["", ""], {}, "empty"),
        (["1,2,3"], {"separator": ""}, "separator must be one character"),
        (["1,2,3"], {"separator": "\n"}, "separator must be one character"),
        (["1,2,3"], {"separator": "\0"}, "separator must be one character"),
        (["1,2,3"], {"separator": 1}, "separator must be a string"),
        (["1,2,3"], {"id": []}, "id must be a string"),
        (["1,2,3"], {"ignore": "a"}, "ignore must be a list"),
        (["id,a", "1,2,3,4"], {"id": "id"}, "cells"),
    ],
)
def test_what_cannot_be_read(items, parameters, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        read(items, parameters, WIDE)
