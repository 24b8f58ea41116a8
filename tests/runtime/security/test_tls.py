"""Real handshakes with a real server: HTTP, gRPC, pinned ports, clients' certificates, files that change, workers."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing

import pytest

from modelbuild_runtime import health
from modelbuild_runtime.grpc import frames
from runtime.grpc.wires import message, opening
from runtime.process.workers.test_supervisor import ONE_THREAD, pids
from runtime.processes import free_port, run, serving
from runtime.security.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.sign("server")
    made.sign("renewed")
    made.sign_client("client")
    other = Authority(made.folder, "other")
    other.sign_client("stranger")
    return made


def settings(authority, **others):
    folder = authority.folder
    return {"MBUILD_TLS_CERTIFICATE": folder / "server.crt", "MBUILD_TLS_KEY": folder / "server.key", **others}


def client(authority, certificate="", *, protocols=(), version=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if certificate:
        context.load_cert_chain(authority.folder / f"{certificate}.crt", authority.folder / f"{certificate}.key")
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def connect(context, port, session=None):
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(sock, server_hostname="127.0.0.1", session=session)


def probe(served, *arguments, **variables):
    """The image's health check, in the environment of its container."""
    environment = {
        "MBUILD_PORT": str(served.port),
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_TLS_CERTIFICATE": "x",
        **variables,
    }
    command = [sys.executable, "-I", "-S", health.__file__, *arguments]
    return subprocess.run(command, env=environment, check=False, timeout=20).returncode


def turned_away(context, port, session=None):
    """No connection, or of TLS 1.3, where the client believes in one at first, none that answers."""
    try:
        with connect(context, port, session) as stream:
            return ask(stream) == b""
    except OSError:
        return True


def ask(stream, target=b"/pid"):
    stream.sendall(b"GET %b HTTP/1.1\r\nHost: test\r\n\r\n" % target)
    return stream.recv(1000)


@pytest.mark.parametrize("workers", [1, 2])
def test_all_ports_speak_it(tmp_path, authority, workers):
    pinned, grpc = free_port(), free_port()
    asked = settings(authority, MBUILD_LISTENERS=f"{pinned}=sagemaker", MBUILD_GRPC_PORT=grpc, MBUILD_WORKERS=workers)
    with serving(tmp_path, **asked, **ONE_THREAD) as served:
        served.tls = client(authority)
        served.until_ready()
        assert f"https://127.0.0.1:{served.port}" in served.log.read_text()
        assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
        assert len(pids(served, workers)) == workers
        both = client(authority, protocols=("h2", "http/1.1"))
        for port, spoken in ((served.port, "http/1.1"), (pinned, "http/1.1"), (grpc, "h2")):
            with connect(both, port) as stream:
                assert stream.selected_alpn_protocol() == spoken
                assert stream.version() == "TLSv1.3"
        with connect(client(authority, version=ssl.TLSVersion.TLSv1_2), served.port) as stream:
            assert ask(stream).startswith(b"HTTP/1.1 200 ")
        with connect(both, grpc) as stream:
            stream.sendall(
                frames.PREFACE + frames.settings() + opening(path="/a.B/C") + frames.frame(0, 1, 1, message())
            )
            read = b""
            while b"grpc-status" not in read:
                read += stream.recv(65536)
        assert probe(served) == probe(served, "live") == 0
        served.terminate()
        assert served.end()[0] == 0
    assert "Traceback" not in served.log.read_text()
    assert probe(served) == 1


def test_what_is_no_tls_is_not_answered(tmp_path, authority):
    with serving(tmp_path, **settings(authority)) as served:
        served.tls = client(authority)
        served.until_ready()
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain:
            plain.sendall(b"GET /health/ready HTTP/1.1\r\nHost: test\r\n\r\n")
            assert b"HTTP" not in plain.recv(1000)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError):
            connect(old, served.port)
        assert served.status("/pid") == 200
        assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_must_show_their_certificate(tmp_path, authority, workers):
    grpc = free_port()
    asked = settings(
        authority, MBUILD_TLS_CLIENT_CA=authority.certificate, MBUILD_GRPC_PORT=grpc, MBUILD_WORKERS=workers
    )
    with serving(tmp_path, **asked, **ONE_THREAD) as served:
        served.tls = client(authority, "client")
        served.until_ready()
        assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
        for port in (served.port, grpc):
            with connect(client(authority, "client"), port):
                pass
            for certificate in ("", "stranger", "server"):  # none, another authority's, and one that is for servers
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    assert turned_away(client(authority, certificate, version=version), port)
        assert probe(served) == 0
        assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_taken_up_again(tmp_path, authority, version):
    with serving(tmp_path, **settings(authority, MBUILD_TLS_CLIENT_CA=authority.certificate)) as served:
        served.tls = client(authority, "client")
        served.until_ready()
        context = client(authority, "client", version=version)
        with connect(context, served.port) as stream:
            assert ask(stream).startswith(b"HTTP/1.1 200 ")
            session = stream.session
        with connect(context, served.port, session) as stream:
            assert ask(stream).startswith(b"HTTP/1.1 200 ")
            assert stream.session_reused


def test_a_certificate_that_is_replaced_is_taken_and_connections_stay(tmp_path, authority):
    for kind in ("crt", "key"):
        shutil.copy(authority.folder / f"server.{kind}", tmp_path / f"tls.{kind}")
    shutil.copy(authority.certificate, tmp_path / "clients.crt")
    asked = {"MBUILD_TLS_CERTIFICATE": tmp_path / "tls.crt", "MBUILD_TLS_KEY": tmp_path / "tls.key"}
    with serving(tmp_path, **asked, MBUILD_TLS_CLIENT_CA=tmp_path / "clients.crt") as served:
        served.tls = client(authority, "client")
        served.until_ready()
        before = served.tls
        kept = connect(before, served.port)
        name = dict(kept.getpeercert()["subject"][0])["commonName"]
        assert (name, ask(kept)[:12]) == ("server", b"HTTP/1.1 200")
        session = kept.session
        for kind in ("crt", "key"):
            shutil.copy(authority.folder / f"renewed.{kind}", tmp_path / f"tls.{kind}")

        def shown():
            with connect(served.tls, served.port) as stream:
                return dict(stream.getpeercert()["subject"][0])["commonName"]

        failed = 0
        served.until(lambda: shown() == "renewed")
        for _ in range(20):
            failed += served.status("/pid") != 200
        assert failed == 0
        assert ask(kept).startswith(b"HTTP/1.1 200 "), "the connection from before"

        shutil.copy(authority.folder / "other.crt", tmp_path / "clients.crt")  # other clients from now on
        served.tls = client(authority, "stranger")
        served.until(lambda: served.status("/pid") == 200)
        assert turned_away(before, served.port, session)
        served.terminate()
        kept.close()
        assert served.end()[0] == 0
    assert "Traceback" not in served.log.read_text()


def test_no_connection_is_lost_while_the_certificate_is_replaced(tmp_path, authority):
    for kind in ("crt", "key"):
        shutil.copy(authority.folder / f"server.{kind}", tmp_path / f"tls.{kind}")
    with serving(tmp_path, MBUILD_TLS_CERTIFICATE=tmp_path / "tls.crt", MBUILD_TLS_KEY=tmp_path / "tls.key") as served:
        served.tls = client(authority)
        served.until_ready()
        for kind in ("crt", "key"):
            shutil.copy(authority.folder / f"renewed.{kind}", tmp_path / f"tls.{kind}")
        end, statuses = time.monotonic() + 2.5, set()
        while time.monotonic() < end:
            statuses.add(served.get("/pid")[0])  # raises where there is no answer
        assert statuses == {200}
        assert "the certificate was replaced" in served.log.read_text()


def test_the_end_does_not_wait_for_idle_clients_that_notice_nothing(tmp_path, authority):
    with serving(tmp_path, **settings(authority), MBUILD_GRACE=20) as served:
        served.tls = client(authority)
        served.until_ready()
        with connect(served.tls, served.port) as idle:
            ask(idle)
            began = time.monotonic()
            served.terminate()
            assert served.end()[0] == 0
            assert time.monotonic() - began < 10


def test_an_answer_arrives_although_the_request_is_not_read_to_its_end(tmp_path, authority):
    with serving(tmp_path, **settings(authority), MBUILD_MAX_BODY=100_000) as served:
        served.tls = client(authority)
        served.until_ready()
        connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=served.tls, timeout=10)
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(bytes(300_000))
        assert connection.getresponse().status == 413


def test_a_client_that_ends_what_it_sends_is_parted_with_in_silence(tmp_path, authority):
    with serving(tmp_path, **settings(authority)) as served:
        served.tls = client(authority)
        served.until_ready()
        stream = connect(served.tls, served.port)
        stream.sendall(b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n[[14,0,0]]")
        time.sleep(0.2)
        stream.settimeout(1)
        with pytest.raises((OSError, TimeoutError)):
            stream.unwrap()
        served.let_go()
        assert served.status("/pid") == 200
        assert "eof_received" not in served.log.read_text()


def test_who_does_not_finish_the_handshake_is_cut_off(tmp_path, authority):
    with serving(tmp_path, **settings(authority), MBUILD_READ_TIMEOUT=0.5) as served:
        served.tls = client(authority)
        served.until_ready()
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as silent:
            assert silent.recv(10) == b""


def test_beyond_the_most_clients_are_parted_with_before_the_handshake(tmp_path, authority):
    """They say nothing, for which they have a minute: the oldest gives way to the newest, and health is told."""
    with serving(tmp_path, **settings(authority), MBUILD_MAX_CONNECTIONS=4, MBUILD_READ_TIMEOUT=60) as served:
        served.tls = client(authority)
        served.until_ready()
        silent = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(150)]
        assert [one.recv(1) for one in silent[4:80]] == [b""] * 76
        assert served.status("/health/live") == 200
        with connect(served.tls, served.port) as late:
            assert ask(late).startswith(b"HTTP/1.1 503 ")
        for one in silent[:2]:  # who was let in has the time that was promised
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.recv(1)
        assert [one.recv(1) for one in silent[80:]] == [b""] * 70  # soon, since they are beyond the most
        for one in silent:
            one.close()
        served.until(lambda: served.status("/pid") == 200)
        assert "Traceback" not in served.log.read_text()


def test_a_large_answer_to_a_slow_reader_is_whole(tmp_path, authority):
    with serving(tmp_path, **settings(authority)) as served:
        served.tls = client(authority)
        served.until_ready()
        rows = b"[" + b",".join([b"[1,2,3]"] * 300_000) + b"]"
        with connect(served.tls, served.port) as stream:
            head = b"POST /predict HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            stream.sendall(head % len(rows) + rows)
            time.sleep(3)
            read = bytearray()
            while more := stream.recv(65536):
                read += more
        assert read.partition(b"\r\n\r\n")[2].count(b"6.0") == 300_000


@pytest.mark.parametrize("workers", [1, 2])
def test_a_mistake_ends_the_server_before_the_model_is_loaded(tmp_path, authority, workers):
    asked = settings(authority, MBUILD_TLS_KEY=authority.folder / "client.key", MBUILD_WORKERS=workers)
    done = run(tmp_path, "serve", FAKE_LOADING=30, MBUILD_PORT=0, **asked)
    assert done.returncode == 2
    assert "error: the key in" in done.stderr
    assert "hint: a chain begins with the server's own certificate" in done.stderr
    done = run(tmp_path, "serve", FAKE_LOADING=30, MBUILD_PORT=0, MBUILD_API_KEYS="a b", MBUILD_WORKERS=workers)
    assert done.returncode == 2
    assert "error: MBUILD_API_KEYS: key 1 holds" in done.stderr


def test_the_health_check_s_socket_tells_of_health_alone(tmp_path, authority):
    with serving(tmp_path, **settings(authority), MBUILD_API_KEYS="one", FAKE_LOADING=0.7) as served:
        served.tls = client(authority)
        served.until(lambda: probe(served, "live") == 0)
        assert probe(served) == 1, "it is loading"
        served.until_ready()
        assert probe(served) == 0
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(f"\0mbuild-health:127.0.0.1:{served.port}")
            stream.sendall(b"GET /pid HTTP/1.1\r\nHost: test\r\nX-API-Key: one\r\n\r\n")
            assert stream.recv(1000).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("workers", [1, 2])
def test_keys_of_a_file_change_while_it_serves(tmp_path, workers):
    (tmp_path / "keys").write_text("k-old\n")
    asked = {"MBUILD_API_KEYS_FILE": tmp_path / "keys", "MBUILD_WORKERS": workers}
    with serving(tmp_path, **asked, **ONE_THREAD) as served:
        served.until_ready()
        assert served.status("/predict") == 401
        assert served.get("/predict", [[1, 2, 3]])[0] == 401
        served.headers = {"Authorization": "Bearer k-old"}
        assert len(pids(served, workers)) == workers
        (tmp_path / "keys").write_text("k-new\n")
        served.until(lambda: all(served.status("/pid") == 401 for _ in range(20)))
        served.headers = {"Authorization": "Bearer k-new"}
        assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
    assert "k-" not in served.log.read_text()


def test_what_clients_over_tls_see_of_a_worker_that_dies(authority, tmp_path):
    """Nobody else has the keys of their sessions: nothing is said, and the end is not that of an answer."""
    with serving(tmp_path, MBUILD_WORKERS=2, **settings(authority), **ONE_THREAD) as served:
        context = served.tls = client(authority)
        pids(served, 2)
        sock = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        with context.wrap_socket(sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as tls:
            tls.sendall(post(b"[[1,0,0]]"))
            assert tls.recv(4096).startswith(b"HTTP/1.1 200 ")
            tls.sendall(post(b"[[13,0,0]]"))
            with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):  # no close_notify, which ends what is whole
                tls.recv(4096)
        connection = http.client.HTTPSConnection("127.0.0.1", served.port, timeout=10, context=context)
        with closing(connection):
            connection.request("POST", "/predict", "[[13,1,0]]")
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLEOFError)):
                connection.getresponse()
        assert served.get("/predict", [[1, 0, 0]])[0] == 200
    assert served.log.read_text().count("in flight: ") == 2


def post(body: bytes) -> bytes:
    return b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
