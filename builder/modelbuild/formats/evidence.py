"""What can be seen of an artifact without knowing its format: looked up once, when a rule asks, executing nothing."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError
from modelbuild.formats import archive, flatbuffer, hdf5
from modelbuild.formats.compression import compression
from modelbuild.formats.json_keys import top_level_keys
from modelbuild.formats.protobuf import WireError, WireField, fields, mapped
from modelbuild.pickles import scan as pickles

HEAD = 1 << 16
MAX_FIELDS = 100_000
MAX_JSON = 1 << 24
# Atomic, so that no text can make it try every way to cut up its declarations and comments.
_XML_ROOT = re.compile(r"^\ufeff?(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>)*+<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)


class Evidence:
    """Lazy looks at one artifact. Everything about contents is empty for a folder, and the other way round."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.single = not artifact.is_folder
        self.source: Path = artifact.source

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The files of a folder."""
        return () if self.single else tuple(file.path for file in self.artifact.files)

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file."""
        if not self.single:
            return b""
        with self.source.open("rb") as file:
            return file.read(HEAD)

    @cached_property
    def text(self) -> str:
        """The first bytes as text; empty where they are none."""
        if b"\0" in self.head and not self.head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return ""
        encoding = "utf-16" if self.head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
        return self.head.decode(encoding, errors="replace")

    @cached_property
    def xml_root(self) -> str:
        """The local name of an XML document's root element."""
        match = _XML_ROOT.match(self.text) if self.text.lstrip("\ufeff \t\r\n").startswith("<") else None
        return match[1] if match else ""

    @cached_property
    def protobuf(self) -> tuple[WireField, ...]:
        """The top-level fields, the last of which may be cut off; empty where it is no protobuf message."""
        if not self.single:
            return ()
        found: list[WireField] = []
        try:
            with mapped(self.source) as buffer:
                for item in fields(buffer, cut=True):
                    found.append(item)
                    if len(found) > MAX_FIELDS:
                        break
        except WireError as error:
            # Cut off within a tag or a number, or no protobuf at all.
            return tuple(found) if found and error.offset >= self.artifact.files[0].size - 10 else ()
        return tuple(found)

    def flatbuffer(self, field: int, length: int) -> bytes:
        """The first bytes in a field of the root table of a FlatBuffers file; empty where it is none."""
        if not self.single:
            return b""
        try:
            with mapped(self.source) as buffer:
                start, size = flatbuffer.root(buffer).span(field)
                return bytes(buffer[start : start + min(size, length)])
        except flatbuffer.FlatbufferError:
            return b""

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The names in a zip archive."""
        if not self.head.startswith(archive.MAGIC):
            return ()
        try:
            with archive.open_zip(self.source) as opened:
                return tuple(opened.namelist())
        except ArtifactError:
            return ()

    @property
    def is_broken_zip(self) -> bool:
        """Begins like a zip archive, but its directory, which comes last, is not there."""
        return self.head.startswith(archive.MAGIC) and not self.members

    def member_json(self, name: str) -> Any:
        """A JSON document in a zip archive; None where it cannot be read."""
        try:
            with archive.open_zip(self.source) as opened:
                return archive.read_member_json(opened, name)
        except ArtifactError:
            return None

    def file_json(self, path: str) -> Any:
        """The JSON document, or the first line of JSON, in a file of a folder; None where it is none."""
        file = next(file for file in self.artifact.files if file.path == path)
        with file.source.open("rb") as stream:
            data = stream.read(MAX_JSON + 1)
        whole = _parse_json(data)
        return whole if whole is not None else _parse_json(data.partition(b"\n")[0])

    @cached_property
    def _hdf5(self) -> tuple[frozenset[str], str]:
        if not self.head.startswith(hdf5.MAGIC):
            return frozenset(), ""
        try:
            with mapped(self.source) as buffer:
                return frozenset(hdf5.root_attributes(buffer)), ""
        except hdf5.Hdf5Error as error:
            return frozenset(), str(error)

    @property
    def hdf5_attributes(self) -> frozenset[str]:
        """The names of the attributes of an HDF5 file's root group."""
        return self._hdf5[0]

    @property
    def hdf5_problem(self) -> str:
        """Why an HDF5 file cannot be read; "" where it can, or where it is none."""
        return self._hdf5[1]

    @cached_property
    def json_keys(self) -> frozenset[str]:
        """The top-level keys of a JSON object, as far as it goes."""
        if not self.text.lstrip("\ufeff \t\r\n").startswith("{"):
            return frozenset()
        return top_level_keys(self.source)

    @cached_property
    def yaml_keys(self) -> frozenset[str]:
        """The top-level keys of a YAML mapping, of its first 64 KiB."""
        return frozenset(re.findall(r"^([A-Za-z_][\w.-]*):(?:\s|$)", self.text, re.MULTILINE))

    @cached_property
    def pickle(self) -> pickles.PickleScan | None:
        """The scan of a pickle; None for anything else."""
        if not self.single or not _may_be_pickle(self.head):
            return None
        try:
            found = pickles.scan(self.source)
        except ArtifactError:
            return None
        return found if pickles.is_pickle(found) else None


def _may_be_pickle(head: bytes) -> bool:
    """Compressed, or with a protocol, or beginning with an opcode that a text pickle begins with."""
    return bool(compression(head)) or head[:1] in {b"\x80", b"(", b"c", b"]", b"}", b"i"}


def _parse_json(data: bytes) -> Any:
    if len(data) > MAX_JSON:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
