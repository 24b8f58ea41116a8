"""The protocols that this server speaks: every file in the folder ``protocols``."""

from __future__ import annotations

import importlib
import re
from ast import literal_eval
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

from modelbuild_runtime import protocols
from modelbuild_runtime.http.router import pattern
from modelbuild_runtime.protocols import Protocol, Route, Service, Spoken

_FOLDER = Path(protocols.__file__).parent
_CLAIMS = re.compile(r"^CLAIMS = (\(.*?\))$", re.MULTILINE | re.DOTALL)


def discover(service: Service) -> Sequence[Spoken]:
    """All protocols, speaking for ``service``; in the order of their names. Those that say where their paths begin are
    imported when such a path is asked for.
    """
    found = [Later(name, service) for name in names()]
    spoken: List[Spoken] = [one if one.claims else one.made() for one in found]
    if any(route.spare for one in found if not one.claims for route in one.made().routes):
        known = {"model": service.model_name, "version": service.model_version}
        return _settled([one.made() for one in spoken], known)
    return spoken


def names() -> Tuple[str, ...]:
    """Names of the modules. Those that begin with an underscore are parts of others."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("_")))


class Later:
    """A protocol whose file is imported when it is needed."""

    def __init__(self, name: str, service: Service) -> None:
        found = _CLAIMS.search((_FOLDER / f"{name}.py").read_text("utf-8"))
        self.name = name
        self.claims: Tuple[str, ...] = literal_eval(found.group(1)) if found else ()
        self._beginnings = tuple(path[1:].split("/") for path in self.claims)
        self._service = service
        self._made: Optional[Protocol] = None

    def may_have(self, path: str) -> bool:
        """Whether the path begins as the file says that its own do."""
        parts = path[1:].split("/")
        return any(
            len(parts) >= len(beginning)
            and all(want == got or want.startswith("{") for want, got in zip(beginning, parts))
            for beginning in self._beginnings
        )

    def made(self) -> Protocol:
        """The protocol, made once."""
        if self._made is None:
            module = importlib.import_module(f"{protocols.__name__}.{self.name}")
            self._made = module.protocol(self._service)
        return self._made


def _settled(spoken: List[Protocol], known: Mapping[str, str]) -> List[Protocol]:
    """The same protocols without the spare routes whose paths others have, for a model of that name and version."""
    claims = [(route.method, route.path) for one in spoken for route in one.routes if not route.spare]

    def stays(route: Route) -> bool:
        if not route.spare:
            return True
        found = [pattern(path).fullmatch(route.path) for method, path in claims if method == route.method]
        return not any(
            all(known.get(name, said) == said for name, said in one.groupdict().items()) for one in found if one
        )

    return [one._replace(routes=tuple(filter(stays, one.routes))) for one in spoken]
