"""Which distribution brings an imported module: the two often have different names."""

from __future__ import annotations

import functools
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

STDLIB = sys.stdlib_module_names | {"distutils", "imp", "asyncore", "asynchat", "smtpd", "tomllib"}
"""Modules of any Python that an image may have."""


@functools.cache
def _table() -> Mapping[str, Any]:
    path = Path(__file__).with_name("distributions.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def is_stdlib(module: str) -> bool:
    """Whether Python itself brings the module."""
    return module.partition(".")[0] in STDLIB


def alternatives(module: str) -> tuple[str, ...]:
    """The distributions that bring a module, the first the one to ask for; empty where none is needed.

    A module that is not in the table is taken for its distribution's namesake.
    """
    if is_stdlib(module):
        return ()
    table: Mapping[str, list[str]] = _table()["alternatives"]
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        found = table.get(".".join(parts[:count]))
        if found is not None:
            return tuple(found)
    return (canonicalize_name(parts[0]),)


def is_listed(module: str) -> bool:
    """Whether the table knows the module, so that no name has to be guessed."""
    table: Mapping[str, list[str]] = _table()["alternatives"]
    parts = module.split(".")
    return any(".".join(parts[:count]) in table for count in range(len(parts), 0, -1))


def of_model(module: str) -> str:
    """The distribution of a module that a model's file refers to; "" for one that no model is known to be made of."""
    top = module.partition(".")[0]
    return alternatives(top)[0] if top in _table()["trusted"]["modules"] else ""


def missing(modules: Iterable[str], declared: Iterable[str]) -> tuple[str, ...]:
    """The distributions that ``modules`` need beyond the ``declared`` names.

    Where something is declared, a module whose distribution would have to be guessed is left to it: its distribution
    may well be among the declared ones under another name.
    """
    have = {canonicalize_name(name) for name in declared}
    wanted = []
    for module in modules:
        choices = alternatives(module)
        if choices and not have & set(choices) and (not have or is_listed(module)):
            wanted.append(choices[0])
    return tuple(sorted(dict.fromkeys(wanted)))
