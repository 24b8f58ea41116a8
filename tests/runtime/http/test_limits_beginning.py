from __future__ import annotations

import gzip
import zlib

import pytest

from modelbuild_runtime.http.limits import beginning

BODY = b'{"inputs": [1, 2, 3]}' + b" " * 100_000


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(BODY, b""), (bytearray(BODY), b"identity"), (gzip.compress(BODY), b"gzip"), (zlib.compress(BODY), b" Deflate")],
)
def test_it_is_what_the_body_begins_with(body, encoding):
    assert beginning(body, encoding, 21) == b'{"inputs": [1, 2, 3]}'


@pytest.mark.parametrize(("body", "encoding"), [(BODY, b"gzip"), (BODY, b"br"), (BODY, b"gzip, gzip"), (b"", b"gzip")])
def test_what_cannot_be_inflated_begins_with_nothing(body, encoding):
    assert beginning(body, encoding, 21) == b""
