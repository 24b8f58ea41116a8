"""From everything that is known to the plan. Decisions about the image are here; templates only print them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from modelbuild.declaration import Runtime
from modelbuild.dependencies.lock import Lock
from modelbuild.errors import UsageError
from modelbuild.planning.labels import LAYERS
from modelbuild.planning.plan import BaseImage, HealthCheck, Plan, Tree, in_layer_order, layer_of
from modelbuild.planning.ports import exposed

USER = "65532:0"
# What every image sets. HOME is the one folder that stays writable on a read-only root file system.
ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": "/opt/mbuild/deps:/opt/mbuild/server",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
}
ENTRYPOINT = ("python3", "-m", "modelbuild_runtime")
COMMAND = ("serve",)
PROBE = ("python3", "-I", "-S", "/opt/mbuild/server/modelbuild_runtime/health.py")
_RESERVED = frozenset({"PYTHONPATH", "MBUILD_MANIFEST"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")


def make_plan(
    *,
    base: BaseImage,
    runtime: Runtime,
    lock: Lock,
    trees: Iterable[Tree],
    labels: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> Plan:
    """The plan of an image; ``environment`` is the user's, over the runtime's, over mbuild's.

    Raises:
        UsageError: a label or an environment variable cannot be set.
    """
    own = dict(environment or {})
    _check_environment(own)
    _check_labels(labels)
    layers = tuple(layer_of(tree) for tree in in_layer_order(trees))
    needed = frozenset(runtime.system_packages)
    there = needed.intersection(base.packages)
    return Plan(
        base=replace(base, packages=tuple(sorted(there))),
        platform=lock.platform,
        python=lock.python,
        runtime=runtime.name,
        requirements=lock.requirements,
        system_packages=tuple(sorted(needed - there)),
        layers=layers,
        environment=dict(sorted({**ENVIRONMENT, **runtime.environment, **own}.items())),
        user=USER,
        ports=exposed(own),
        entrypoint=ENTRYPOINT,
        command=COMMAND,
        healthcheck=HealthCheck(PROBE),
        labels=dict(sorted({**labels, LAYERS: " ".join(layer.name for layer in layers)}.items())),
    )


def _check_environment(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of an environment variable.", hint="Letters, digits and _ only.")
        if name in _RESERVED:
            raise UsageError(f"{name} is set by mbuild and cannot be changed.", hint="Leave out --env " + name + ".")
        _check_value(f"The environment variable {name}", value)


def _check_labels(labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        if not _LABEL.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a label.", hint="Letters, digits, dots, dashes and slashes only.")
        _check_value(f"The label {name}", value)


def _check_value(what: str, value: str) -> None:
    # No builder of today and yesterday agrees with another on a line break inside of a value.
    if any(character in value for character in "\n\r\0"):
        raise UsageError(f"{what} holds a line break.", hint="Write it on one line.")
