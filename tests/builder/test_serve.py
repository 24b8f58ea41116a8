"""``mbuild serve`` without a server: how files are laid out, watched, and what the environment says."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelbuild import serve
from modelbuild.artifact import File
from modelbuild.config import Options
from modelbuild.errors import HandlerError, UsageError
from modelbuild.planning.plan import Tree
from modelbuild.progress import Silence
from modelbuild.serve import Server, lay_out, require_free, stamp, wait_for_change


def a_file(folder: Path, name: str, text: str, path: str) -> File:
    (folder / name).write_text(text)
    return File(path, len(text), "", folder / name)


def test_trees_lie_as_in_the_image(tmp_path):
    tree = Tree("manifest", (a_file(tmp_path, "m", "{}", "opt/mbuild/manifest.json"),), "d")
    handler = Tree("handler", (a_file(tmp_path, "f", "x = 1", "opt/mbuild/handler/sub/f.py"),), "d")
    manifest = lay_out(tmp_path / "root", [tree, handler])
    assert manifest.read_text() == "{}"
    assert (tmp_path / "root/opt/mbuild/handler/sub/f.py").read_text() == "x = 1"


def test_a_change_is_seen_whatever_kind_it_is(tmp_path):
    path = tmp_path / "features.py"
    path.write_text("a")
    seen = [stamp([path])]
    path.write_text("bb")
    seen.append(stamp([path]))
    path.unlink()
    seen.append(stamp([path]))
    assert len({repr(item) for item in seen}) == 3


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A stand-in for ``python -m modelbuild_runtime serve``."""
    package = tmp_path / "modelbuild_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    return package / "__main__.py"


def test_the_servers_own_end_is_told_from_a_change(program, tmp_path):
    program.write_text("raise SystemExit(3)")
    server = Server(Path(sys.executable), {"PYTHONPATH": str(tmp_path)})
    assert wait_for_change(server, stamp([program])) is False
    assert server.stop() == 3


def test_what_is_installed_here_is_not_there(program, tmp_path):
    """A requirement that is missing in the image is missing here, also where mbuild's own environment has it."""
    program.write_text("import importlib.util, sys\nsys.exit(7 if importlib.util.find_spec('pytest') else 0)")
    server = Server(Path(sys.executable), {"PYTHONPATH": str(tmp_path)})
    assert wait_for_change(server, stamp([program])) is False
    assert server.stop() == 0


def test_a_change_ends_the_wait_and_stop_ends_the_server(program, tmp_path):
    watched = tmp_path / "features.py"
    watched.write_text("a")
    program.write_text("import time\ntime.sleep(60)")
    server = Server(Path(sys.executable), {"PYTHONPATH": str(tmp_path)})
    threading.Timer(0.2, watched.write_text, ["changed"]).start()
    try:
        assert wait_for_change(server, stamp([watched])) is True
    finally:
        assert server.stop() != 0


def test_an_address_where_somebody_listens_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"on 127\.0\.0\.1:{port}: Address already in use"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"nowhere\.invalid"):
        require_free("nowhere.invalid", 8080)


class Screen:
    """A terminal that remembers its remarks."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self):
        return contextlib.nullcontext(Silence())

    def error(self, error):
        self.said.append(error.message)

    def note(self, text):
        self.said.append(text)


def test_a_mistake_while_editing_is_shown_and_waited_for(monkeypatch, tmp_path):
    handler = tmp_path / "features.py"
    handler.write_text("broken")
    draft = SimpleNamespace(
        source=SimpleNamespace(
            artifact=SimpleNamespace(files=()),
            handler=SimpleNamespace(files=[a_file(tmp_path, "features.py", "broken", "")]),
        )
    )

    def make_draft(*_, **__):
        if handler.read_text() == "broken":
            threading.Timer(0.05, handler.write_text, ["mended"]).start()
            raise HandlerError("line 1 is wrong")
        return draft

    monkeypatch.setattr(serve, "make_draft", make_draft)
    monkeypatch.setattr(serve, "POLL_SECONDS", 0.01)
    screen = Screen()
    found, seen = serve._changed(tmp_path, Options(), None, screen, {handler: (0, -1)})
    assert found is draft
    assert screen.said == ["line 1 is wrong", "waiting for a change"]
    assert seen == stamp([handler])


def test_the_port_asked_for_is_the_servers_whatever_a_shell_or_an_image_sets(tmp_path):
    plan = SimpleNamespace(environment={"PYTHONPATH": "/opt/mbuild/deps", "PORT": "9000"})
    shell = {"PATH": "/bin", "PORT": "3000", "MBUILD_NAME": "n", "MBUILD_WORKERS": "2"}
    found = serve.server_environment(tmp_path, SimpleNamespace(plan=plan), "127.0.0.1", 8081, "8001", shell)
    assert (found["MBUILD_PORT"], found["MBUILD_GRPC_PORT"]) == ("8081", "8001")
    assert found["PYTHONPATH"] == f"{tmp_path}/opt/mbuild/deps"
    assert (found["PATH"], found["MBUILD_WORKERS"]) == ("/bin", "2")
    assert {"PORT", "MBUILD_NAME"}.isdisjoint(found)


def test_grpc_has_the_port_that_was_asked_for_or_the_usual_one_or_a_free_one(monkeypatch):
    def choose(image, shell):
        draft = SimpleNamespace(plan=SimpleNamespace(environment=image))
        return serve.choose_grpc_port(draft, "127.0.0.1", shell)

    assert choose({"MBUILD_GRPC_PORT": "0"}, {"MBUILD_GRPC_PORT": "9"}) == "0"
    assert choose({}, {"MBUILD_GRPC_PORT": "9"}) == "9"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(serve, "GRPC", port)
        taken.listen()
        assert choose({}, {}) not in {"0", str(port)}
    assert choose({}, {}) == str(port)
