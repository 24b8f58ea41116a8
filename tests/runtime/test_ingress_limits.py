from __future__ import annotations

import gzip
import random
import zlib

import pytest

from modelbuild_runtime.errors import InvalidInput, TooLarge, UnsupportedMediaType
from modelbuild_runtime.http.limits import Limits, admit, inflate

LIMITS = Limits(body=1000, elements=50_000)
BODY = b"[1,2,3]"


def test_compressed_bodies_come_out_as_they_went_in():
    raw = zlib.compressobj(wbits=-15)
    assert inflate(gzip.compress(BODY), b"gzip", LIMITS) == BODY
    assert inflate(zlib.compress(BODY), b"deflate", LIMITS) == BODY
    assert inflate(bytearray(gzip.compress(BODY)), b"X-GZIP", LIMITS) == BODY
    assert inflate(BODY, b"identity", LIMITS) == BODY
    assert inflate(gzip.compress(zlib.compress(BODY)), b"deflate, gzip", LIMITS) == BODY
    with pytest.raises(InvalidInput):
        inflate(raw.compress(BODY) + raw.flush(), b"deflate", LIMITS)


def test_bombs_stop_at_the_limit():
    bomb = gzip.compress(b"0" * (200 << 20))
    with pytest.raises(TooLarge, match="larger than the server takes"):
        inflate(bomb, b"gzip", LIMITS)
    with pytest.raises(TooLarge):
        inflate(gzip.compress(gzip.compress(b"0" * 2000)), b"gzip, gzip", LIMITS)
    assert len(inflate(gzip.compress(b"0" * 1000), b"gzip", LIMITS)) == 1000
    inner = gzip.compress(random.Random(1).randbytes(600))
    with pytest.raises(TooLarge):  # each is within the limit, both together are not
        inflate(gzip.compress(inner), b"gzip, gzip", LIMITS)


@pytest.mark.parametrize(
    "body, encoding, error",
    [
        (BODY, b"gzip", InvalidInput),
        (gzip.compress(BODY)[:-4], b"gzip", InvalidInput),
        (gzip.compress(BODY) + b"x", b"gzip", InvalidInput),
        (b"", b"gzip", InvalidInput),
        (BODY, b"br", UnsupportedMediaType),
        (BODY, b"gzip, zstd", UnsupportedMediaType),
        (BODY, b"\xff", UnsupportedMediaType),
        (gzip.compress(gzip.compress(gzip.compress(BODY))), b"gzip, gzip, gzip", UnsupportedMediaType),
    ],
    ids=["plain", "short", "long", "empty", "br", "zstd", "bytes", "nested"],
)
def test_what_is_not_what_it_says(body, encoding, error):
    with pytest.raises(error):
        inflate(body, encoding, LIMITS)


def test_bodies_of_very_many_values_are_refused_before_they_are_decoded():
    many = b"[" + b"1," * 60_000 + b"1]"
    with pytest.raises(TooLarge, match="more than 50000 values"):
        admit(many, b"application/json", LIMITS)
    with pytest.raises(TooLarge):
        admit(b"[]" * 60_000, b"application/json", LIMITS)
    with pytest.raises(TooLarge):
        admit(b"1\n" * 60_000, b"text/csv", LIMITS)
    admit(many, b"application/json", Limits(elements=70_000))
    admit(b'"' + b"x" * 200_000 + b'"', b"application/json", LIMITS)
    admit(b"," * 200_000, b"application/octet-stream", LIMITS)
    admit(b"," * 200_000, b"application/x-npy", LIMITS)


def test_lines_may_end_in_either_way():
    for end in (b"\n", b"\r"):
        with pytest.raises(TooLarge):
            admit((b"1" + end) * 60_000, b"text/csv", LIMITS)
    admit(b"1\r\n" * 45_000, b"text/csv", LIMITS)


@pytest.mark.parametrize("start", [b"[", b' \r\n\t{"a":[', b"\xef\xbb\xbf["])
def test_json_is_counted_whatever_it_calls_itself(start):
    with pytest.raises(TooLarge):
        admit(start + b"1," * 60_000 + b"1]", b"application/octet-stream", LIMITS)


def test_what_would_hold_up_a_parser_and_the_loop_with_it_is_refused():
    """Of four million values, a million names in one object or numbers of thousands of digits take seconds."""
    limits = Limits()
    names = b'{"' + b'":1,"'.join(b"%d" % number for number in range(1_000_000)) + b'":1}'
    with pytest.raises(TooLarge, match="more than 500000 names"):
        admit(names, b"application/json", limits)
    with pytest.raises(TooLarge):
        admit(names.replace(b'":', b'" :'), b"application/json", limits)
    digits = b"[" + b",".join([b"1" * 4000] * 3000) + b"]"
    with pytest.raises(InvalidInput, match="more than 400 digits"):
        admit(digits, b"application/json", limits)
    with pytest.raises(InvalidInput):
        admit(digits.replace(b"[", b"[ -"), b"application/json", limits)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b'{"a":1,"b":2}'] * 800_000) + b"]",
        b'{"t":[' + b",".join([b'"2020-01-01T00:00:00"'] * 600_000) + b"]}",
        b'{"image":"' + b"1" * 10_000_000 + b'"}',
        b"[" + b",".join([b"1" * 400] * 30_000) + b"]",
    ],
    ids=["records", "times", "text of digits", "400 digits"],
)
def test_large_bodies_of_the_usual_kinds_are_taken(body):
    admit(body, b"application/json", Limits())
