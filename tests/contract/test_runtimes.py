"""Every runtime, as the builder sees it: found by its folder, so that a new one is tested by existing."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.values import example_plan
from environments import make_sample
from modelbuild.artifact import read_artifact
from modelbuild.declaration import Runtime
from modelbuild.formats.detect import detect
from modelbuild.planning.dockerfile import render
from modelbuild.runtime import builtin_runtimes

RUNTIMES = builtin_runtimes()


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_its_dockerfile(runtime: Runtime, tmp_path: Path, golden):
    labels = {"mbuild.runtime": runtime.name}
    golden(runtime.folder / "golden.Dockerfile", render(example_plan(tmp_path, runtime=runtime, labels=labels)))


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_its_folder_is_whole(runtime: Runtime):
    for name in ("runtime.toml", "reader.py", "engine.py", "sample.py", "README.md"):
        assert (runtime.folder / name).is_file(), name


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_its_own_sample_is_recognised(runtime: Runtime, tmp_path: Path):
    sample = make_sample(runtime.name, tmp_path)
    assert detect(read_artifact(sample.path, cache=tmp_path / "cache"), RUNTIMES).name == runtime.name
