"""The real command, in a process of its own, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

LIMIT = 600  # a package of a gigabyte, on a busy machine


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what it said where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def message(self) -> str:
        """The one error."""
        found = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(found) == 1, f"{len(found)} errors:\n{self.err}"
        return found[0].removeprefix("error: ")

    @property
    def hint(self) -> str:
        """What it says to do, which comes last."""
        return self.err.partition("\nhint: ")[2].strip()

    @property
    def details(self) -> str:
        return "\n".join(line[4:] for line in self.err.splitlines() if line.startswith("  | "))


@dataclass(frozen=True)
class Mbuild:
    """``mbuild("package", "model.onnx")`` in ``folder``. Its temporary files are its own, and are looked for."""

    folder: Path
    temporary: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def having(self, **variables: str) -> Mbuild:
        """The same with further environment variables."""
        return replace(self, environment={**self.environment, **variables})

    def __call__(self, *arguments: str | Path, code: int = 0) -> Outcome:
        """Run to the end, which must come with ``code``, without a traceback and without temporary files left."""
        with self.start(*arguments) as running:
            outcome = running.outcome()
        said = f"mbuild {' '.join(map(str, arguments))}: exit code {outcome.code}\n{outcome.out}{outcome.err}"
        assert outcome.code == code, said
        assert "Traceback" not in outcome.err, said
        self.require_no_temporary_files()
        return outcome

    def fails(self, code: int, *arguments: str | Path) -> Outcome:
        """Run to the one error, which must come with ``code``, words of advice, and nothing for a script to read."""
        outcome = self(*arguments, code=code)
        assert outcome.message
        assert outcome.hint, f"no advice:\n{outcome.err}"
        assert outcome.out == ""
        return outcome

    def require_no_temporary_files(self) -> None:
        left = [str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*")]
        assert left == [], f"temporary files are left: {left[:5]}"

    @contextmanager
    def start(self, *arguments: str | Path) -> Iterator[Running]:
        """Start it, and end it with the block in whatever way."""
        process = subprocess.Popen(
            [sys.executable, "-m", "modelbuild", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, **self.environment, "TMPDIR": str(self.temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running = Running(process)
        try:
            yield running
        finally:
            running.end()


class Running:
    """A run that goes on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._out: list[str] = []
        self._err: list[str] = []
        streams = ((process.stdout, self._out), (process.stderr, self._err))
        self._readers = [threading.Thread(target=_read, args=pair, daemon=True) for pair in streams]
        for reader in self._readers:
            reader.start()

    @property
    def err(self) -> str:
        return "".join(self._err)

    def wait_for(self, words: str, *, times: int = 1) -> None:
        """Until it says this on stderr, so often."""
        deadline = time.monotonic() + LIMIT
        while self.err.count(words) < times:
            assert self.process.poll() is None, f"ended with {self.process.returncode} without {words!r}:\n{self.err}"
            assert time.monotonic() < deadline, f"did not say {words!r}:\n{self.err}"
            time.sleep(0.02)

    def signal(self, number: int, *, to_group: bool = False) -> None:
        """Send a signal; Ctrl-C in a terminal reaches the whole group."""
        with suppress(ProcessLookupError):
            if to_group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def outcome(self) -> Outcome:
        """Wait for its end."""
        code = self.process.wait(LIMIT)
        for reader in self._readers:
            reader.join(10)
        return Outcome(code, "".join(self._out), self.err)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for reader in self._readers:
            reader.join(10)


def _read(stream: Any, lines: list[str]) -> None:
    with stream:
        lines.extend(iter(stream.readline, ""))
