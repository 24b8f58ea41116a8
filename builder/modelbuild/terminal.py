"""The terminal: results to stdout, talk to stderr. A live bar for a person, plain lines for a pipe."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from modelbuild.errors import MbuildError
from modelbuild.progress import Progress


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where results and talk go."""

    out: Console
    err: Console
    verbose: bool = False

    def result(self, text: str) -> None:
        """A result: one line on stdout, nothing else."""
        self.out.print(text, markup=False, highlight=False, soft_wrap=True)

    def json(self, value: Any) -> None:
        """A result as JSON on stdout."""
        self.result(json.dumps(value, indent=2, ensure_ascii=self.out.encoding != "utf-8"))

    def note(self, text: str) -> None:
        """A remark on stderr."""
        self.err.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """A table on stderr; the columns in ``right`` are numbers."""
        print_table(self.err, columns, rows, right)

    def result_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table that is the result."""
        print_table(self.out, columns, rows)

    def error(self, error: MbuildError) -> None:
        """What happened, what was seen, what to do."""
        self.err.print(f"[bold red]error:[/] {_escape(error.message)}", highlight=False, soft_wrap=True)
        if error.details:
            for line in error.details.rstrip().splitlines():
                self.err.print(f"  | {line}", markup=False, highlight=False, soft_wrap=True, style="dim")
        if error.hint:
            self.err.print(f"[bold]hint:[/] {_escape(error.hint)}", highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Progress for one command: a live bar on a terminal, plain lines elsewhere."""
        if self.err.is_terminal and not self.verbose:
            with LiveProgress(self.err) as live:
                yield live
        else:
            yield PlainProgress(self.err, self.verbose)


class Output(Console):
    """Where a reader that went away is told to the caller, and does not end the process."""

    def on_broken_pipe(self) -> None:
        """Called while the error is being handled."""
        raise BrokenPipeError


def open_terminal(*, verbose: bool = False) -> Terminal:
    """The process's own stdout and stderr. What their encoding lacks is escaped, as Python does on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return Terminal(Output(file=sys.stdout), Output(file=sys.stderr), verbose)


class PlainProgress:
    """One line a step; with ``verbose`` the logs too."""

    def __init__(self, console: Console, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def step(self, name: str, detail: str = "") -> None:
        """Print the step."""
        self._print(f"{name}  {detail}".rstrip())

    def bytes(self, done: int, total: int) -> None:
        """Nothing: a pipe needs no bar."""

    def log(self, line: str) -> None:
        """Print the line when asked for."""
        if self._verbose:
            self._print(f"  | {line}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveProgress:
    """A spinner and a bar for the current step; finished steps stay as lines with their time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = rich.progress.Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._title = ""
        self._began = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._finish("✗" if kind else "✓")
        self._progress.stop()

    def step(self, name: str, detail: str = "") -> None:
        """Finish the step before and begin this one."""
        self._finish("✓")
        self._title = f"{name}  {detail}".rstrip()
        self._began = time.monotonic()
        self._task = self._progress.add_task(self._title, total=None)

    def bytes(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def log(self, line: str) -> None:
        """Nothing: the bar says enough."""

    def _finish(self, mark: str) -> None:
        if self._task is None:
            return
        self._progress.remove_task(self._task)
        self._task = None
        seconds = time.monotonic() - self._began
        self._console.print(f"{mark} {self._title}  ({seconds:.1f} s)", markup=False, highlight=False)


def print_table(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    """A table without a frame. Lines are as long as they must be: a pipe has no width."""
    lines = [tuple(columns), *map(tuple, rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        console.print("  ".join(cells).rstrip(), markup=False, highlight=False, soft_wrap=True)


def size_text(size: int) -> str:
    """Bytes for people: 999 B, 1.2 kB, 34.5 MB."""
    if size < 1000:
        return f"{size} B"
    for unit, bytes_each in (("kB", 1e3), ("MB", 1e6)):
        if size < 1000 * bytes_each:
            return f"{size / bytes_each:.1f} {unit}"
    return f"{size / 1e9:.1f} GB"


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
