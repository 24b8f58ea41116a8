"""Manifests for platforms ask for health where the server tells of it, and need nothing that the image has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from docs.markdown import ROOT, Block, blocks

ROUTES = (ROOT / "docs" / "reference" / "protocols.md").read_text(encoding="utf-8")
PORTS = {8080, 8001, "http"}
MANIFESTS = [block for block in blocks("yaml") if "containers:" in block.text or "inference_config:" in block.text]
CONTAINERS = [block for block in MANIFESTS if "containers:" in block.text]


def within(value: Any, key: str) -> Iterator[Any]:
    """Whatever stands under a key, however deep."""
    if isinstance(value, dict):
        yield from (found for name, found in value.items() if name == key)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from within(inner, key)


def asked(block: Block) -> list[dict[str, Any]]:
    documents = list(yaml.safe_load_all(block.text))
    routes = ("httpGet", "liveness_route", "readiness_route", "scoring_route")
    return [found for key in routes for found in within(documents, key)]


@pytest.mark.parametrize("block", MANIFESTS, ids=lambda block: block.id)
def test_what_is_asked_is_answered(block: Block):
    assert asked(block)
    for route in asked(block):
        assert f"`{route['path']}`" in ROUTES, route
        assert route.get("port", 8080) in PORTS


@pytest.mark.parametrize("block", CONTAINERS, ids=lambda block: block.id)
def test_every_container_is_asked_whether_it_is_ready_and_needs_no_shell(block: Block):
    """A platform that is told no path connects to the port, which is open while the model is still being loaded."""
    for containers in within(list(yaml.safe_load_all(block.text)), "containers"):
        for container in containers:
            probe = container.get("readinessProbe") or container["startupProbe"]
            assert "httpGet" in probe
            assert all(command[0].startswith("python3") for command in within(container, "command"))
