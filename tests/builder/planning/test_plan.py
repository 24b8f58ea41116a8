from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builder.values import BASE, LOCK, RUNTIME, example_plan, make_tree, make_trees
from modelbuild.errors import UsageError
from modelbuild.planning.plan import Plan, in_layer_order

GOLDENS = Path(__file__).parent / "goldens"


def test_a_plan_round_trips_through_json(tmp_path):
    plan = example_plan(tmp_path)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_plan_as_json(tmp_path, golden):
    text = json.dumps(example_plan(tmp_path).to_json(), indent=2, ensure_ascii=False) + "\n"
    golden(GOLDENS / "plan.json", text)
    assert str(tmp_path) not in text


def test_equal_inputs_give_an_equal_digest_wherever_they_lie(tmp_path):
    assert example_plan(tmp_path / "1").digest == example_plan(tmp_path / "2").digest


def test_every_input_moves_the_digest(tmp_path):
    trees = make_trees(tmp_path)
    other = make_tree(tmp_path / "other", "handler", {"opt/mbuild/handler/features.py": b"edited"})
    plans = [
        example_plan(tmp_path),
        example_plan(tmp_path, base=replace(BASE, digest="sha256:" + "ef" * 32)),
        example_plan(tmp_path, runtime=replace(RUNTIME, system_packages=("libgomp1",))),
        example_plan(tmp_path, lock=replace(LOCK, text="")),
        example_plan(tmp_path, trees=[tree if tree.name != "handler" else other for tree in trees]),
        example_plan(tmp_path, labels={}),
        example_plan(tmp_path, environment={"A": "1"}),
    ]
    assert len({plan.digest for plan in plans}) == len(plans)


def test_debian_packages_that_the_base_brings_are_not_installed(tmp_path):
    runtime = replace(RUNTIME, system_packages=("libgomp1", "locales"))
    plan = example_plan(tmp_path, runtime=runtime, base=replace(BASE, packages=("libc6", "libgomp1")))
    assert (plan.system_packages, plan.base.packages) == (("locales",), ("libgomp1",))
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_an_unknown_key_is_refused(tmp_path):
    with pytest.raises(TypeError):
        Plan.from_json({**example_plan(tmp_path).to_json(), "unknown": 1})


def test_layers_come_in_the_order_of_how_rarely_they_change(tmp_path):
    names = ["manifest", "model-10", "handler", "model-2", "dependencies", "model", "server"]
    trees = [make_tree(tmp_path, name, {"opt/x": b"1"}) for name in names]
    trees.append(make_tree(tmp_path, "handler", {}))
    assert [tree.name for tree in in_layer_order(trees)] == [
        "dependencies",
        "server",
        "model",
        "model-2",
        "model-10",
        "handler",
        "manifest",
    ]


def test_the_users_environment_is_over_the_runtimes_over_mbuilds(tmp_path):
    plan = example_plan(tmp_path, environment={"FOREST_TELEMETRY": "1", "HOME": "/home", "B": "2"})
    assert plan.environment["FOREST_TELEMETRY"] == "1"
    assert plan.environment["HOME"] == "/home"
    assert plan.environment["PYTHONPATH"] == "/opt/mbuild/deps:/opt/mbuild/server"
    assert list(plan.environment) == sorted(plan.environment)


def test_the_port_follows_the_environment(tmp_path):
    assert example_plan(tmp_path, environment={"MBUILD_PORT": "9000"}).ports == (9000, 8001)
    assert example_plan(tmp_path, environment={"MBUILD_PORT": "9000", "PORT": "9001"}).ports == (9001, 8001)
    assert example_plan(tmp_path, environment={"MBUILD_GRPC_PORT": "0"}).ports == (8080,)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"MBUILD_PORT": "http"}, "MBUILD_PORT cannot be 'http'"),
        ({"MBUILD_PORT": "70000"}, "MBUILD_PORT cannot be '70000'"),
        ({"PYTHONPATH": "/x"}, "PYTHONPATH is set by mbuild"),
        ({"A B": "1"}, "'A B' is no name"),
        ({"A": "1\nRUN evil"}, "The environment variable A holds a line break"),
    ],
)
def test_an_environment_that_cannot_be_set(tmp_path, environment, words):
    with pytest.raises(UsageError, match=words):
        example_plan(tmp_path, environment=environment)


@pytest.mark.parametrize(("name", "value"), [("a b", "1"), ('a"', "1"), ("", "1"), ("a", "1\n2")])
def test_a_label_that_cannot_be_set(tmp_path, name, value):
    with pytest.raises(UsageError):
        example_plan(tmp_path, labels={name: value})


def test_a_base_is_written_by_its_digest_where_there_is_one():
    assert BASE.pinned == f"python:3.11-slim@{BASE.digest}"
    assert replace(BASE, digest="").pinned == "python:3.11-slim"
