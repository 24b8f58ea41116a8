"""Runs uv, and says in the user's terms why it failed."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from modelbuild.errors import MbuildError, NoSpaceError, RequirementError
from modelbuild.index import Index, redact, uv_environment

_NOISE = ("warning: The requested Python version", "warning: A managed Python download", "Resolved ")
_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of uv ended. ``errors`` is what it said, without credentials and noise."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for failure: how uv's words betray it, what it means, what to do."""

    pattern: str
    message: str
    hint: str


CAUSES = (
    Cause(
        r"invalid peer certificate|UnknownIssuer|certificate verify failed|CertificateRequired",
        "The package index's certificate is not trusted",
        "Behind a proxy that inspects TLS, give its certificate with --ca-file FILE.",
    ),
    Cause(
        r"401 Unauthorized|403 Forbidden|lack of valid authentication|Missing credentials",
        "The package index refused the credentials, or wants some",
        "Put them in ~/.netrc, in uv's keyring, or in the URL of --index-url; they never reach the image.",
    ),
    Cause(
        r"dns error|Connection refused|error sending request|timed out|Network is unreachable|connection reset",
        "The package index cannot be reached",
        "Check the network or the proxy (HTTPS_PROXY), name another index with --index-url, "
        "or give a folder of wheels with --find-links.",
    ),
    Cause(
        r"network was disabled|Network connectivity is disabled|offline",
        "Something is needed that is neither in the cache nor in --find-links, and the network is off",
        "Run once with the network, or put the wheels into the folder of --find-links.",
    ),
    Cause(
        r"Failed to read `--find-links` directory",
        "A folder of --find-links cannot be read",
        "Check its path.",
    ),
    Cause(
        r"hash mismatch|Hash mismatch",
        "A downloaded file is not the one that was locked",
        "Resolve anew with --refresh. If it happens again, the index serves changed files: do not trust it.",
    ),
    Cause(
        r"matching Python ABI tag|does not satisfy Python|requires a different Python|current Python version",
        "A package has no wheel for this Python",
        "Choose another Python with --python, or another version with --requirement.",
    ),
    Cause(
        r"matching platform tag|no wheels with a matching",
        "A package has no wheel for this platform",
        "Choose another version with --requirement, another --platform, or a base image with a newer C library.",
    ),
    Cause(
        r"not found in the (package registry|provided package locations)|not found in the cache",
        "A package does not exist in the index",
        "Check its spelling (an import's name is not always the distribution's), "
        "or name the index that has it with --extra-index-url.",
    ),
    Cause(
        r"no version of|only the following versions",
        "A version that is asked for does not exist",
        "Ask for another with --requirement NAME==VERSION.",
    ),
    Cause(
        r"No solution found",
        "The requirements contradict each other",
        "Override one of them with --requirement NAME==VERSION, or change the handler's.",
    ),
)


def run_uv(arguments: Sequence[str], index: Index, *, text: str = "") -> Outcome:
    """Run uv with ``text`` as its standard input, in an empty folder, so that it discovers no project."""
    links = [part for link in index.find_links for part in ("--find-links", _absolute(link))]
    with tempfile.TemporaryDirectory(prefix="mbuild-uv-") as folder:
        process = subprocess.run(
            [uv.find_uv_bin(), *arguments, *links],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=uv_environment(index, os.environ),
            cwd=folder,
            check=False,
        )
    return Outcome(process.returncode, process.stdout, useful(process.stderr))


def _absolute(link: str) -> str:
    return link if "://" in link else str(Path(link).absolute())


def useful(errors: str) -> str:
    """What uv said, without noise, colour and credentials."""
    lines = [line.rstrip() for line in redact(errors).splitlines()]
    kept: list[str] = []
    skipping = False
    for line in lines:
        if line.startswith(_NOISE):
            skipping = True
        elif not (skipping and line.startswith("  ")):
            skipping = False
            kept.append(line)
    return "\n".join(kept).strip()


def without_wheels(errors: str) -> tuple[str, ...]:
    """The packages that uv would have had to build."""
    return tuple(dict.fromkeys(_NO_WHEEL.findall(errors)))


def failure(errors: str, target: str) -> MbuildError:
    """The error for what uv said; ``target`` is "Python 3.11 on linux/amd64"."""
    if re.search(r"No space left on device|os error 28\b", errors):
        return NoSpaceError("The disk is full.", hint="Free some space; uv cache clean frees uv's.", details=errors)
    for cause in CAUSES:
        if re.search(cause.pattern, errors, re.IGNORECASE):
            return RequirementError(f"{cause.message} (for {target}).", hint=cause.hint, details=errors)
    return RequirementError(f"The requirements cannot be resolved for {target}.", details=errors)
