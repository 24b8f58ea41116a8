"""Where pip was told to look for wheels on this machine. uv does not read pip's settings, and who set pip up for a
network without PyPI has set it up for mbuild too.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def find_links(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The folders that exist, and the pages, of PIP_FIND_LINKS or else of pip's files, and of UV_FIND_LINKS.

    pip itself passes over a folder that is missing; uv does not.
    """
    ours = environment["PIP_FIND_LINKS"] if "PIP_FIND_LINKS" in environment else _configured(environment)
    links = (*ours.split(), *environment.get("UV_FIND_LINKS", "").replace(",", " ").split())
    expanded = (link if "://" in link else str(Path(link).expanduser()) for link in links)
    return tuple(dict.fromkeys(link for link in expanded if "://" in link or Path(link).is_dir()))


def _configured(environment: Mapping[str, str]) -> str:
    """The last file that says it wins, and in each what is said for installing, as pip has it."""
    parser = configparser.RawConfigParser()
    value = ""
    for path in _files(environment):
        parser.clear()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            value = parser.get(section, "find-links", fallback=value)
    return value


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path(environment.get("HOME", "~")).expanduser()
    for folder in reversed((environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    if named:
        yield Path(named)
