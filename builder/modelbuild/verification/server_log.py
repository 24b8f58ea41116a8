"""A server's log, for people: why it gave up, and of a traceback only the user's own lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

HANDLER = "/opt/mbuild/handler/"

_REASON = re.compile(r"(?:^|\s)(?:error:|ERROR|CRITICAL|\S*LoadError:|\S*SettingError:)\s+(.+)$")
_FRAME = re.compile(rf'  File "{HANDLER}([^"]+)", line (\d+)')
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"


def last_words(log: str) -> tuple[str, str]:
    """The message and the hint of a server that gave up."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    hint = next((line.split(":", 1)[1].strip() for line in reversed(lines) if line.lower().startswith("hint:")), "")
    reason = next((found[1] for line in reversed(lines) if (found := _REASON.search(line))), "")
    return reason or (lines[-1] if lines else ""), hint


def raised(log: str, request: str) -> str:
    """What was raised for a request, and the line of the handler that it came through last; empty where the log does
    not say. ``request`` is its id.
    """
    _, found, after = log.rpartition(f" [{request}]\n")
    told = re.split(_MOMENT, after, maxsplit=1)[0] if found else ""
    frames = told.rpartition(_TRACEBACK)[2].splitlines()
    what = next((line for line in frames if line and not line.startswith(" ")), "")
    lines = [place for line in frames if (place := _FRAME.match(line))]
    return f"{what} ({lines[-1][1]}, line {lines[-1][2]})" if what and lines else what


def condensed(log: str, *, without: str = "") -> str:
    """The log without the server's own frames of tracebacks, without hints and without lines that say ``without``."""
    lines = [line for line in _without_frames(log.splitlines()) if not line.lower().startswith("hint:")]
    return "\n".join(line for line in lines if not (without and line.endswith(without)))


def _without_frames(lines: list[str]) -> Iterator[str]:
    inside = ours = False
    for line in lines:
        if line.startswith(_TRACEBACK):
            inside, ours = True, False
        elif inside and line.startswith("  "):
            if line.lstrip().startswith("File "):
                ours = f'"{HANDLER}' in line
            if ours:
                yield line
        else:
            inside = False
            yield line
