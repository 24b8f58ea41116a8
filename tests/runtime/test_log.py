from __future__ import annotations

import io
import json
import logging

import pytest

from modelbuild_runtime import log


@pytest.fixture(autouse=True)
def restore():
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, log.logger.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    log.logger.setLevel(own)


def lines(style, level="info"):
    stream = io.StringIO()
    log.configure(level, style, stream)
    logger = logging.getLogger("modelbuild_runtime.test")
    logger.info("served %d", 1, extra={"request": "abc"})
    logger.debug("hidden")
    logging.getLogger("library").info("hidden")
    try:
        raise ValueError("why")  # noqa: TRY301
    except ValueError:
        logger.exception("failed")
    return stream.getvalue()


def test_text():
    first, second, *rest = lines("text").splitlines()
    assert first.endswith("Z INFO served 1 [abc]")
    assert second.endswith("Z ERROR failed")
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1] == "ValueError: why"


def test_json_has_one_object_a_line():
    first, second = map(json.loads, lines("json").splitlines())
    assert (first["severity"], first["message"], first["request_id"]) == ("INFO", "served 1", "abc")
    assert first["time"].endswith("Z")
    assert "request_id" not in second
    assert "ValueError: why" in second["exception"]


def logged(style, **extra):
    stream = io.StringIO()
    log.configure("info", style, stream)
    logging.getLogger("modelbuild_runtime.access").info("GET %s 200", "/a", extra=extra)
    (line,) = stream.getvalue().splitlines()
    return line


def test_fields_of_a_line():
    fields = {"path": "/a", "seconds": 0.5, "model": "my model", "stages": {"queue": 0.0001}, "rows": 2}
    text = logged("text", request="abc", fields=fields)
    assert text.endswith('INFO GET /a 200 seconds=0.500000 model="my model" stages.queue=0.000100 rows=2 [abc]')
    found = json.loads(logged("json", request="abc", fields=fields))
    assert {name: found[name] for name in fields} == fields


def test_what_a_client_says_begins_no_line_of_its_own_and_speaks_to_no_terminal():
    stream = io.StringIO()
    log.configure("info", "text", stream)
    logging.getLogger("modelbuild_runtime.access").info("GET %s", "/a\r\n2026Z INFO b\x1b[2J\x85\u2028")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r"INFO GET /a\x0d\x0a2026Z INFO b\x1b[2J\x85\x2028")


def test_level():
    assert "served" not in lines("text", "warning")
    assert "hidden" in lines("text", "debug")
