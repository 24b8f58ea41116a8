"""The main job, as the README tells it: package, run, ask, push, pull by digest; and what a rebuild touches."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import ANSWER, FEATURES, REQUEST, Project, linear_onnx
from e2e.servers import ask, running

pytestmark = pytest.mark.docker

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def layers(packaged: dict[str, Any]) -> dict[str, str]:
    """Names of layers to their digests."""
    return {layer["name"]: layer["diff_id"] for layer in packaged["layers"]}


def test_package_run_ask_push_and_pull_by_digest(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any, public_registry: str
) -> None:
    reference = image(public_registry, "1.0")
    packaged = mbuild("package", project.model, "--handler", project.handler, "-t", reference)
    assert packaged.out == f"{reference}\n"

    with running(client, reference) as (_, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)

    pushed = mbuild("push", reference)
    name, _, digest = pushed.out.strip().partition("@")
    assert name == reference
    assert DIGEST.fullmatch(digest)

    client.images.remove(reference, force=True)
    pulled = client.images.pull(reference.rpartition(":")[0], tag=digest)
    try:
        with running(client, pulled.id) as (_, address):
            assert ask(address, "/predict", REQUEST) == (200, ANSWER)
    finally:
        client.images.remove(pulled.id, force=True)


def test_talk_goes_to_stderr_in_plain_lines_and_ends_with_a_table(
    mbuild: Mbuild, project: Project, image: Callable[..., str]
) -> None:
    reference = image()
    outcome = mbuild("package", project.model, "-H", project.handler, "-t", reference)
    assert outcome.out == f"{reference}\n"
    assert "\x1b" not in outcome.err
    assert "\r" not in outcome.err
    lines = outcome.err.splitlines()
    steps = [line.split()[0] for line in lines]
    assert steps[:4] == ["Reading", "Checking", "Resolving", "Fetching"]
    assert steps.index("Verifying") < steps.index("Tagging") < steps.index("layer")
    table = {line.split()[0]: line.split() for line in lines[steps.index("layer") :]}
    assert set(table) >= {"base", "dependencies", "server", "model", "handler", "manifest", "total"}
    assert table["base"][-1] == "cache"
    assert re.search(
        r"^1 example answered, 1 compared; ready in [\d.]+ s, first answer after [\d.]+ s$", outcome.err, re.MULTILINE
    )
    assert not any(line.startswith("  |") for line in lines), "the engine's log is for failures and -v"


def test_the_engines_log_with_v(mbuild: Mbuild, project: Project, image: Callable[..., str]) -> None:
    outcome = mbuild("package", project.model, "-H", project.handler, "-t", image(), "-v")
    assert "  | engine: Docker " in outcome.err
    assert re.search(r"^  \| .*COPY --chown=0:0 handler/ /$", outcome.err, re.MULTILINE)


def test_json_of_a_packaged_image(packaged: dict[str, Any], client: Any) -> None:
    details = client.images.get(packaged["reference"]).attrs
    assert packaged["id"] == details["Id"]
    assert packaged["digest"] == ""  # not pushed
    assert packaged["platform"] == "linux/amd64"
    assert packaged["size"] == details["Size"]
    assert list(layers(packaged)) == ["base", "dependencies", "server", "model", "handler", "manifest"]
    assert list(layers(packaged).values()) == details["RootFS"]["Layers"][-6:]
    assert DIGEST.fullmatch(packaged["plan"])
    assert packaged["seconds"] > 0
    (example,) = packaged["verification"]["examples"]
    assert (example["request"], example["answer"], example["expected"]) == (REQUEST, ANSWER, ANSWER)
    assert packaged["verification"]["generated"] is False
    inputs = packaged["verification"]["contract"]["contract"]["inputs"]
    assert {item["name"]: item["datatype"] for item in inputs} == {"price": "FP64", "count": "INT64"}


def test_labels_describe_the_image(packaged: dict[str, Any], client: Any, base: str) -> None:
    labels = client.images.get(packaged["reference"]).labels
    assert labels["org.opencontainers.image.title"] == "packaged"
    assert labels["org.opencontainers.image.version"] == "1.0"
    assert labels["org.opencontainers.image.base.name"] == base
    assert labels["mbuild.runtime"] == "onnx"
    assert labels["mbuild.verified"] == "true"
    assert labels["mbuild.python"] == "3.11"
    assert DIGEST.fullmatch(labels["mbuild.artifact"])
    assert any(item.startswith("onnxruntime==") for item in json.loads(labels["mbuild.requirements"]))
    contract = json.loads(labels["mbuild.contract"])
    assert [item["name"] for item in contract["inputs"]] == ["price", "count"]
    assert json.loads(labels["mbuild.signature"])["inputs"][0]["name"] == "x"


def test_what_a_rebuild_touches(mbuild: Mbuild, project: Project, image: Callable[..., str]) -> None:
    """An edit of the handler changes the handler's layer, a new model the model's, and all others are what they were."""
    command = ("package", project.model, "-H", project.handler, "-t", image(), "--name", "same", "--json")

    def edited(edit: int) -> dict[str, Any]:
        project.handler.write_text(FEATURES + f"# edit {edit}\n")
        return mbuild(*command).json

    def retrained(edit: int) -> dict[str, Any]:
        project.model.write_bytes(linear_onnx((2.0, 3.00001 + edit)))
        return mbuild(*command).json

    first = mbuild(*command).json
    assert changed(first, handler := rebuilt(edited, {"base", "dependencies", "server", "model"})) == {"handler"}
    assert changed(handler, model := rebuilt(retrained, {"base", "dependencies", "server"})) == {"model"}
    assert "handler" not in from_cache(handler)
    assert "model" not in from_cache(model)


def rebuilt(build: Callable[[int], dict[str, Any]], kept: set[str]) -> dict[str, Any]:
    """What ``build`` made of the first edit after which ``kept`` came from the cache.

    An engine may throw its cache away between two builds, when it has grown over its limit; not three times.
    """
    for edit in range(3):
        if kept <= from_cache(made := build(edit)):
            return made
    raise AssertionError(f"three rebuilds in a row did not take {sorted(kept)} from the cache")


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name, digest in layers(after).items() if layers(before).get(name) != digest}


def from_cache(packaged: dict[str, Any]) -> set[str]:
    return {layer["name"] for layer in packaged["layers"] if layer["cached"]}


def test_a_model_alone_with_the_default_base(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any
) -> None:
    """No handler, no example, no option but the name: requests are made up from the signature."""
    project.example.unlink()
    outcome = mbuild.having(MBUILD_BASE="")("package", project.model, "-t", image(), "--json").json
    assert outcome["verification"]["generated"] is True
    assert client.images.get(outcome["reference"]).labels["org.opencontainers.image.base.name"].startswith("python:3.")
    with running(client, outcome["reference"]) as (_, address):
        assert ask(address, "/predict", {"x": [2.5, 4.0]}) == (200, {"y": [18.0]})


def test_nothing_is_verified_when_told_so_and_a_label_says_it(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any
) -> None:
    project.example.write_text(json.dumps({"request": REQUEST, "expected": {"total": 0.0}}))
    outcome = mbuild("package", project.model, "-H", project.handler, "-t", image(), "--no-verify", "--json")
    assert "not verified" in outcome.err
    assert outcome.json["verification"] is None
    labels = client.images.get(outcome.json["reference"]).labels
    assert labels["mbuild.verified"] == "false"
    assert "mbuild.contract" not in labels
