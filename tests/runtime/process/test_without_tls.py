"""A server without a certificate loads no OpenSSL, until somebody else in its process wants it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from runtime.processes import free_port
from runtime.security.authority import Authority

BEGIN = """
import sys
from modelbuild_runtime.process.without_tls import postpone
postpone()
from modelbuild_runtime.process import loop
assert "_ssl" not in sys.modules
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def said(code, *words):
    command = [sys.executable, "-c", BEGIN + code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(**variables):
    """The modules that a server imports until it finds that there is no model."""
    command = [sys.executable, "-X", "importtime", "-m", "modelbuild_runtime", "serve"]
    told = {
        "MBUILD_MANIFEST": "/nowhere",
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_PORT": str(free_port()),
        "MBUILD_GRPC_PORT": "0",
        **variables,
    }
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)
    assert "/nowhere cannot be read" in done.stderr
    return set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))


def test_a_server_without_a_certificate_loads_no_openssl():
    found = imported()
    assert {"uvloop.loop", "asyncio.base_events"} <= found
    assert not {"_ssl", "_hashlib"} & found


def test_a_server_with_one_does(authority):
    certificate, key = map(str, authority.sign("one"))
    assert "_ssl" in imported(MBUILD_TLS_CERTIFICATE=certificate, MBUILD_TLS_KEY=key)


def test_no_protocol_needs_it():
    code = """
from modelbuild_runtime.process import discovery, serving
for name in discovery.names():
    __import__(f"modelbuild_runtime.protocols.{name}")
print("_ssl" in sys.modules, "_hashlib" in sys.modules)
"""
    assert said(code) == "False False\n"


TLS = """
import asyncio, ssl
certificate, key = sys.argv[1:3]

def contexts():
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
    return ours, theirs

async def asked():
    ours, theirs = contexts()
    async def answer(reader, writer):
        writer.write(b"hello " + await reader.readline())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=ours)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=theirs)
    writer.write(b"you\\n")
    print((await reader.read()).decode().strip())
    writer.close()
    server.close()
"""


def test_a_handler_may_speak_tls_over_a_loop_of_asyncio(authority):
    code = f"{TLS}\nasyncio.run(asked())\nassert type(ssl).__name__ == 'module'\n"
    assert said(code, *authority.sign("one")) == "hello you\n"


def test_over_a_loop_of_uvloop_it_is_told_what_to_do(authority):
    code = f"""{TLS}
try:
    loop.new_loop().run_until_complete(asked())
except RuntimeError as error:
    print(error)
"""
    told = said(code, *authority.sign("one"))
    assert told == (
        "this process has no certificate, and so its uvloop knows no TLS: use a loop of asyncio's own, "
        "asyncio.SelectorEventLoop()\n"
    )


def test_the_module_is_the_one_that_it_would_have_been():
    code = """
import ssl
print(hasattr(ssl, "nothing"), ssl.create_default_context().minimum_version >= ssl.TLSVersion.TLSv1, "_ssl" in sys.modules)
from ssl import SSLError
import importlib, asyncio.sslproto
print(importlib.import_module("ssl") is ssl, asyncio.sslproto.ssl is ssl, issubclass(ssl.SSLWantReadError, SSLError))
print(asyncio.sslproto.SSLProtocol.__module__)
"""
    assert said(code) == "False True True\nTrue True True\nasyncio.sslproto\n"


def test_several_threads_that_want_it_first_get_all_of_it():
    code = """
import ssl, threading
found, together = [], threading.Barrier(8)
def want():
    together.wait()
    found.append(ssl.OP_NO_RENEGOTIATION)
threads = [threading.Thread(target=want) for _ in range(8)]
sys.setswitchinterval(1e-6)
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(found))
"""
    assert said(code) == "8\n"


def test_what_is_there_already_stays():
    code = """
import ssl, sys
from modelbuild_runtime.process.without_tls import postpone
postpone()
from modelbuild_runtime.process import loop
print(ssl.OPENSSL_VERSION.split()[0], "_ssl" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.endswith("True\n")
