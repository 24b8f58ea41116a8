"""Runs uv, and says in the user's terms why it failed."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from modelbuild.dependencies.index import Index, redact, trusted, uv_environment
from modelbuild.dependencies.places import absolute, project
from modelbuild.errors import MbuildError, NoSpaceError, RequirementError

PLACED = "placed/pyproject.toml"
"""A further input for uv, beside the requirements: which distributions come from one place only."""

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
    """One reason for failure: how uv's words betray it, what it means, what to do. Groups of the pattern are named
    in the message as {0}, {1}.
    """

    pattern: str
    message: str
    hint: str


# The first that matches wins: what keeps uv from asking at all comes before what the answers were.
CAUSES = (
    Cause(
        r"Failed to initialize cache at `([^`]+)`",
        "uv, which resolves them, cannot write its cache {0}",
        "Put it elsewhere with UV_CACHE_DIR, and mbuild's own with MBUILD_CACHE.",
    ),
    Cause(
        r"invalid peer certificate|UnknownIssuer|certificate verify failed",
        "The package index's certificate is not trusted",
        "Behind a proxy that inspects TLS, give its certificate with --ca-file FILE.",
    ),
    Cause(
        r"40[13] (?:Unauthorized|Forbidden)|Missing credentials",
        "The package index refused the credentials, or wants some",
        "Put them in ~/.netrc, in uv's keyring, or in the URL of --index-url; they never reach the image.",
    ),
    Cause(
        r"Failed to read `--find-links` URL: (\S+)",
        "The page of wheels {0} cannot be read",
        "Check the network or the proxy (HTTPS_PROXY), or give a folder that has the wheels, or a mirror's page of "
        "them, with --find-links.",
    ),
    Cause(
        r"dns error|Connection refused|timed out|Network is unreachable|connection reset|error sending request",
        "The package index cannot be reached",
        "Check the network or the proxy (HTTPS_PROXY), name another index with --index-url, "
        "or give a folder of wheels with --find-links.",
    ),
    Cause(
        r"Failed to read `--find-links` [^:]*: (\S+)",
        "The folder {0} of --find-links cannot be read",
        "Check its path.",
    ),
    Cause(
        r"Hash mismatch for `([^`]+)`",
        "The file that was downloaded for {0} is not the one that was locked",
        "Resolve anew with --refresh. If it happens again, the index serves changed files: do not trust it.",
    ),
    Cause(
        r"(\S+) has no wheels with a matching platform tag",
        "{0} has no wheel for this platform",
        "Choose another version with --requirement, another --platform, or a base image with a newer C library.",
    ),
    Cause(
        r"(\S+) has no wheels with a matching Python (?:ABI|version|implementation) tag|(\S+) depends on Python",
        "{0} has no wheel for this Python",
        "Choose another Python with --python, or another version with --requirement.",
    ),
    Cause(
        r"(?:Because|And because) (\S+) (?:was not found in|needs to be downloaded|was not found)",
        "{0} is in no package index that was asked",
        "Check its spelling (an import's name is not always the distribution's); "
        "put a module of your own beside the handler; "
        "or name the index that has it with --extra-index-url, or a folder with --find-links.",
    ),
    Cause(
        r"there (?:is|are) no versions? of (\S+)",
        "{0} does not exist",
        "Ask for another version with --requirement NAME==VERSION.",
    ),
    Cause(
        r"only the following versions of (\S+) are available",
        "The version of {0} that is needed does not exist",
        "Ask for another version with --requirement NAME==VERSION.",
    ),
    Cause(
        r"you require (\S+) and (\S+?),? we can conclude",
        "{0} contradicts {1}",
        "Decide with --requirement NAME==VERSION, or change the handler's.",
    ),
    Cause(
        r"Because (?:all versions of )?(\S+) depends? on (\S+) and you require .*"
        r" because you require (\S+?),? we can conclude",
        "{0} needs {1}, which contradicts {2}",
        "Decide with --requirement NAME==VERSION, or change the handler's.",
    ),
    Cause(
        r"only (\S+) (?:is|are) available",
        "Only {0} is where it is looked for",
        "Ask for that version with --requirement, or give a folder with the wheel that is needed with --find-links.",
    ),
    Cause(
        r"No solution found",
        "The requirements contradict each other",
        "Override one of them with --requirement NAME==VERSION, or change the handler's.",
    ),
)


def run_uv(
    arguments: Sequence[str], index: Index, *, text: str = "", settings: str = "", placed: Collection[str] = ()
) -> Outcome:
    """Run uv with ``text`` as its standard input, in a folder of its own, so that it discovers no project. ``settings``
    are those of a project, as TOML: they come on top of the user's. ``placed`` are the names for the input ``PLACED``.

    Raises:
        UsageError: the index's CA file cannot be used.
    """
    links = [part for link in index.find_links for part in ("--find-links", absolute(link))]
    environment = uv_environment(index, os.environ)
    certificates = trusted(index, os.environ)
    with tempfile.TemporaryDirectory(prefix="mbuild-uv-") as folder:
        if settings:
            Path(folder, "uv.toml").write_text(settings, encoding="utf-8")
        if placed:
            Path(folder, PLACED).parent.mkdir()
            Path(folder, PLACED).write_text(project(placed, index.places), encoding="utf-8")
        if certificates:
            bundle = Path(folder, "certificates.pem")
            bundle.write_text(certificates, encoding="utf-8")
            environment["SSL_CERT_FILE"] = str(bundle)
        process = subprocess.run(
            [uv.find_uv_bin(), *arguments, *links],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            cwd=folder,
            check=False,
        )
    return Outcome(process.returncode, process.stdout, useful(process.stderr))


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
    words = " ".join(errors.split())
    for cause in CAUSES:
        if found := re.search(cause.pattern, words, re.IGNORECASE):
            message = cause.message.format(*(group for group in found.groups() if group))
            return RequirementError(f"{message} ({target}).", hint=cause.hint, details=errors)
    return RequirementError(f"The requirements cannot be resolved ({target}).", details=errors)
