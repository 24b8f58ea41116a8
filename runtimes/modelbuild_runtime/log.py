"""The log: text or JSON lines on stderr. A line that is about a request says its id, and the trace that it belongs to,
if any; ``fields`` of a line are fields of its object, or name=value behind the text.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping, Optional, Protocol, TextIO

import msgspec

if TYPE_CHECKING:
    from modelbuild_runtime.trace.context import Trace

logger = logging.getLogger("modelbuild_runtime")


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What could begin a line of its own, or speak to a terminal: much of what is logged was said by a client."""
_SAID = ("method", "path", "status", "worker", "cause", "request_ids")
"""Fields that the messages which have them say in words."""


class Clock:
    """Moments in UTC, as text. That of the last second is kept."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def told(self, moment: float) -> str:
        """Seconds since 1970 as ``2026-01-31T12:00:00.123Z``."""
        second = int(moment)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{int((moment - second) * 1000):03d}Z"


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.123Z INFO message name=value [request id]``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._clock = Clock()

    def formatTime(self, record: logging.LogRecord, datefmt: Optional[str] = None) -> str:  # noqa: N802, ARG002
        return self._clock.told(record.created)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the standard library's name
        text = printable(super().formatMessage(record), _fields(record))
        request = getattr(record, "request", "")
        return f"{text} [{request}]" if request else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the field names that log collectors know."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = Clock()

    def format(self, record: logging.LogRecord) -> str:
        line: Dict[str, Any] = {
            "time": self._clock.told(record.created),
            "severity": record.levelname,
            "message": record.getMessage(),
        }
        request = getattr(record, "request", "")
        if request:
            line["request_id"] = request
        line.update(_fields(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class Asked(Protocol):
    """A request, as it knows itself."""

    @property
    def id(self) -> str: ...
    @property
    def trace(self) -> Optional[Trace]: ...


def about(request: Asked) -> Dict[str, Any]:
    """The ``extra`` of a line that is about a request."""
    return {"request": request.id, "trace": request.trace}


def configure(level: str, style: str, stream: TextIO = sys.stderr) -> None:
    """Send everything that is logged in this process to ``stream``; libraries only from warnings on. What no line
    says is not found out either (see "Optimization" in the documentation of ``logging``): where in the code it came
    from, and which thread, process and task it was.
    """
    logging._srcfile = None  # noqa: SLF001  # as documented
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if hasattr(logging, "logAsyncioTasks"):  # from Python 3.12
        logging.logAsyncioTasks = False
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger.setLevel(level.upper())


def printable(message: str, fields: Mapping[str, Any]) -> str:
    """One line of text: a message, and those of the fields that it does not say in words."""
    said = {name: value for name, value in fields.items() if name not in _SAID}
    return " ".join((message, *_pairs(said))).translate(_ESCAPED)


def _fields(record: logging.LogRecord) -> Dict[str, Any]:
    """What a line says by name: its own fields, and the trace that its request belongs to."""
    fields: Dict[str, Any] = dict(getattr(record, "fields", ()))
    trace = getattr(record, "trace", None)
    if trace is not None:
        fields["trace_id"] = trace.trace_id
        if trace.span_id:
            fields["span_id"] = trace.span_id
    return fields


def _pairs(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _pairs({f"{name}.{key}": inner for key, inner in value.items()})
        elif isinstance(value, float):
            yield f"{name}={value:.6f}"
        elif isinstance(value, str) and (not value or " " in value or '"' in value):
            yield f"{name}={msgspec.json.encode(value).decode()}"
        else:
            yield f"{name}={value}"
