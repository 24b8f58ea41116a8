"""Values that many tests start from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelbuild.artifact import Artifact, File, digest_of
from modelbuild.declaration import PythonFor, Runtime
from modelbuild.dependencies.lock import Lock
from modelbuild.handlers.handler import Handler
from modelbuild.planning.make import make_plan
from modelbuild.planning.plan import BaseImage, Plan, Tree
from modelbuild.planning.tree_cache import tree_digest

BASE = BaseImage(
    reference="python:3.11-slim",
    digest="sha256:" + "ab" * 32,
    id="sha256:" + "cd" * 32,
    platform="linux/amd64",
    python="3.11",
    libc="glibc 2.36",
)
LOCK = Lock(
    "alpha==1.0 \\\n    --hash=sha256:" + "11" * 32 + "\nbeta==2.0 \\\n    --hash=sha256:" + "22" * 32 + "\n",
    "3.11",
    "linux/amd64",
    "x86_64-manylinux_2_36",
)
RUNTIME = Runtime(
    name="forest",
    title="Forest",
    summary="trees",
    rules=(),
    requirements=("forest", "joblib"),
    package="forest",
    pin="==",
    environment={"FOREST_TELEMETRY": "0"},
    python_for=(PythonFor(">=1,<2", ">=3.8,<3.12"), PythonFor(">=2", ">=3.11")),
)


def write_file(folder: Path, path: str, content: bytes, *, executable: bool = False) -> File:
    """A file on disk and the value that describes it."""
    source = folder / path
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    return File(path, len(content), hashlib.sha256(content).hexdigest(), source, executable)


def make_tree(folder: Path, name: str, contents: Mapping[str, bytes]) -> Tree:
    """A tree of files on disk."""
    files = tuple(write_file(folder / name, path, content) for path, content in sorted(contents.items()))
    return Tree(name, files, tree_digest(files))


def make_artifact(folder: Path, contents: Mapping[str, bytes], *, name: str, is_folder: bool) -> Artifact:
    """An artifact on disk."""
    files = tuple(write_file(folder, path, content) for path, content in sorted(contents.items()))
    return Artifact(name, files, is_folder, digest_of(files), folder / name)


def make_trees(folder: Path) -> tuple[Tree, ...]:
    """One small tree of every kind."""
    return (
        make_tree(folder, "dependencies", {"opt/mbuild/deps/alpha.py": b"A = 1\n"}),
        make_tree(folder, "server", {"opt/mbuild/server/modelbuild_runtime/__init__.py": b""}),
        make_tree(folder, "model", {"opt/mbuild/model/model.onnx": b"model"}),
        make_tree(folder, "handler", {"opt/mbuild/handler/features.py": b"def preprocess(inputs): ...\n"}),
        make_tree(folder, "manifest", {"opt/mbuild/manifest.json": b"{}"}),
    )


def example_plan(folder: Path, **changes: Any) -> Plan:
    """A plan with every kind of layer."""
    values: dict[str, Any] = {
        "base": BASE,
        "runtime": RUNTIME,
        "lock": LOCK,
        "trees": make_trees(folder),
        "labels": {"org.opencontainers.image.title": "fraud", "mbuild.runtime": "forest"},
    }
    return make_plan(**{**values, **changes})


def make_handler(**changes: Any) -> Handler:
    """A handler without files."""
    values: dict[str, Any] = {"module": "features", "style": "functions", "entry_points": ("preprocess",), "files": ()}
    return Handler(**{**values, **changes})
