from __future__ import annotations

import pytest

from modelbuild_runtime.trace.context import Trace, trace_of, traced_headers

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_caller_says_its_trace():
    headers = {b"traceparent": f"00-{TRACE}-{PARENT}-01".encode(), b"tracestate": b"a=1,b=2"}
    assert trace_of(headers) == Trace(TRACE, PARENT, "", True, "a=1,b=2")
    assert trace_of({b"traceparent": f" 00-{TRACE}-{PARENT}-00 ".encode()}) == Trace(TRACE, PARENT)


def test_later_versions_may_say_more():
    assert trace_of({b"traceparent": f"01-{TRACE}-{PARENT}-01-more".encode()}) is not None
    assert trace_of({b"traceparent": f"01-{TRACE}-{PARENT}-03".encode()}).sampled


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "00", f"00-{TRACE}-{PARENT}", f"00-{TRACE}-{PARENT}-01-more", f"ff-{TRACE}-{PARENT}-01"),
        *(f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{PARENT}-01"),
        f"00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
    ],
)
def test_what_cannot_be_right_is_not_there(wrong):
    headers = {b"traceparent": wrong.encode(), b"tracestate": b"a=1"}
    if wrong.endswith("\n"):  # white space around a field is not part of it
        assert trace_of(headers) is not None
    else:
        assert trace_of(headers) is None


def test_a_state_that_is_too_long_is_left_out():
    assert trace_of({b"traceparent": f"00-{TRACE}-{PARENT}-01".encode(), b"tracestate": b"a" * 513}).state == ""


def test_the_handler_sees_our_span_as_its_parent():
    headers = {b"traceparent": f"00-{TRACE}-{PARENT}-01".encode(), b"tracestate": b"\xff", b"x": b"y"}
    changed = traced_headers(headers, Trace(TRACE, PARENT, "1" * 16, True))
    assert changed == {b"traceparent": f"00-{TRACE}-{'1' * 16}-01".encode(), b"x": b"y"}
    assert headers[b"x"] == b"y"
    assert len(headers) == 3
