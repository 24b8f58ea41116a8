from __future__ import annotations

import json

import pytest

from modelbuild.formats.outline import outline


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, *without):
        (tmp_path / "m.json").write_text(text)
        return outline(tmp_path / "m.json", frozenset(without))

    return write_and_read


DOCUMENT = {"a": [1, {"b": None}], "c": {"trees": [[{"]": "}\\"}]], "d": 'e"'}, "trees": "x", "f": {}, "g": 2.5}


@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_not_wanted_is_passed_over(read, indent):
    text = json.dumps(DOCUMENT, indent=indent)
    assert read(text) == DOCUMENT
    assert read(text, "trees") == {"a": [1, {"b": None}], "c": {"d": 'e"'}, "f": {}, "g": 2.5}
    assert read(f"\ufeff {text}\n", "c", "a", "trees", "f") == {"g": 2.5}


def test_a_document_need_not_be_an_object(read):
    assert read("[1]") == [1]


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":[1', '{"a":"\\'])
@pytest.mark.parametrize("without", ["a", "b"])
def test_what_is_cut_off(read, text, without):
    with pytest.raises(ValueError):
        read(text, without)


@pytest.mark.parametrize("text", ['{"a":1}x', "{1:2}", '{"a" 1}', '{"a":1 "b":2}', "[" * 100_000, '{"a":' * 100_000])
def test_what_is_malformed(read, text):
    with pytest.raises(ValueError):
        read(text)
