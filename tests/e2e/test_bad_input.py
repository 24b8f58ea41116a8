"""What bad input gets: one error that names the thing and the value and says what to do, its own exit code, and
nothing left behind.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import re
import signal
import subprocess
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.dying_engine import dying_engine
from e2e.projects import FEATURES, REQUEST, Project
from e2e.servers import free_port

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("untouched")]

TAG = ("-t", "mbuild-e2e-never/tagged:1")


# Artifacts.


def test_a_missing_artifact(mbuild: Mbuild, project: Project) -> None:
    outcome = mbuild.fails(10, "package", "modle.onnx", *TAG)
    assert outcome.message == "modle.onnx does not exist."
    assert "model.onnx" in outcome.hint


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", 10, "model.onnx is empty"),
        (lambda model: model[: len(model) // 2], 10, "corrupt or truncated ONNX"),
        (lambda model: model[:40] + b"\xff" * (len(model) - 40), 10, "corrupt or truncated ONNX"),
        (b"PK\x03\x04" + b"\0" * 100, 10, "zip"),
        (b"hello\n", 11, "of no format known here: its first bytes are 68 65 6c 6c 6f 0a"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, 11, "model.onnx"),
        (b"\x80\x04\x95", 10, "model.onnx"),
        (gzip.compress(b"\x80\x04" + b"x" * 1000)[:20], 10, "model.onnx"),
    ],
    ids=["empty", "truncated", "corrupt", "broken zip", "text", "picture", "cut pickle", "cut gzip"],
)
def test_artifacts_that_are_no_models(mbuild: Mbuild, project: Project, content: Any, code: int, says: str) -> None:
    project.model.write_bytes(content(project.model.read_bytes()) if callable(content) else content)
    assert says in mbuild.fails(code, "package", project.model, *TAG).message


def test_special_files_and_folders(mbuild: Mbuild, project: Project) -> None:
    (project.folder / "empty").mkdir()
    os.mkfifo(project.folder / "pipe")
    (project.folder / "link.onnx").symlink_to("/nowhere/model.onnx")
    (project.folder / "model").mkdir()
    (project.folder / "model" / "stolen").symlink_to("/etc/hostname")
    assert "is an empty folder" in mbuild.fails(10, "package", "empty", *TAG).message
    assert "neither a file nor a folder" in mbuild.fails(10, "package", "pipe", *TAG).message
    assert "link to something that is gone" in mbuild.fails(10, "package", "link.onnx", *TAG).hint
    assert "outside of the folder" in mbuild.fails(10, "package", "model", *TAG).message


def test_a_format_that_is_known_but_not_here_is_named(mbuild: Mbuild, project: Project) -> None:
    with zipfile.ZipFile(project.folder / "model.zip", "w") as archive:
        archive.writestr("readme.txt", "no model")
    assert "model.zip" in mbuild.fails(11, "package", "model.zip", *TAG).message


def test_the_wrong_runtime(mbuild: Mbuild, project: Project) -> None:
    assert mbuild.fails(10, "package", project.model, "--runtime", "sklearn", *TAG).message
    outcome = mbuild.fails(2, "package", project.model, "--runtime", "onyx", *TAG)
    assert "'onyx'" in outcome.message
    assert "'onnx'" in outcome.hint


class Evil:
    """Pickled, it is an order to whoever loads it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.order = (function, arguments)

    def __reduce__(self) -> Any:
        return self.order


def zlib_of_joblib(data: bytes) -> bytes:
    return zlib.compress(data, 3)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    "pack",
    [bytes, zlib_of_joblib, gzip.compress, bz2.compress, lzma.compress],
    ids=["plain", "zlib", "gz", "bz2", "xz"],
)
def test_a_pickle_that_runs_a_program(
    mbuild: Mbuild, project: Project, protocol: int, pack: Callable[..., bytes]
) -> None:
    canary = project.folder / "canary"
    model = project.folder / "model.pkl"
    model.write_bytes(pack(pickle.dumps({"weights": Evil(os.system, f"touch {canary}")}, protocol)))
    outcome = mbuild.fails(12, "package", model, "--runtime", "sklearn", *TAG)
    assert re.search(r"\b(os|posix)\.system\b", outcome.message)
    assert "--allow-unsafe" in outcome.hint
    assert not canary.exists()


@pytest.mark.parametrize("function", [eval, exec, subprocess.Popen, __import__])
def test_other_orders_in_a_pickle(mbuild: Mbuild, project: Project, function: Any) -> None:
    canary = project.folder / "canary"
    order = (["touch", str(canary)],) if function is subprocess.Popen else (f"open({str(canary)!r}, 'w')",)
    model = project.folder / "model.pkl"
    model.write_bytes(pickle.dumps(Evil(function, *order)))
    outcome = mbuild.fails(12, "package", model, "--runtime", "sklearn", *TAG)
    assert f"{function.__module__}.{function.__name__}" in outcome.message
    assert not canary.exists()


def test_no_command_loads_a_hostile_pickle(mbuild: Mbuild, project: Project) -> None:
    canary = project.folder / "canary"
    model = project.folder / "model.pkl"
    model.write_bytes(pickle.dumps(Evil(eval, f"open({str(canary)!r}, 'w')")))
    options = ("--runtime", "sklearn")
    for command in (("plan",), ("render", "-o", "out"), ("serve", "-p", str(free_port()))):
        assert "builtins.eval" in mbuild.fails(12, *command, model, *options).message
    found = mbuild("inspect", model, *options, "--json").json
    assert {item["severity"] for item in found["findings"]} >= {"danger"}
    assert "builtins.eval" in mbuild("inspect", model, *options).out
    assert not canary.exists()
    assert not (project.folder / "out").exists()


def test_a_hostile_pickle_inside_of_an_estimator(mbuild: Mbuild, project: Project) -> None:
    import joblib
    from sklearn.linear_model import LinearRegression

    canary = project.folder / "canary"
    estimator = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    estimator.coef_ = Evil(os.system, f"touch {canary}")
    joblib.dump(estimator, project.folder / "model.joblib", compress=3)
    outcome = mbuild.fails(12, "package", "model.joblib", *TAG)
    assert re.search(r"\b(os|posix)\.system\b", outcome.message)
    assert not canary.exists()


# Handlers.


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("def preprocess(x:\n    return x\n", 14, "features.py, line 1: '(' was never closed"),
        ("def predikt(x):\n    return x\n", 14, "features.py has no entry point; it defines predikt"),
        ("def preprocess(a, b, c):\n    return a\n", 14, "features.py, line 1: preprocess takes 3 arguments"),
        ("async def preprocess(x):\n    return x\n", 14, "features.py, line 1: preprocess is async"),
        ("import mbuild_e2e_nowhere\ndef preprocess(x):\n    return x\n", 15, "mbuild-e2e-nowhere is in no package index"),
        ("from numpy import nothing_of_it\ndef preprocess(x):\n    return x\n", 22, "cannot import name 'nothing_of_it'"),
        ("1 / 0\ndef preprocess(x):\n    return x\n", 22, "ZeroDivisionError: division by zero (features.py, line 1)"),
        ("import sys\nsys.exit(3)\ndef preprocess(x):\n    return x\n", 22, "SystemExit: 3 (features.py, line 2)"),
        (FEATURES.replace('return {"x"', "raise KeyError('no such order')\n    return {\"x\""), 22, "KeyError: 'no such order'"),
        (FEATURES.replace('{"x"', '{"z"'), 22, "z"),
        (FEATURES.replace("order.price, ", ""), 22, "x"),
        ("# /// script\n# dependencies = ['mbuild-e2e-nowhere']\n# ///\ndef preprocess(x):\n    return x\n", 15, "mbuild-e2e-nowhere"),
        ("# /// script\n# dependencies = ['numpy\n# ///\ndef preprocess(x):\n    return x\n", 14, "PEP 723 block"),
    ],
    ids=["syntax", "no entry point", "signature", "async", "missing import", "import of nothing", "fails at import", "exits",
         "raises at request", "wrong name", "wrong shape", "unresolvable", "block"],
)  # fmt: skip
def test_handlers_that_cannot_work(mbuild: Mbuild, project: Project, source: str, code: int, says: str) -> None:
    project.handler.write_text(source)
    outcome = mbuild.fails(code, "package", project.model, "-H", project.handler, *TAG)
    assert says in outcome.message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent.py", "There is no handler"),
        ("notes.txt", "is no Python file"),
        ("numpy.py", "numpy"),
        ("my-code.py", "my_code.py"),
    ],
)
def test_files_that_cannot_be_handlers(mbuild: Mbuild, project: Project, name: str, says: str) -> None:
    if name != "absent.py":
        (project.folder / name).write_text(FEATURES)
    outcome = mbuild.fails(14, "package", project.model, "-H", name, *TAG)
    assert says in outcome.message + outcome.hint


# Requirements and bases.


@pytest.mark.parametrize(
    ("requirement", "says"),
    [
        ("mbuild-e2e-nowhere", "mbuild-e2e-nowhere is in no package index that was asked (Python 3.11 on linux/amd64)"),
        ("onnxruntime==99.0", "onnxruntime==99.0 does not exist"),
        ("onnxruntime==1.10.0", "onnxruntime==1.10.0 has no wheel for this Python"),
        ("this is none", "'this is none' of --requirement cannot be read"),
        ("./wheels/mine.whl", "cannot be read"),
        ("msgspec<0.1", "msgspec"),
    ],
)
def test_requirements_that_cannot_be_met(mbuild: Mbuild, project: Project, requirement: str, says: str) -> None:
    assert says in mbuild.fails(15, "package", project.model, "-r", requirement, *TAG).message


def test_a_wheel_for_another_platform_only(mbuild: Mbuild, project: Project) -> None:
    name = "mbuild_e2e_only-1.0-py3-none-win_amd64.whl"
    with zipfile.ZipFile(project.folder / name, "w") as wheel:
        wheel.writestr(
            "mbuild_e2e_only-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mbuild-e2e-only\nVersion: 1.0\n"
        )
        wheel.writestr("mbuild_e2e_only-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-win_amd64\n")
        wheel.writestr("mbuild_e2e_only-1.0.dist-info/RECORD", "")
    outcome = mbuild.fails(15, "package", project.model, "--find-links", ".", "-r", "mbuild-e2e-only", *TAG)
    assert "has no wheel for this platform" in outcome.message
    assert "--platform" in outcome.hint


def test_an_index_that_is_not_there(mbuild: Mbuild, project: Project) -> None:
    url = "http://somebody:hunter2@127.0.0.1:9/simple"
    outcome = mbuild.fails(15, "package", project.model, "--index-url", url, "-r", "mbuild-e2e-nowhere", *TAG)
    assert "cannot be reached" in outcome.message
    assert "hunter2" not in outcome.err


@pytest.fixture
def scratch(client: Any, worker: str) -> Iterator[str]:
    """A base with nothing in it, like one of another family."""
    name = f"mbuild-e2e-base:empty-{worker}"
    client.images.build(
        fileobj=io.BytesIO(f"FROM scratch\nLABEL mbuild-e2e={worker}\nENV PATH=/bin\n".encode()), tag=name, rm=True
    )
    yield name
    client.images.remove(name)


@pytest.mark.usefixtures("scratch")
def test_a_base_without_python(mbuild: Mbuild, project: Project, scratch: str) -> None:
    outcome = mbuild.fails(16, "package", project.model, "--base", scratch, *TAG)
    assert outcome.message == f"The base image {scratch} has no python3 on its PATH."
    assert "mbuild base" in outcome.hint


def test_bases_that_do_not_fit(mbuild: Mbuild, project: Project, base: str) -> None:
    outcome = mbuild.fails(16, "package", project.model, "--python", "3.12", *TAG)
    assert outcome.message == f"The base image {base} has Python 3.11, and Python 3.12 was asked for."
    outcome = mbuild.fails(16, "package", project.model, "--base", "registry.invalid/team/python:3.11", *TAG)
    assert "the host registry.invalid is not found" in outcome.message
    assert "mbuild base" in outcome.hint
    outcome = mbuild.fails(15, "package", project.model, "--platform", "linux/vax", *TAG)
    assert "'linux/vax'" in outcome.message


# Examples and names.


def test_an_example_that_disagrees(mbuild: Mbuild, project: Project) -> None:
    project.example.write_text(json.dumps({"request": REQUEST, "expected": {"total": 18.5}}))
    outcome = mbuild.fails(22, "package", project.model, "-H", project.handler, *TAG)
    assert outcome.message == "1 of 1 examples failed. request.json: $.total is 18.0 instead of 18.5"
    assert "--tolerance" in outcome.hint


def test_an_example_that_the_model_refuses(mbuild: Mbuild, project: Project) -> None:
    project.example.write_text(json.dumps({"price": "much", "count": 4}))
    outcome = mbuild.fails(22, "package", project.model, "-H", project.handler, *TAG)
    assert "'request.json' is refused with 4" in outcome.message
    assert "'price'" in outcome.message
    assert "POST /predict" in outcome.hint


def test_what_had_the_name_keeps_it_when_its_successor_fails(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any
) -> None:
    reference = image()
    mbuild("package", project.model, "-H", project.handler, "-t", reference)
    before = client.images.get(reference).id
    project.handler.write_text(FEATURES.replace("float(outputs", "2 * float(outputs"))
    outcome = mbuild.fails(22, "package", project.model, "-H", project.handler, "-t", reference)
    assert "$.total is 36.0 instead of 18.0" in outcome.message
    assert client.images.get(reference).id == before
    client.images.remove(reference)


@pytest.mark.parametrize(("text", "says"), [(None, "cannot be read: No such file"), ("{price: 1}", "is no JSON")])
def test_examples_that_are_none(mbuild: Mbuild, project: Project, text: str | None, says: str) -> None:
    if text is not None:
        (project.folder / "mine.json").write_text(text)
    outcome = mbuild.fails(2, "package", project.model, "-e", "mine.json", *TAG)
    assert f"The example mine.json {says}" in outcome.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-t", "team/Fraud:1"), "it has capitals in 'Fraud'"),
        (("-t", "https://localhost:5000/fraud"), "it has a scheme"),
        (("-t", "fraud:1:2"), "it has the tag '1:2'"),
        (("-t", "fraud:-x"), "it has the tag '-x'"),
        (("-t", f"fraud@sha256:{'a' * 64}"), "names an image by its digest"),
        (("-t", ""), "The image has no name."),
        ((*TAG, "--name", "predict"), "The model cannot be named 'predict'."),
        ((*TAG, "--name", "a/b"), "'a/b'"),
        ((*TAG, "--env", "A"), "--env 'A' has no value."),
        ((*TAG, "--env", "PYTHONPATH=/x"), "PYTHONPATH is set by mbuild"),
        ((*TAG, "--label", "a b=c"), "'a b' is no name of a label."),
        ((*TAG, "--label", "a=b\nc"), "line break"),
        ((*TAG, "--tolerance", "-1"), "'tolerance' cannot be -1.0"),
        ((*TAG, "--ready-timeout", "nan"), "'ready_timeout' cannot be nan"),
        ((*TAG, "--engine", "rkt"), "There is no build engine 'rkt'."),
        ((*TAG, "--python", "three"), "'three' is no minor version of Python"),
        ((*TAG, "--data", "model.onnx"), "--data was given without --handler."),
        ((*TAG, "--config", "absent.yaml"), "absent.yaml cannot be read"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_options_that_cannot_be_right(mbuild: Mbuild, project: Project, options: tuple[str, ...], says: str) -> None:
    assert says in mbuild.fails(2, "package", project.model, *options).message


# Engines.


def test_no_engine(mbuild: Mbuild, project: Project) -> None:
    nowhere = mbuild.having(DOCKER_HOST="unix:///nowhere/docker.sock", CONTAINER_HOST="unix:///nowhere/podman.sock")
    for arguments in (("package", project.model, *TAG), ("verify", "some/image:1"), ("push", "some/image:1")):
        outcome = nowhere.fails(20, *arguments)
        assert outcome.message == "No build engine is reachable."
        assert "docker: unix:///nowhere/docker.sock (DOCKER_HOST): there is no such socket" in outcome.details
        assert "mbuild render MODEL -o FOLDER" in outcome.hint


def test_an_engine_that_was_named_is_the_only_one(mbuild: Mbuild, project: Project) -> None:
    """Nobody wants their image in another engine than the one that DOCKER_HOST names."""
    outcome = mbuild.having(DOCKER_HOST="tcp://127.0.0.1:9").fails(20, "package", project.model, *TAG)
    assert "tcp://127.0.0.1:9 (DOCKER_HOST): nothing listens there" in outcome.details


@pytest.mark.parametrize(
    ("request_", "doing"),
    [(b"/build?", "building the image"), (b"/containers/create?", "starting a container")],
    ids=["build", "verify"],
)
def test_an_engine_that_hangs_up_half_way(
    mbuild: Mbuild, project: Project, tmp_path: Path, request_: bytes, doing: str
) -> None:
    project.handler.write_text(f"{FEATURES}# {doing}\n")
    mbuild("plan", project.model)  # the base has been looked at
    with dying_engine(tmp_path, request_) as host:
        command = mbuild.having(DOCKER_HOST=host)
        outcome = command.fails(21, "package", project.model, "-H", project.handler, *TAG)
    assert outcome.message == f"The engine went away while {doing}."
    assert "docker info" in outcome.hint


def test_an_engine_that_is_gone_for_good(mbuild: Mbuild, project: Project, tmp_path: Path) -> None:
    project.handler.write_text(f"{FEATURES}# gone\n")
    with dying_engine(tmp_path, b"/build?", for_ever=True) as host:
        outcome = mbuild.having(DOCKER_HOST=host).fails(21, "package", project.model, "-H", project.handler, *TAG)
    assert outcome.message == "The engine went away while building the image."


# Space.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "mbuild-e2e", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_no_space_for_the_cache(mbuild: Mbuild, project: Project, small_disk: Path) -> None:
    command = mbuild.having(MBUILD_CACHE=str(small_disk / "cache"))
    outcome = command.fails(24, "package", project.model, *TAG)
    assert "full" in outcome.message
    left = sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file())
    assert left < 100_000, "half of a tree is left"
    subprocess.run(["mount", "-o", "remount,size=600m", str(small_disk)], check=True)
    assert command("plan", project.model).json["runtime"] == "onnx"


def test_no_space_for_a_rendered_folder(mbuild: Mbuild, project: Project, small_disk: Path) -> None:
    assert str(small_disk) in mbuild.fails(24, "render", project.model, "-o", small_disk / "out").message


def test_no_space_for_temporary_files(mbuild: Mbuild, project: Project, small_disk: Path, tmp_path: Path) -> None:
    """uv unpacks beside its cache and mbuild beside its own: a small TMPDIR is enough."""
    (small_disk / "filler").write_bytes(b"x" * 900_000)
    command = Mbuild(mbuild.folder, small_disk / "tmp", {**mbuild.environment, "MBUILD_CACHE": str(tmp_path / "cache")})
    command.temporary.mkdir()
    command("plan", project.model)


@pytest.mark.parametrize("folder", ["/proc/nowhere", "model.onnx"])
def test_a_cache_that_cannot_be_written(mbuild: Mbuild, project: Project, folder: str) -> None:
    outcome = mbuild.having(MBUILD_CACHE=folder).fails(1, "package", project.model, *TAG)
    assert folder in outcome.message
    assert "MBUILD_CACHE" in outcome.hint


# Interrupts.


@pytest.mark.parametrize("step", ["Resolving", "Fetching", "Building", "Verifying"])
def test_ctrl_c_in_the_middle(mbuild: Mbuild, project: Project, step: str, tmp_path: Path) -> None:
    project.handler.write_text(f"import time\ntime.sleep(30)\n{FEATURES}# {step}\n")
    options = ("--no-cache",) if step == "Building" else ("--refresh",) if step == "Resolving" else ()
    if step == "Fetching":
        mbuild = mbuild.having(MBUILD_CACHE=str(tmp_path / "cache"))
    with mbuild.start("package", project.model, "-H", project.handler, *TAG, *options) as running:
        running.wait_for(step)
        running.signal(signal.SIGINT, to_group=True)
        time.sleep(0.1)
        running.signal(signal.SIGINT, to_group=True)  # nobody presses it once
        outcome = running.outcome()
    assert outcome.code == 130, outcome.err
    assert outcome.err.endswith("interrupted\n")
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    mbuild.require_no_temporary_files()
    if step == "Fetching":
        left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and "trees" in path.parts]
        assert left == [], "half of a tree is left"


def test_a_jobs_cancellation(mbuild: Mbuild, project: Project) -> None:
    project.handler.write_text(f"import time\ntime.sleep(30)\n{FEATURES}")
    with mbuild.start("package", project.model, "-H", project.handler, *TAG) as running:
        running.wait_for("Verifying")
        running.signal(signal.SIGTERM)
        outcome = running.outcome()
    assert outcome.code == 143
    assert "Traceback" not in outcome.err
    mbuild.require_no_temporary_files()


def test_a_model_that_takes_too_long_to_load(mbuild: Mbuild, project: Project) -> None:
    project.handler.write_text(f"import time\ntime.sleep(30)\n{FEATURES}")
    outcome = mbuild.fails(22, "package", project.model, "-H", project.handler, *TAG, "--ready-timeout", "2")
    assert outcome.message == "The image was not ready within 2 seconds."
    assert "--ready-timeout" in outcome.hint
