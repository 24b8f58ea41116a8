"""A protocol is imported when a path is asked for that it claims: no answer may hang on who was asked before."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contract.wires import Server
from modelbuild_runtime.http.router import Match
from modelbuild_runtime.process.discovery import Later, discover, names
from modelbuild_runtime.process.ports.listeners import GRPC, HEALTH, MANAGEMENT, router

SERVERS = {
    "alone": Server("iris"),
    "multi-model": Server("iris", environment={"SAGEMAKER_MULTI_MODEL": "true"}),
    "torchserve": Server("mar"),
}
LISTENERS = ["", GRPC, HEALTH, MANAGEMENT, "tensorflow_serving"]
every_server = pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())


def first(path: str) -> str:
    return "/" + path[1:].partition("/")[0]


@every_server
@pytest.mark.parametrize("name", names())
def test_claims_are_the_first_segments_of_all_paths(name, server):
    later = Later(name, server.service)
    protocol = later.made()
    paths = [*(route.path for route in protocol.routes), *(f"/{prefix}" for prefix in protocol.prefixes)]
    for path in paths if later.claims else ():
        assert later.may_have(path), path
        assert first(path) in later.claims or first(path).startswith("/{"), path
    assert later.claims == getattr(sys.modules[f"modelbuild_runtime.protocols.{name}"], "CLAIMS", ())
    for claim in later.claims:
        assert claim == first(claim) or claim.startswith("/{"), claim


def targets(server: Server) -> list[tuple[bytes, bytes]]:
    """All that has a route, what is beside and below it, and the same in other words."""
    found = {("GET", "/nothing"), ("GET", "/nothing/predict"), ("OPTIONS", "*"), ("GET", "//v2"), ("GET", "/%76%32")}
    for protocol in server.protocols:
        for route in protocol.routes:
            path = re.sub(r"\{\w+\*?\}", "m", route.path)
            found |= {
                (route.method, path),
                ("GET", path),
                ("HEAD", path + "/"),
                ("PATCH", path),
                ("POST", path + "?q=/"),
            }
            found |= {("GET", path + "/more"), ("POST", first(path)), ("GET", f"http://host{path}")}
            found |= {("GET", "/%" + path[1:2].encode().hex() + path[2:]), ("GET", f"{first(path)}/other")}
        found |= {("POST", f"/{prefix}/any") for prefix in protocol.prefixes}
    return sorted((method.encode(), target.encode()) for method, target in found)


def said(match: Match) -> tuple[object, ...]:
    routes = [(bound.name, bound.route.method, bound.route.path, bound.route.when is None) for bound in match.routes]
    owner = match.owner.name if match.owner is not None else ""
    return (match.path, match.params, match.only is None, routes, match.allowed, owner)


@every_server
@pytest.mark.parametrize("speaks", LISTENERS)
def test_what_a_target_leads_to_does_not_hang_on_what_was_asked_before(server, speaks):
    asked = targets(server)
    everything = router(server.protocols, speaks)
    expected = {one: said(everything.find(*one)) for one in asked}
    for seed in range(3):
        random.Random(seed).shuffle(asked)
        spoken = router(discover(server.service), speaks)
        for one in asked:
            assert said(spoken.find(*one)) == expected[one], one
    for one in random.Random(4).sample(asked, 40):
        assert said(router(discover(server.service), speaks).find(*one)) == expected[one], one


def test_what_is_not_asked_is_not_imported():
    code = """
import sys
from contract.wires import Server
server = Server("iris")
def told():
    found = [name.rpartition(".")[2] for name in sys.modules if name.startswith("modelbuild_runtime.protocols.")]
    print(*sorted(name for name in found if name[0] != "_"))
told()
for method, target in (("GET", "/health"), ("GET", "/nothing"), ("POST", "/v2/models/iris/infer"), ("GET", "/openapi.json")):
    server.ask(method, target)
    told()
"""
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n{code}"],
        check=True, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    start = ["operations", "rest", "vertex"]
    assert [line.split() for line in done.stdout.splitlines()] == [
        start, start, start, ["open_inference", *start], [*names()]
    ]  # fmt: skip
