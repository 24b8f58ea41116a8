"""A company's own index: behind its own authority and a password, both of which stay on this machine."""

from __future__ import annotations

import base64
import hashlib
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from builder.wheels import write_wheel
from e2e.command import Mbuild
from e2e.projects import FEATURES, REQUEST, Project
from e2e.registries import PASSWORD, USER, encoded_login, make_certificates
from e2e.servers import ask, running

pytestmark = pytest.mark.docker

NAME = "mbuild-e2e-private"
SECRETS = (PASSWORD, "s3cret", base64.b64encode(PASSWORD.encode()).decode(), encoded_login())


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """A simple index over TLS with one wheel for those who know the password; its address."""
    folder.mkdir()
    make_certificates(folder, "127.0.0.1")
    wheel = write_wheel(folder, "mbuild_e2e_private", "1.0", files={"mbuild_e2e_private.py": "RATE = 10.0\n"})
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pages = {
        f"/simple/{NAME}/": f'<a href="/files/{wheel.name}#sha256={digest}">{wheel.name}</a>'.encode(),
        f"/files/{wheel.name}": wheel.read_bytes(),
    }

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == f"Basic {encoded_login()}"
            body = pages.get(self.path, b"")
            self.send_response(401 if not allowed else 200 if body else 404)
            self.send_header("Content-Type", "application/octet-stream" if "/files/" in self.path else "text/html")
            self.send_header("Content-Length", str(len(body) if allowed else 0))
            if not allowed:
                self.send_header("WWW-Authenticate", "Basic realm=index")
            self.end_headers()
            if allowed and self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_credentials_and_authority_reach_the_resolver_and_never_the_image(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any, tmp_path: Path
) -> None:
    source = FEATURES.replace("from dataclasses", "import mbuild_e2e_private\nfrom dataclasses")
    source = source.replace("float(outputs", "mbuild_e2e_private.RATE * float(outputs")
    project.handler.write_text(f"# /// script\n# dependencies = ['{NAME}']\n# ///\n{source}")
    project.example.unlink()
    command = mbuild.having(MBUILD_CACHE=str(tmp_path / "cache"))
    reference = image()
    with index(tmp_path / "index") as address:
        url = f"https://{USER}:{PASSWORD}@{address}/simple"
        options = ("-H", project.handler, "-t", reference, "--extra-index-url", url)
        untrusted = command.fails(15, "package", project.model, *options)
        assert "certificate is not trusted" in untrusted.message
        assert "--ca-file" in untrusted.hint
        authority = ("--ca-file", tmp_path / "index" / "ca.crt")
        wrong = command.fails(15, "package", project.model, *options[:-1], url.replace("s3cret", "guess"), *authority)
        assert "refused the credentials" in wrong.message
        outcome = command("package", project.model, *options, *authority, "-v")

    with running(client, reference) as (_, served):
        assert ask(served, "/predict", REQUEST) == (200, {"total": 180.0})
    said = untrusted.err + wrong.err + outcome.err + outcome.out
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    saved = subprocess.run(["docker", "save", reference], capture_output=True, check=True).stdout
    authority_text = (tmp_path / "index" / "ca.crt").read_bytes()
    for secret in SECRETS:
        assert secret not in said
        assert secret.encode() not in kept
        assert secret.encode() not in saved
    assert authority_text not in saved
    assert address.encode() not in saved, "an address inside of the company is on the image"
