"""What the three probes tell apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild_runtime.http.router import Router
from modelbuild_runtime.protocols import operations


def probed(path: str, **state: bool) -> int:
    said = {name: lambda told=told: told for name, told in state.items()}
    named = {"model_name": "m", "model_version": "1", "settings": SimpleNamespace(page=False)}
    service: Any = SimpleNamespace(**named, **said)
    bound = Router([operations.protocol(service)]).find(b"GET", path.encode()).only
    assert bound is not None
    return bound.answer(SimpleNamespace(headers={}, id="1")).status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("live", "ready", "found"),
    [(True, True, [200, 200, 200]), (True, False, [200, 503, 200]), (False, False, [503, 503, 200])],
)
def test_who_has_started_stays_so_whether_ready_or_alive(live, ready, found):
    paths = "/health/live", "/health/ready", "/health/startup"
    assert [probed(path, live=live, ready=ready) for path in paths] == found
