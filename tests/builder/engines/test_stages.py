from __future__ import annotations

from dataclasses import replace

import pytest

from builder.values import BASE
from modelbuild.engines.stages import KEEP, longest, parts, stages, superfluous
from modelbuild.planning.plan import HealthCheck, Layer, Plan


def plan(*names, **changes):
    layers = tuple(Layer(name, f"sha256:{name}", 10, 1) for name in names)
    values = {
        "base": BASE, "platform": "linux/amd64", "python": "3.11", "runtime": "onnx", "requirements": (),
        "system_packages": (), "layers": layers, "environment": {}, "user": "65532:0", "ports": (8080,),
        "entrypoint": (), "command": (), "healthcheck": HealthCheck(()), "labels": {},
    }  # fmt: skip
    return Plan(**{**values, **changes})


WHOLE = plan("dependencies", "server", "model", "model-2", "handler", "manifest")


def keys(value, builder="BuildKit"):
    return [stage.reference for stage in stages(value, builder)]


def test_stages_end_after_the_server_and_after_the_model():
    assert [(stage.kind, stage.count) for stage in stages(WHOLE, "BuildKit")] == [("server", 2), ("model", 4)]


def test_equal_beginnings_have_equal_stages():
    other = replace(WHOLE, layers=(*WHOLE.layers[:4], replace(WHOLE.layers[4], digest="sha256:x")), labels={"a": "b"})
    assert keys(other) == keys(WHOLE)


def test_another_model_shares_the_servers_stage():
    other = replace(WHOLE, layers=(*WHOLE.layers[:2], replace(WHOLE.layers[2], digest="sha256:x"), *WHOLE.layers[3:]))
    assert keys(other)[0] == keys(WHOLE)[0]
    assert keys(other)[1] != keys(WHOLE)[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"base": replace(BASE, id="sha256:other")},
        {"platform": "linux/arm64"},
        {"system_packages": ("libgomp1",)},
    ],
)
def test_what_changes_the_bytes_changes_the_stages(changes):
    assert not set(keys(replace(WHOLE, **changes))) & set(keys(WHOLE))


def test_builders_share_no_stages():
    assert not set(keys(WHOLE, "the classic builder")) & set(keys(WHOLE))


def test_the_longest_stage_that_is_there():
    server, model = stages(WHOLE, "BuildKit")
    assert longest((server, model), lambda _: True) == model
    assert longest((server, model), lambda name: name == server.reference) == server
    assert longest((server, model), lambda _: False) is None


def names(value, start):
    found = stages(value, "BuildKit")
    return [
        ("stage" if part.start in keys(value) else part.start, [layer.name for layer in part.layers], part.tag != "")
        for part in parts(value, found, found[start] if start is not None else None)
    ]


def test_what_is_left_to_build():
    rest = ("stage", ["handler", "manifest"], False)
    model = ("stage", ["model", "model-2"], True)
    assert names(WHOLE, None) == [(BASE.pinned, ["dependencies", "server"], True), model, rest]
    assert names(WHOLE, 0) == [model, rest]
    assert names(WHOLE, 1) == [rest]


def test_without_a_model_there_is_no_stage_for_it():
    assert [stage.kind for stage in stages(plan("dependencies", "server", "manifest"), "BuildKit")] == ["server"]


def test_the_most_recently_used_stay():
    images = [(f"mbuild-stage:model-{number}", f"2026-01-{number:02}") for number in range(1, KEEP + 4)]
    images += [("mbuild-stage:server-1", "2025-01-01")]
    assert superfluous(images, before="2027") == [
        "mbuild-stage:model-3",
        "mbuild-stage:model-2",
        "mbuild-stage:model-1",
    ]


def test_what_somebody_may_be_using_stays():
    images = [(f"mbuild-stage:model-{number}", f"2026-01-{number:02}") for number in range(1, KEEP + 4)]
    assert superfluous(images, before="2026-01-02") == ["mbuild-stage:model-1"]
