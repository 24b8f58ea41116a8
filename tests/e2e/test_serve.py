"""`mbuild serve`: the image's answers without a container, anew after each edit."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild, Running
from e2e.projects import ANSWER, FEATURES, REQUEST, Project, linear_onnx
from e2e.servers import ask, free_port, running, wait_until_ready

pytestmark = pytest.mark.docker

QUESTIONS = (
    ("/predict", REQUEST),
    ("/predict", [REQUEST, {"price": 0, "count": 1}]),
    ("/predict", {"price": "much", "count": 4}),
    ("/predict", {"price": 1.0}),
    ("/predict", {"price": 1.0, "count": 1, "colour": "red"}),
    ("/predict", [[2.5, 4]]),
    ("/predict", []),
    ("/nowhere", None),
    ("/contract", None),
)


@contextmanager
def serving(mbuild: Mbuild, project: Project, *options: str) -> Iterator[tuple[Running, str]]:
    port = free_port()
    with mbuild.start("serve", project.model, "-H", project.handler, "-p", str(port), *options) as server:
        server.wait_for(f"serving model.onnx at http://127.0.0.1:{port}")
        address = f"127.0.0.1:{port}"
        try:
            wait_until_ready(address)
        except TimeoutError as error:
            raise AssertionError(f"not ready:\n{server.err}") from error
        yield server, address


def is_free(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def wait_for_answer(address: str, answer: Any) -> None:
    deadline = time.monotonic() + 60
    found: Any = None
    while found != (200, answer) and time.monotonic() < deadline:
        with suppress(OSError):
            found = ask(address, "/predict", REQUEST)
        time.sleep(0.1)
    assert found == (200, answer)


def without_ids(answer: tuple[int, Any]) -> tuple[int, Any]:
    status, body = answer
    return status, {key: value for key, value in body.items() if key != "request_id"} if isinstance(
        body, dict
    ) else body


def test_the_same_answers_as_the_image(mbuild: Mbuild, project: Project, packaged: dict[str, Any], client: Any) -> None:
    with running(client, packaged["reference"]) as (_, image):
        expected = [without_ids(ask(image, path, body)) for path, body in QUESTIONS]
    with serving(mbuild, project, "--name", "packaged") as (server, address):
        assert [without_ids(ask(address, path, body)) for path, body in QUESTIONS] == expected
        server.signal(signal.SIGINT, to_group=True)
        outcome = server.outcome()
    assert (outcome.code, outcome.out) == (0, "")
    assert "Traceback" not in outcome.err
    assert is_free(address)
    mbuild.require_no_temporary_files()


def test_a_handler_that_is_edited_broken_and_mended(mbuild: Mbuild, project: Project) -> None:
    with serving(mbuild, project) as (server, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)
        project.handler.write_text(FEATURES.replace("float(outputs", "10 * float(outputs"))
        wait_for_answer(address, {"total": 180.0})

        project.handler.write_text("def preprocess(order:\n")  # it cannot be read
        server.wait_for("was never closed")
        project.handler.write_text(FEATURES)
        wait_for_answer(address, ANSWER)

        project.handler.write_text(f"raise RuntimeError('no licence')\n{FEATURES}")  # it cannot be imported
        server.wait_for("no licence")
        project.handler.write_text(FEATURES)
        wait_for_answer(address, ANSWER)

        project.handler.unlink()  # as editors do that write a new file
        server.wait_for("There is no handler")
        project.handler.write_text(FEATURES.replace("float(outputs", "100 * float(outputs"))
        wait_for_answer(address, {"total": 1800.0})

        project.model.write_bytes(linear_onnx((0.0, 0.0)))
        wait_for_answer(address, {"total": 100.0})
        assert server.process.poll() is None


def test_without_reload(mbuild: Mbuild, project: Project) -> None:
    with serving(mbuild, project, "--no-reload") as (server, address):
        project.handler.write_text("broken")
        time.sleep(1)
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)
        assert "starting anew" not in server.err


def test_told_to_end_it_leaves_no_server(mbuild: Mbuild, project: Project) -> None:
    with serving(mbuild, project) as (server, address):
        server.signal(signal.SIGTERM)
        assert server.outcome().code == 143
    assert is_free(address)
    mbuild.require_no_temporary_files()


def test_a_model_that_cannot_be_loaded_ends_it_without_reload(mbuild: Mbuild, project: Project) -> None:
    project.handler.write_text(f"raise RuntimeError('no licence')\n{FEATURES}")
    with mbuild.start("serve", project.model, "-H", project.handler, "-p", str(free_port()), "--no-reload") as server:
        outcome = server.outcome()
    assert outcome.code == 1
    assert "no licence" in outcome.err


def test_a_port_that_is_taken(mbuild: Mbuild, project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        outcome = mbuild.fails(2, "serve", project.model, "-p", port)
    assert f"127.0.0.1:{port}" in outcome.message
    assert "--port" in outcome.hint
    assert "'99999'" in mbuild.fails(2, "serve", project.model, "-p", "99999").message.replace("99999", "'99999'")


def test_a_python_that_is_not_here(mbuild: Mbuild, project: Project, tmp_path: Path) -> None:
    project.handler.write_text(f"# /// script\n# requires-python = '==3.10.*'\n# ///\n{FEATURES}")
    nothing = {name: str(tmp_path) for name in ("PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR")}
    serve = ("serve", project.model, "-H", project.handler, "-p", str(free_port()))
    outcome = mbuild.having(**nothing).fails(15, *serve)
    assert outcome.message == "This model needs Python 3.10, and this machine has none."
    assert "uv python install 3.10" in outcome.hint
