"""Where a distribution comes from that must come from one place only: the wheels of some for CPUs are not on PyPI,
which has those for GPUs under the same name, gigabytes larger.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Places = Mapping[str, str]
"""A folder or page of wheels by the canonical name of the distribution that is looked for there and nowhere else."""


def places(indexes: Mapping[str, str], find_links: Iterable[str]) -> Places:
    """The place of each distribution that has an index of its own: what the user has for it, or its page there.

    ``indexes`` are the URLs of simple indexes (PEP 503) by distribution. A folder among ``find_links`` that holds a
    wheel of it is the user's, and so is a page that is its own in some index (``.../torch/``).
    """
    links = tuple(find_links)
    return {
        canonicalize_name(name): next((link for link in links if _has(link, canonicalize_name(name))), _page(name, url))
        for name, url in indexes.items()
    }


def _page(name: str, url: str) -> str:
    return f"{url.rstrip('/')}/{canonicalize_name(name)}/"


def _has(link: str, name: str) -> bool:
    if "://" in link and not link.startswith("file://"):
        return urlsplit(link).path.rstrip("/").rpartition("/")[2] == name
    folder = Path(link.removeprefix("file://"))
    return folder.is_dir() and any(canonicalize_name(path.name.split("-")[0]) == name for path in folder.glob("*.whl"))


def absolute(link: str) -> str:
    """A link that means the same in every folder."""
    return link if "://" in link else str(Path(link).absolute())


def placed(requirements: Iterable[str], known: Places) -> frozenset[str]:
    """The names among requirements that have a place."""
    return frozenset(canonicalize_name(Requirement(text).name) for text in requirements) & frozenset(known)


def project(names: Collection[str], known: Places) -> str:
    """A pyproject.toml that requires the names, each from its place. uv has no other way to say so."""
    if not names:
        return ""
    chosen: Sequence[str] = sorted(names)
    lines = ["[project]", 'name = "the-image"', 'version = "0"', f"dependencies = {json.dumps(chosen)}"]
    lines += ["[tool.uv.sources]", *(f'{name} = {{ index = "{name}" }}' for name in chosen)]
    for name in chosen:
        lines += ["[[tool.uv.index]]", f'name = "{name}"', f"url = {json.dumps(absolute(known[name]))}"]
        lines += ['format = "flat"', "explicit = true"]
    return "\n".join(lines) + "\n"
