from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from builder.wheels import links, write_source, write_wheel
from modelbuild.dependencies import resolver
from modelbuild.dependencies.fetch import SITE, clean, fetch
from modelbuild.dependencies.index import Index
from modelbuild.dependencies.lock import lock
from modelbuild.errors import RequirementError

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    files = {
        "alpha/__init__.py": "from alpha import inner\n",
        "alpha/inner.py": "def answer():\n    return 42\n",
        "alpha/stub.pyi": "",
        "alpha/tests/test_a.py": "",
    }
    write_wheel(folder, "alpha", "1.0", files=files, entry_points="[console_scripts]\nalpha = alpha.inner:answer\n")
    return folder


def locked(folder, cache, *names):
    return lock(list(names), python=HERE, platform="linux/amd64", index=links(folder), cache=cache)


def test_the_tree_is_root_shaped_and_without_traces_of_this_machine(wheels, tmp_path):
    tree = fetch(locked(wheels, tmp_path, "alpha"), cache=tmp_path, index=links(wheels))
    paths = {file.path.removeprefix(f"{SITE}/") for file in tree.files}
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    assert paths == {
        "alpha/__init__.py",
        "alpha/inner.py",
        "alpha/stub.pyi",
        "alpha/tests/test_a.py",
        f"alpha/__pycache__/__init__.{tag}.pyc",
        f"alpha/__pycache__/inner.{tag}.pyc",
        f"alpha/tests/__pycache__/test_a.{tag}.pyc",
        "alpha-1.0.dist-info/METADATA",
        "alpha-1.0.dist-info/RECORD",
        "alpha-1.0.dist-info/WHEEL",
        "alpha-1.0.dist-info/entry_points.txt",
    }
    assert not any(str(tmp_path).encode() in file.source.read_bytes() for file in tree.files)


def test_what_a_runtime_does_not_need_stays_out(wheels, tmp_path):
    lock = locked(wheels, tmp_path, "alpha")
    whole = fetch(lock, cache=tmp_path, index=links(wheels))
    tree = fetch(lock, cache=tmp_path, index=links(wheels), without={"alpha": ("alpha/tests",), "beta": ("alpha",)})
    gone = {file.path for file in whole.files} - {file.path for file in tree.files}
    assert gone == {path for path in (file.path for file in whole.files) if "/alpha/tests/" in path}
    assert gone


def test_what_was_fetched_runs_by_its_path(wheels, tmp_path):
    tree = fetch(locked(wheels, tmp_path, "alpha"), cache=tmp_path, index=links(wheels))
    site = tree.files[0].source.parents[1]
    program = "import alpha.inner, importlib.metadata as m; print(alpha.inner.answer(), m.version('alpha'))"
    answer = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": site}, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "42 1.0\n"


def test_the_record_names_what_is_there(wheels, tmp_path):
    write_wheel(
        wheels,
        "numpy",
        "9.0",
        files={"numpy/__init__.py": "", "numpy/core.pyi": "", "numpy/lib/tests/test_x.py": "", "numpy/testing.py": ""},
    )
    tree = fetch(locked(wheels, tmp_path, "numpy"), cache=tmp_path, index=links(wheels))
    paths = {file.path.removeprefix(f"{SITE}/"): file.source for file in tree.files}
    listed = [row[0] for row in csv.reader(paths["numpy-9.0.dist-info/RECORD"].open())]
    assert listed == [
        "numpy-9.0.dist-info/METADATA",
        "numpy-9.0.dist-info/RECORD",
        "numpy-9.0.dist-info/WHEEL",
        "numpy/__init__.py",
        "numpy/testing.py",
    ]
    assert set(listed) <= set(paths)


def test_the_record_has_the_hash_of_a_library_without_its_symbols(tmp_path):
    whole = Path(importlib.util.find_spec("csimdjson").origin)
    library, record = tmp_path / "fast.so", tmp_path / "alpha-1.0.dist-info/RECORD"
    shutil.copyfile(whole, library)
    record.parent.mkdir()
    record.write_text(f"{_recorded(library)}\nalpha-1.0.dist-info/RECORD,,\n")
    clean(tmp_path)
    assert library.stat().st_size < whole.stat().st_size
    assert record.read_text() == f"alpha-1.0.dist-info/RECORD,,\n{_recorded(library)}\n"


def _recorded(path):
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{path.name},sha256={digest},{len(data)}"


def test_two_fresh_caches_give_equal_digests(wheels, tmp_path):
    first = fetch(locked(wheels, tmp_path / "1", "alpha"), cache=tmp_path / "1", index=links(wheels))
    second = fetch(locked(wheels, tmp_path / "2", "alpha"), cache=tmp_path / "2", index=links(wheels))
    assert first == second
    assert first.files[0].source != second.files[0].source


def test_a_warm_call_asks_nobody(wheels, tmp_path, monkeypatch):
    value = locked(wheels, tmp_path, "alpha")
    first = fetch(value, cache=tmp_path, index=links(wheels))
    monkeypatch.setattr(resolver.subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert fetch(value, cache=tmp_path) == first


def test_a_file_that_is_not_the_one_that_was_locked_is_refused(wheels, tmp_path):
    value = locked(wheels, tmp_path, "alpha")
    wrong = replace(value, text="\n".join(_spoilt(line) for line in value.text.splitlines()) + "\n")
    with pytest.raises(RequirementError, match=r"alpha.* is not the one that was locked") as caught:
        fetch(wrong, cache=tmp_path, index=links(wheels))
    assert "--refresh" in caught.value.hint
    assert not list((tmp_path / "trees").iterdir())


def _spoilt(line):
    return line[: line.index("sha256:") + 7] + "0" * 64 if "sha256:" in line else line


def test_a_pure_source_is_built(tmp_path):
    folder = tmp_path / "wheels"
    write_source(folder, "delta", "1.0")
    tree = fetch(locked(folder, tmp_path, "delta"), cache=tmp_path, index=links(folder))
    assert f"{SITE}/delta.py" in {file.path for file in tree.files}


def test_a_source_with_compiled_parts_is_refused(tmp_path):
    folder = tmp_path / "wheels"
    write_source(folder, "delta", "1.0", pure=False)
    with pytest.raises(RequirementError, match="delta has no wheel, and its source has compiled parts") as caught:
        fetch(locked(folder, tmp_path, "delta"), cache=tmp_path, index=links(folder))
    assert "--find-links" in caught.value.hint


def test_nothing_to_install_is_an_empty_tree(tmp_path):
    tree = fetch(
        lock([], python=HERE, platform="linux/amd64", index=Index(offline=True), cache=tmp_path), cache=tmp_path
    )
    assert tree.files == ()


@pytest.mark.slow
def test_stripped_frameworks_still_import(tmp_path):
    names = ["numpy", "pandas", "scikit-learn", "onnx", "onnxruntime", "joblib", "msgspec", "uvloop", "httptools"]
    value = lock(names, python=HERE, platform="linux/amd64", index=Index(), cache=tmp_path)
    tree = fetch(value, cache=tmp_path)
    program = """
import numpy.testing, numpy.f2py, scipy.stats, pandas.testing, sklearn.ensemble, sklearn.pipeline, joblib
import onnx.helper, onnx.reference, onnxruntime, msgspec, uvloop, httptools, importlib.metadata as m
print(m.version("numpy"), sklearn.ensemble.RandomForestClassifier().fit([[0], [1]], [0, 1]).predict([[1]]))
"""
    site = tmp_path / "trees" / next(tmp_path.glob("trees/*.json")).stem / SITE
    answer = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": site}, capture_output=True, text=True, check=False
    )
    assert answer.stderr == ""
    assert answer.stdout.endswith("[1]\n")
    assert not any("/tests/" in file.path for file in tree.files if "/numpy/" in file.path)


@pytest.mark.slow
@pytest.mark.parametrize(("python", "platform"), [("3.12", "linux/arm64"), ("3.10", "linux/amd64")])
def test_real_wheels_for_another_target_are_the_same_in_two_caches(tmp_path, python, platform):
    digests = set()
    for name in ("1", "2"):
        value = lock(["msgspec", "numpy"], python=python, platform=platform, index=Index(), cache=tmp_path / name)
        tree = fetch(value, cache=tmp_path / name)
        digests.add(tree.digest)
    assert len(digests) == 1
    architecture = {"linux/arm64": "aarch64", "linux/amd64": "x86_64"}[platform]
    assert any(
        file.path.endswith(f"cpython-{python.replace('.', '')}-{architecture}-linux-gnu.so") for file in tree.files
    )
