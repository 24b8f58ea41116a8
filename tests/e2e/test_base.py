"""`mbuild base`: built from a real mirror, loaded into a real engine, run without privileges."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelbuild.base import BaseOptions, BaseTar, build_base, load_base
from modelbuild.base.archive import Identity, layer_tar, read_image, write_image
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.errors import BaseImageError

pytestmark = [pytest.mark.docker, pytest.mark.slow]

HOST_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
needs_mmdebstrap = pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")

# What a handler or a framework may import of the standard library, and what a base leaves out on purpose.
EXPECTED_OUT = [
    "curses",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "nis",
    "ossaudiodev",
    "pydoc_data",
    "readline",
    "tkinter",
    "turtle",
    "turtledemo",
]
PROBE = """
import importlib, json, os, pwd, ssl, sys, warnings, zoneinfo, ctypes
warnings.simplefilter("ignore")
windows_and_private = ("msi", "msvc", "nt", "win", "_")
missing = []
for name in getattr(sys, "stdlib_module_names", ("ssl", "sqlite3", "lzma", "ctypes")):
    if name.startswith(windows_and_private) or name in ("antigravity", "this", "idlelib"):
        continue
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
for library in ("libgomp.so.1", "libstdc++.so.6", "libatomic.so.1", "libz.so.1"):
    ctypes.CDLL(library)
import json.decoder
print(json.dumps({
    "version": sys.version.split()[0], "missing": sorted(missing),
    "user": [os.getuid(), os.getgid()], "nonroot": pwd.getpwuid(65532).pw_dir,
    "certificates": len(ssl.create_default_context().get_ca_certs()),
    "encoding": sys.getfilesystemencoding(), "zone": str(zoneinfo.ZoneInfo("Europe/Paris")),
    "bytecode": os.path.exists(json.decoder.__cached__), "path": sys.executable,
    "flags": int.from_bytes(open(json.decoder.__cached__, "rb").read()[4:8], "little"),
}))
"""


class Quiet:
    """Progress that nobody watches."""

    def step(self, name: str, detail: str = "") -> None: ...
    def bytes(self, done: int, total: int) -> None: ...
    def log(self, line: str) -> None: ...


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def loaded(client: Any) -> Iterator[Any]:
    """Load a base; what was loaded is removed again."""
    references = []

    def load(base: BaseTar) -> str:
        references.append(base.reference)
        return load_base(base, client.api)

    yield load
    for reference in references:
        client.images.remove(reference, force=True)


def run_in(client: Any, image: str, *command: str, **settings: Any) -> dict[str, Any]:
    """Run as the strictest operator would: no root, nothing to write to, no capability, no network."""
    output = client.containers.run(
        image,
        list(command),
        remove=True,
        user="65532:0",
        read_only=True,
        cap_drop=["ALL"],
        network_mode="none",
        **settings,
    )
    return json.loads(output)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs_mmdebstrap
def test_two_builds_are_the_same_bytes_and_the_engine_finds_the_same_image(
    client: Any, cache: Path, tmp_path: Path, loaded: Any
) -> None:
    options = BaseOptions(tag="mbuild-test-base:3.11", week="2026-W01")
    first = build_base(options, cache=cache, progress=Quiet())
    other = build_base(options, cache=tmp_path, progress=Quiet())
    again = build_base(options, cache=cache, progress=Quiet())

    assert sha256(first.path) == sha256(other.path)
    assert (first.cached, again.cached, again.id) == (False, True, first.id)
    assert loaded(first) == first.id
    attributes = client.images.get(first.id).attrs
    assert attributes["Size"] < 50_000_000
    assert f"PYTHON_VERSION={first.python}" in attributes["Config"]["Env"]
    assert attributes["RootFS"]["Layers"] == client.images.get("mbuild-test-base:3.11").attrs["RootFS"]["Layers"]


@needs_mmdebstrap
@pytest.mark.parametrize(("suite", "python"), [("bookworm", "3.11"), ("trixie", "3.13")])
def test_python_works_without_privileges(client: Any, cache: Path, loaded: Any, suite: str, python: str) -> None:
    options = BaseOptions(suite=suite, tag=f"mbuild-test-base:{python}", week="2026-W01")
    image = loaded(build_base(options, cache=cache, progress=Quiet()))

    found = run_in(client, image, "python3", "-c", PROBE)

    assert found["version"].startswith(f"{python}.")
    assert set(found["missing"]) <= set(EXPECTED_OUT)
    assert (found["user"], found["nonroot"]) == ([65532, 0], "/home/nonroot")
    assert found["certificates"] > 100
    assert (found["encoding"], found["zone"]) == ("utf-8", "Europe/Paris")
    assert found["path"] == "/usr/local/bin/python3"
    assert found["bytecode"]
    assert found["flags"] == 0b01  # by hash, and never checked: all times are zero


@needs_mmdebstrap
def test_there_is_no_shell_and_no_installer(client: Any, cache: Path, loaded: Any) -> None:
    image = loaded(build_base(BaseOptions(tag="mbuild-test-base:3.11", week="2026-W01"), cache=cache, progress=Quiet()))

    found = run_in(
        client,
        image,
        "python",
        "-c",
        "import json, os, shutil, importlib.util as u; print(json.dumps({"
        "'programs': [n for n in ('sh', 'dpkg', 'apt', 'perl', 'openssl', 'pip') if shutil.which(n)],"
        "'pip': u.find_spec('pip') is not None,"
        "'setuid': [p for d, _, f in os.walk('/usr') for p in (os.path.join(d, n) for n in f)"
        "           if not os.path.islink(p) and os.stat(p).st_mode & 0o6000],"
        "'packages': sorted(os.listdir('/var/lib/dpkg/status.d')),"
        "'licence': os.path.exists('/usr/share/doc/libc6/copyright')}))",
    )

    assert (found["programs"], found["pip"], found["setuid"]) == ([], False, [])
    assert {"libc6", "libssl3", "tzdata", "python3.11-minimal"} <= set(found["packages"])
    assert found["licence"]


@needs_mmdebstrap
def test_with_pip_a_dockerfile_can_run_commands(client: Any, cache: Path, loaded: Any) -> None:
    options = BaseOptions(tag="mbuild-test-base:pip", with_pip=True, week="2026-W01")
    image = loaded(build_base(options, cache=cache, progress=Quiet()))

    output = client.containers.run(
        image, ["sh", "-c", "mkdir /t && touch /t/a && find /t -type f | sed s/a/b/ && pip --version"], remove=True
    ).decode()

    assert output.startswith("/t/b\npip ")
    assert "(python 3.11)" in output


@needs_mmdebstrap
def test_an_interpreter_from_this_machine(client: Any, cache: Path, loaded: Any) -> None:
    """One that Debian does not carry, where there is one."""
    binary = next((path for path in map(find_interpreter, ("3.9", "3.10", "3.12", HOST_PYTHON)) if path), None)
    assert binary is not None, "not even the interpreter of this test was found"
    binary = binary.resolve()
    python = binary.name.removeprefix("python")
    options = BaseOptions(tag="mbuild-test-base:prefix", prefix=binary.parent.parent, python=python, week="2026-W01")
    try:
        base = build_base(options, cache=cache, progress=Quiet())
    except BaseImageError as error:
        if "GLIBC" in error.message:
            pytest.skip(error.message)
        raise

    found = run_in(client, loaded(base), "python3", "-c", PROBE)

    assert found["version"] == base.python
    assert found["version"].startswith(f"{python}.")
    assert set(found["missing"]) <= set(EXPECTED_OUT)
    assert found["bytecode"]


def test_an_image_that_mbuild_did_not_make_is_not_replaced(client: Any, tmp_path: Path) -> None:
    client.images.build(
        fileobj=io.BytesIO(b"FROM scratch\nLABEL made.by=somebody\n"), tag="mbuild-test-base:theirs", rm=True
    )
    path = tmp_path / "base.tar"
    write_image(path, layer_tar({}), Identity("mbuild-test-base:theirs", "3.11.2", "bookworm", "amd64"))
    try:
        theirs = client.images.get("mbuild-test-base:theirs").id
        with pytest.raises(BaseImageError, match="mbuild-test-base:theirs is here already"):
            load_base(read_image(path), client.api)
        assert client.images.get("mbuild-test-base:theirs").id == theirs
        assert load_base(read_image(path), client.api, force=True) != theirs
        client.images.remove(theirs, force=True)
    finally:
        client.images.remove("mbuild-test-base:theirs", force=True)
