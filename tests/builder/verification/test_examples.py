from __future__ import annotations

import json

import pytest

from modelbuild.errors import UsageError
from modelbuild.planning.manifest import Example
from modelbuild.verification.examples import find_examples, read_example


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_body_and_nothing_else(tmp_path):
    assert read_example(write(tmp_path / "r.json", {"age": 3})) == Example({"age": 3}, None, "r.json")


def test_a_body_with_its_answer(tmp_path):
    path = write(tmp_path / "r.json", {"request": [1], "expected": [2], "name": "one"})
    assert read_example(path) == Example([1], [2], "one")


def test_a_record_that_has_a_field_named_request_stays_a_record(tmp_path):
    value = {"request": "GET /", "user": 1}
    assert read_example(write(tmp_path / "r.json", value)).request == value


@pytest.mark.parametrize(
    "value",
    [
        {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]},
        {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, "y"]]},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
    ],
)
def test_data_frames_of_mlflow_become_records(tmp_path, value):
    path = write(tmp_path / "input_example.json", value)
    assert read_example(path).request == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"columns": ["a"], "data": [[1]]}, {"instances": [{"a": 1}]}),
        ([[1, 2]], {"instances": [[1, 2]]}),
        ({"a": [1, 2]}, {"inputs": {"a": [1, 2]}}),
    ],
)
def test_params_of_mlflow_become_parameters(tmp_path, given, rows):
    path = write(tmp_path / "input_example.json", {"inputs": given, "params": {"n": 2}})
    assert read_example(path).request == {**rows, "parameters": {"n": 2}}


def test_given_ones_hide_those_beside_the_model(tmp_path):
    write(tmp_path / "request.json", {"a": 1})
    given = [write(tmp_path / "one.json", {"a": 2}), write(tmp_path / "two.json", {"a": 3})]
    found = find_examples(tmp_path / "model.onnx", None, given)
    assert [(example.name, example.request) for example in found] == [("one.json", {"a": 2}), ("two.json", {"a": 3})]


def test_beside_the_model_with_its_answer(tmp_path):
    write(tmp_path / "request.json", {"a": 1})
    write(tmp_path / "response.json", {"y": 2})
    assert find_examples(tmp_path / "model.onnx", None, ()) == (Example({"a": 1}, {"y": 2}, "request.json"),)


def test_inside_a_models_folder_first(tmp_path):
    write(tmp_path / "request.json", {"a": "beside"})
    write(tmp_path / "model" / "input_example.json", {"a": "inside"})
    assert find_examples(tmp_path / "model", None, ())[0].request == {"a": "inside"}


def test_beside_the_handler(tmp_path):
    (tmp_path / "models").mkdir()
    write(tmp_path / "src" / "example.json", {"a": 1})
    found = find_examples(tmp_path / "models" / "m.onnx", tmp_path / "src" / "features.py", ())
    assert found[0].request == {"a": 1}


def test_the_model_is_not_its_own_example(tmp_path):
    model = write(tmp_path / "example.json", {"learner": {}})
    assert find_examples(model, None, ()) == ()


@pytest.mark.parametrize("text", ["", "{", "a,b\n1,2\n", "\x80"])
def test_no_json(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="is no JSON"):
        read_example(path)


def test_no_file(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        find_examples(tmp_path / "m", None, [tmp_path / "missing.json"])
