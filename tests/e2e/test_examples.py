"""Each folder of examples, as its README says: train, package, run, verify."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/train.py"))

pytestmark = [pytest.mark.docker, pytest.mark.slow]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def serving(client: docker.DockerClient, image: str) -> Iterator[str]:
    """The URL of a container of ``image``, run as a careful operator would."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    container = client.containers.run(
        image,
        detach=True,
        read_only=True,
        tmpfs={"/tmp": ""},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        ports={"8080/tcp": ("127.0.0.1", port)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{url}/health/ready")
        yield url
    finally:
        container.remove(force=True, v=True)


def wait_until_ready(url: str) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise TimeoutError(url)


def test_there_are_examples() -> None:
    assert {"digits", "fraud", "house-prices"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(client: docker.DockerClient, name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("model.*", "expected.json"))
    tag = f"mbuild-test-example-{name}:1"
    run(sys.executable, "train.py", cwd=folder)
    (model,) = folder.glob("model.*")
    mbuild = [sys.executable, "-m", "modelbuild", "package", model.name, "--handler", "features.py", "-t", tag]
    try:
        packaged = json.loads(run(*mbuild, "--json", cwd=folder))
        with serving(client, tag) as url:
            said = run(folder / "verify", url, cwd=tmp_path)
    finally:
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.images.remove(tag, force=True)

    assert tag in json.dumps(packaged)
    assert len(said.splitlines()) > 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_verify_does_not_praise_a_wrong_answer(name: str, tmp_path: Path) -> None:
    """A server that answers everything with an empty object is found out."""
    folder = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("model.*", "expected.json"))
    request = json.loads((folder / "request.json").read_text())
    (folder / "expected.json").write_text(json.dumps([{"price": 1.0}] * len(request)))
    program = (
        "import http.server as h\n"
        "class Empty(h.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'{}')\n"
        "    do_GET = do_POST\n"
        "server = h.HTTPServer(('127.0.0.1', 0), Empty)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            done = subprocess.run(
                [folder / "verify", f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=False
            )
        finally:
            server.terminate()

    assert done.returncode != 0
    assert "instead of" in done.stderr
