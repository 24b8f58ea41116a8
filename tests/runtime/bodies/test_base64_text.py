from __future__ import annotations

import base64

from hypothesis import example, given
from hypothesis import strategies as st

from modelbuild_runtime.bodies.base64_text import decode, decode_all
from modelbuild_runtime.errors import InvalidInput

TEXT = st.binary().map(lambda data: base64.b64encode(data).decode()) | st.text("ABab01+/=-_ \n\xe9")


def one_by_one(texts: list[str]) -> list[bytes] | None:
    try:
        return [decode(text, "a text") for text in texts]
    except InvalidInput:
        return None


@given(st.lists(TEXT, min_size=1))
@example(["aGk=", ""])
def test_many_texts_are_decoded_as_one_by_one(texts):
    """What is refused there is looked at again, so that it may be refused too often, and never too seldom."""
    found = decode_all([{"b64": text} for text in texts])
    assert found in (None, one_by_one(texts))


def test_most_are_decoded_at_once_and_other_objects_are_not():
    assert decode_all([{"b64": "aGk="}, {"b64": ""}, {"b64": "/w=="}]) == [b"hi", b"", b"\xff"]
    for other in ({"b64": 1}, {"b64": "aGk=", "x": 1}, {"x": "aGk="}, "b", ["aGk="], 1, None, {"b64": "!"}):
        assert decode_all([{"b64": "aGk="}, other]) is None
