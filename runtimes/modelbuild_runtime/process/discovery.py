"""The protocols that this server speaks: every file in the folder ``protocols``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import List, Mapping, Tuple

from modelbuild_runtime import protocols
from modelbuild_runtime.http.router import pattern
from modelbuild_runtime.protocols import Protocol, Route, Service


def discover(service: Service) -> List[Protocol]:
    """All protocols, speaking for ``service``; in the order of their names."""
    spoken = [importlib.import_module(f"{protocols.__name__}.{name}").protocol(service) for name in names()]
    return _settled(spoken, {"model": service.model_name, "version": service.model_version})


def names() -> Tuple[str, ...]:
    """Names of the modules. Those that begin with an underscore are parts of others."""
    folder = Path(protocols.__file__).parent
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


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
