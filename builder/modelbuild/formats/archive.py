"""Zip archives from strangers: opened with bounds, read with bounds, never unpacked to a path."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from modelbuild.errors import ArtifactError

MAGIC = b"PK\x03\x04"
MAX_DIRECTORY = 1 << 25
MAX_JSON = 1 << 26
_END = b"PK\x05\x06"
_END_SIZE = 22
_END64 = b"PK\x06\x06"


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive.

    Raises:
        ArtifactError: its directory, which comes last, is missing, corrupt or absurdly large.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SIZE - 0xFFFF - 100))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise ArtifactError(
            f"{path.name} begins like a zip archive, but its directory is missing.",
            hint="It was cut off while it was written or copied: copy or save it again.",
        )
    (directory,) = struct.unpack_from("<I", tail, at + 12)
    at64 = tail.rfind(_END64)
    if directory == 0xFFFF_FFFF and at64 >= 0 and len(tail) - at64 >= 48:
        (directory,) = struct.unpack_from("<Q", tail, at64 + 40)
    if directory > MAX_DIRECTORY:
        raise ArtifactError(f"{path.name} is a zip archive with a directory of {directory >> 20} MiB.")
    try:
        return zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, struct.error) as error:
        raise ArtifactError(f"{path.name} is a corrupt zip archive: {error}.", hint="Copy or save it again.") from error


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's bytes.

    Raises:
        ArtifactError: it is missing, corrupt, encrypted, or larger than ``limit`` when inflated.
    """
    where = Path(archive.filename or "").name
    try:
        with archive.open(name) as member:
            data = member.read(limit + 1)
    except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(f"{name} in {where} cannot be read: {error}.", hint="Copy or save it again.") from error
    except (RuntimeError, NotImplementedError) as error:
        raise ArtifactError(f"{name} in {where} cannot be read: {error}.") from error
    if len(data) > limit:
        raise ArtifactError(f"{name} in {where} inflates to more than {limit >> 20} MiB.")
    return data


def read_member_json(archive: zipfile.ZipFile, name: str) -> Any:
    """A member that is JSON.

    Raises:
        ArtifactError: it cannot be read, or is no JSON.
    """
    data = read_member(archive, name, MAX_JSON)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        where = Path(archive.filename or "").name
        raise ArtifactError(f"{name} in {where} is no JSON: {error}.", hint="Copy or save it again.") from error
