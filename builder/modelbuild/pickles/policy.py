"""What a pickle may refer to, as data: ``policy.toml`` for all, ``[pickle]`` of a runtime.toml for its own."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path

from modelbuild.errors import UsageError

_CLASS_NAME = re.compile(r"_*[A-Z]\w*")


@dataclass(frozen=True, slots=True)
class PicklePolicy:
    """Patterns over ``module.name``.

    ``classes`` are trusted where the name is written like a class's; ``callables`` by their exact names, as
    functions and the classes that are written small; ``deny`` wins over both.
    """

    classes: tuple[str, ...] = ()
    callables: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __or__(self, other: PicklePolicy) -> PicklePolicy:
        return PicklePolicy(self.classes + other.classes, self.callables + other.callables, self.deny + other.deny)

    def denies(self, module: str, name: str) -> bool:
        """Whether it is known to be able to do harm."""
        return _any(f"{module}.{name}", self.deny)

    def allows(self, module: str, name: str) -> bool:
        """Whether the framework needs it to load a model. A dotted name reaches through an object: never."""
        if "." in name or self.denies(module, name):
            return False
        if _any(f"{module}.{name}", self.callables):
            return True
        return bool(_CLASS_NAME.fullmatch(name)) and _any(f"{module}.{name}", self.classes)


def _any(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def parse_policy(table: Mapping[str, object], where: str) -> PicklePolicy:
    """A policy from a TOML table.

    Raises:
        UsageError: an unknown key, or a value that is no list of patterns.
    """
    known = [item.name for item in fields(PicklePolicy)]
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r} in [pickle].", hint=f"Known: {', '.join(known)}.")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{where}: [pickle] {key!r} must be a list of patterns.")
    return PicklePolicy(**{key: tuple(value) for key, value in table.items() if isinstance(value, list)})


@functools.cache
def shared_policy() -> PicklePolicy:
    """What every framework's pickles need: the scientific stack that carries their arrays and frames."""
    path = Path(__file__).with_name("policy.toml")
    return parse_policy(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
