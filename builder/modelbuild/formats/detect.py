"""Which runtime an artifact is for, from its contents. Executes nothing and needs no framework."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.declaration import Runtime
from modelbuild.errors import ArtifactError, UnknownFormatError
from modelbuild.formats.evidence import Evidence
from modelbuild.formats.protobuf import BYTES, VARINT
from modelbuild.formats.rules import Condition, Rule, parse_rules

SMALL_FOLDER = 20
"""Files in a folder that are looked at one by one, to lead to the one that was meant."""


@dataclass(frozen=True, slots=True)
class KnownFormat:
    """A format that can be named, whether or not a runtime here takes it; ``hint`` is what its owner can do."""

    title: str
    hint: str
    rules: tuple[Rule, ...]


def detect(artifact: Artifact, runtimes: Sequence[Runtime]) -> Runtime:
    """The one runtime whose rules match.

    Raises:
        UnknownFormatError: none does, or more than one.
        ArtifactError: it is cut off, so that nothing can be said.
    """
    evidence = Evidence(artifact)
    matching = [runtime for runtime in runtimes if matches(runtime.rules, evidence)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = [runtime.name for runtime in matching]
        raise UnknownFormatError(
            f"{artifact.name} is recognised by {len(names)} runtimes: {', '.join(names)}.",
            hint=f"Choose one: {' or '.join(f'--runtime {name}' for name in names)}.",
        )
    raise _unknown(artifact, evidence, runtimes)


def matches(rules: Iterable[Rule], evidence: Evidence) -> bool:
    """Whether any of the rules holds."""
    return any(all(_holds(condition, evidence) for condition in rule) for rule in rules)


def _holds(condition: Condition, evidence: Evidence) -> bool:
    return WORDS[condition.word](condition.value, evidence) is not condition.negated


def _unknown(artifact: Artifact, evidence: Evidence, runtimes: Sequence[Runtime]) -> Exception:
    here = f"Runtimes here: {', '.join(runtime.name for runtime in runtimes)}; `mbuild runtimes` says what each takes."

    def taker(inner: Evidence) -> str:
        return next((runtime.name for runtime in runtimes if matches(runtime.rules, inner)), "")

    file, runtime = _inside(artifact, taker)
    if file:
        return UnknownFormatError(
            f"{artifact.name} is a folder; the runtime {runtime!r} takes the file {file} in it.",
            hint=f"Give that file: {artifact.source / file}",
        )
    known = None if evidence.hdf5_problem else _known(evidence)
    if known:
        return UnknownFormatError(
            f"{artifact.name} is {known.title}, which no runtime here takes.",
            hint=" ".join(filter(None, (known.hint, here))),
        )
    file, title = _inside(artifact, _title)
    if file:
        return UnknownFormatError(
            f"{artifact.name} is a folder with {file}, {title}, which no runtime here takes.", hint=here
        )
    damage = _damage(evidence)
    if damage:
        return ArtifactError(f"{artifact.name} {damage}.", hint="Copy or save it again: it is cut off or corrupt.")
    return UnknownFormatError(
        f"{artifact.name} is of no format known here{_looks_like(evidence)}.",
        hint=f"{here} If you know that one of them takes it, name it with --runtime.",
    )


def _inside(artifact: Artifact, name: Callable[[Evidence], str]) -> tuple[str, str]:
    """The only file of a small folder that ``name`` has a name for, and that name."""
    if not artifact.is_folder or len(artifact.files) > SMALL_FOLDER:
        return "", ""
    found = []
    for file in artifact.files:
        single = Artifact(file.path, (file,), is_folder=False, digest="", source=file.source)
        named = name(Evidence(single))
        found += [(file.path, named)] if named else []
    return found[0] if len(found) == 1 else ("", "")


def _known(evidence: Evidence) -> KnownFormat | None:
    return next((known for known in known_formats() if matches(known.rules, evidence)), None)


def _title(evidence: Evidence) -> str:
    known = _known(evidence)
    return known.title if known else ""


def _damage(evidence: Evidence) -> str:
    if evidence.is_broken_zip:
        return "begins like a zip archive, but its directory is missing"
    if evidence.hdf5_problem:
        return f"begins like an HDF5 file, but {evidence.hdf5_problem}"
    if evidence.pickle and evidence.pickle.problem:
        return f"begins like a pickle, but {evidence.pickle.problem}"
    return ""


def _looks_like(evidence: Evidence) -> str:
    """What there is to see of it, for whoever has to find out."""
    if not evidence.single:
        names = sorted(evidence.paths)[:5]
        return f": a folder with {', '.join(names)}"
    if evidence.pickle:
        modules = ", ".join(sorted(evidence.pickle.modules)) or "no library"
        return f": a pickle that refers to {modules}"
    return f": its first bytes are {evidence.head[:8].hex(' ')}"


@functools.cache
def known_formats() -> tuple[KnownFormat, ...]:
    """The table of formats, the more specific first."""
    path = Path(__file__).with_name("known_formats.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        KnownFormat(row["title"], row.get("hint", ""), parse_rules(row["detect"], f"{path.name}: {row['title']}"))
        for row in table["format"]
    )


# The vocabulary.


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _glob(value: Any, evidence: Evidence) -> bool:
    return any(fnmatchcase(evidence.artifact.name.lower(), pattern.lower()) for pattern in _texts(value))


def _magic(value: Any, evidence: Evidence) -> bool:
    table = value if isinstance(value, dict) else {"hex": value, "offset": 0}
    return evidence.head[table["offset"] :].startswith(bytes.fromhex(table["hex"]))


def _text(value: Any, evidence: Evidence) -> bool:
    return re.search(value, evidence.text) is not None


def _xml_root(value: Any, evidence: Evidence) -> bool:
    return bool(evidence.xml_root == value)


def _protobuf(value: Any, evidence: Evidence) -> bool:
    wires = dict.fromkeys(value.get("varint", ()), VARINT) | dict.fromkeys(value.get("bytes", ()), BYTES)
    found = evidence.protobuf
    return {item.number for item in found} >= set(value["required"]) and all(
        wires.get(item.number) == item.wire for item in found
    )


def _flatbuffer(value: Any, evidence: Evidence) -> bool:
    magic = bytes.fromhex(value["magic"])
    return evidence.flatbuffer(value["field"], len(magic)) == magic


def _all_match(patterns: Any, names: Iterable[str]) -> bool:
    names = tuple(names)
    return all(any(fnmatchcase(name, pattern) for name in names) for pattern in _texts(patterns))


def _zip_member(value: Any, evidence: Evidence) -> bool:
    return _all_match(value, evidence.members)


def _zip_json(value: Any, evidence: Evidence) -> bool:
    names = [name for name in evidence.members if fnmatchcase(name, value["member"])]
    return any(_entry(evidence.member_json(name), value) for name in names[:3])


def _hdf5_attribute(value: Any, evidence: Evidence) -> bool:
    return evidence.hdf5_attributes >= set(_texts(value))


def _file(value: Any, evidence: Evidence) -> bool:
    return _all_match(value, evidence.paths)


def _file_json(value: Any, evidence: Evidence) -> bool:
    names = [name for name in evidence.paths if fnmatchcase(name, value["file"])]
    return any(_entry(evidence.file_json(name), value) for name in names[:3])


def _entry(document: object, table: Mapping[str, str]) -> bool:
    if not isinstance(document, dict) or table["key"] not in document:
        return False
    value = document[table["key"]]
    text = value if isinstance(value, str) else json.dumps(value)
    return "equals" not in table or fnmatchcase(text, table["equals"])


def _json_key(value: Any, evidence: Evidence) -> bool:
    return evidence.json_keys >= set(_texts(value))


def _yaml_key(value: Any, evidence: Evidence) -> bool:
    return evidence.yaml_keys >= set(_texts(value))


def _pickle_global(value: Any, evidence: Evidence) -> bool:
    names = evidence.pickle.globals if evidence.pickle else ()
    return any(fnmatchcase(name, pattern) for name in names for pattern in _texts(value))


def _pickle(value: Any, evidence: Evidence) -> bool:
    return (evidence.pickle is not None) is value


WORDS: Mapping[str, Callable[[Any, Evidence], bool]] = {
    "glob": _glob,
    "magic": _magic,
    "text": _text,
    "xml_root": _xml_root,
    "protobuf": _protobuf,
    "flatbuffer": _flatbuffer,
    "zip_member": _zip_member,
    "zip_json": _zip_json,
    "hdf5_attribute": _hdf5_attribute,
    "json_key": _json_key,
    "yaml_key": _yaml_key,
    "pickle_global": _pickle_global,
    "pickle": _pickle,
    "file": _file,
    "file_json": _file_json,
}
