"""The log: text or JSON lines on stderr. A request's id stands in each line that is about a request."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Dict, TextIO

import msgspec

logger = logging.getLogger("modelbuild_runtime")


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What could begin a line of its own, or speak to a terminal: much of what is logged was said by a client."""


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.123Z INFO message [request id]``."""

    converter = staticmethod(time.gmtime)  # times in UTC

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the standard library's name
        text = super().formatMessage(record).translate(_ESCAPED)
        request = getattr(record, "request", "")
        return f"{text} [{request}]" if request else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the field names that log collectors know."""

    converter = staticmethod(time.gmtime)  # times in UTC

    def format(self, record: logging.LogRecord) -> str:
        line: Dict[str, Any] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "severity": record.levelname,
            "message": record.getMessage(),
        }
        request = getattr(record, "request", "")
        if request:
            line["request_id"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def configure(level: str, style: str, stream: TextIO = sys.stderr) -> None:
    """Send everything that is logged in this process to ``stream``; libraries only from warnings on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger.setLevel(level.upper())
