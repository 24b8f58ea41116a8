from __future__ import annotations

import json

import msgspec
import pytest

from modelbuild_runtime.bodies import json_body, large_json
from modelbuild_runtime.errors import InvalidInput

VALUES = {
    "numbers": [1.5] * 2000,
    "scalars": ["a,b", None, True, -2] * 500,
    "objects": [{"x": {"b64": "AAAA"}}] * 400,
    "lists in an object": {"instances": [[1, 2.5], ['a]"', {}]] * 400, "parameters": {"a": 1}},
    "a list in lists": [[["abc"] * 1000], 1],
    "brackets in texts": [["]", "[", '"'] * 3, "{"] * 400,
    "long texts": [*["," * 700, "\\"] * 10, ["]"]],
    "one text": "x" * 9000,
}
WRONG = {
    "no end": lambda text: text[:-1],
    "two ends": lambda text: text + b"]",
    "more behind": lambda text: text + b" 1",
    "trailing comma": lambda text: text[:-1] + b",]",
    "nothing after a comma": lambda text: text[:-1] + b", " + b" " * 2000 + b"]",
    "nothing between commas": lambda text: text[:-1] + b",," + b" " * 2000 + b",1]",
    "trailing comma in an object": lambda text: b'{"a": %b, }' % text,
    "object without an end": lambda text: b'{"a": %b' % text,
    "half a word": lambda text: b"[%b, nul]" % text,
}


@pytest.fixture(autouse=True)
def parts(monkeypatch):
    """The sizes of the parts, small ones."""
    sizes: list[int] = []
    decode = large_json._decode
    monkeypatch.setattr(large_json, "LARGE", 4096)
    monkeypatch.setattr(large_json, "_SLICE", 1024)
    monkeypatch.setattr(large_json, "_decode", lambda text: sizes.append(len(text)) or decode(text))
    return sizes


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_parts_make_the_same_value(value, parts):
    body = json.dumps(value).encode()
    assert json_body.read(bytearray(body)) == value
    assert isinstance(value, str) or max(parts) < 4096 < len(body)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("item", [b"12345678", b'"abc,d"', b"[1, 2]"])
def test_what_is_wrong_is_told_as_of_small_bodies(wrong, item):
    body = wrong(b"[" + b",".join([item] * 1000) + b"]")
    with pytest.raises(msgspec.DecodeError) as told:
        msgspec.json.decode(body)
    with pytest.raises(InvalidInput) as caught:
        json_body.read(body)
    assert caught.value.message[-20:] == str(told.value)[-20:]
