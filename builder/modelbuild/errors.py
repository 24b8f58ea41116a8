"""Every error a user can meet in the builder: one class per cause, each with its own exit code.

A message says what happened and which value; ``hint`` says what to do next. Only ``modelbuild.boundary``
catches ``MbuildError`` and prints it. Exit codes are public: they are listed in docs/reference/errors.md.
"""

from __future__ import annotations


class MbuildError(Exception):
    """What happened, with the value; ``hint`` is what to do next; ``details`` is shown as is (a log's tail)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(MbuildError):
    """A flag, an environment variable or a key of mbuild.yaml that cannot be right."""

    exit_code = 2


class ArtifactError(MbuildError):
    """The artifact is missing, empty, truncated, corrupt or not a file or folder."""

    exit_code = 10


class UnknownFormatError(MbuildError):
    """No runtime recognises the artifact, or more than one does."""

    exit_code = 11


class UnsafeArtifactError(MbuildError):
    """Loading the artifact could execute more than its framework needs."""

    exit_code = 12


class UnsupportedModelError(MbuildError):
    """The format is known, but this model cannot be served (training or custom operators, too old, ...)."""

    exit_code = 13


class HandlerError(MbuildError):
    """The handler cannot be read, parsed, or has no entry point of a known shape."""

    exit_code = 14


class RequirementError(MbuildError):
    """Requirements cannot be resolved, or fetched, for the platform of the image."""

    exit_code = 15


class BaseImageError(MbuildError):
    """The base image is missing or does not fit (Python, libc, architecture)."""

    exit_code = 16


class EngineUnavailableError(MbuildError):
    """No build engine is reachable."""

    exit_code = 20


class BuildError(MbuildError):
    """The build engine refused or failed, or went away."""

    exit_code = 21


class VerificationError(MbuildError):
    """The image was built, but did not start, did not become ready, or answered wrongly."""

    exit_code = 22


class RegistryError(MbuildError):
    """The registry cannot be reached, or refused."""

    exit_code = 23


class NoSpaceError(MbuildError):
    """The disk is full."""

    exit_code = 24
