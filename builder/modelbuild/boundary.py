"""The boundary of the process: the one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import click

from modelbuild.errors import MbuildError, NoSpaceError, UsageError
from modelbuild.terminal import Terminal

PATIENCE = 5.0
"""Seconds in which being told again to end changes nothing."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def boundary(terminal: Terminal) -> Iterator[None]:
    """Run a command inside of it: whatever it raises is printed once, and ends the process with its code."""
    try:
        with cleaning_up():
            yield
    except MbuildError as error:
        terminal.error(error)
        sys.exit(error.exit_code)
    except click.UsageError as error:
        terminal.error(UsageError(error.format_message(), hint=_usage_hint(error)))
        sys.exit(UsageError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        terminal.note("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away; there is nobody left to tell.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if not error.filename and error.errno not in _FULL:
            raise
        found = _of_this_machine(error)
        terminal.error(found)
        sys.exit(found.exit_code)


@contextlib.contextmanager
def cleaning_up() -> Iterator[None]:
    """Be told to end, by Ctrl-C, by a job's cancellation or by a closed terminal: containers and servers go first."""
    told = 0.0

    def end(number: int, _frame: object) -> None:
        nonlocal told
        if told and time.monotonic() - told < PATIENCE:
            return  # pressed twice: what the first one is removing would be left behind
        told = time.monotonic()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays ignored: that is what nohup is for.
    before = {number: signal.signal(number, end) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            # A process that is ending is left to end: a further signal would only cut its last words short.
            signal.signal(number, signal.SIG_IGN if told else handler)


def _of_this_machine(error: OSError) -> MbuildError:
    """The error for a file that cannot be used, wherever it was met."""
    if error.errno in _FULL:
        hint = "Free some space, or name other folders with MBUILD_CACHE and TMPDIR."
        return NoSpaceError(f"The disk is full{f': {error.filename}' if error.filename else ''}.", hint=hint)
    hint = "Check its permissions. mbuild writes to its cache (MBUILD_CACHE) and to temporary files (TMPDIR)."
    return MbuildError(f"{error.filename} cannot be used: {error.strerror}.", hint=hint)


def _usage_hint(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx else "mbuild"
    return f"{command} --help lists what there is."
