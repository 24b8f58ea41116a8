"""The targets of the fuzzer: what they begin with, what was found with them, and some of what it would try."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.seeds import seeds
from fuzz.targets import TARGETS, found

FINDINGS = [(target, path) for target in TARGETS for path in found(target)]


@pytest.mark.parametrize(("target", "path"), FINDINGS, ids=[f"{target}-{path.name}" for target, path in FINDINGS])
def test_what_was_found_once(target, path):
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_what_it_begins_with(target):
    for seed in list(seeds(target))[::7]:
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=80)
@given(data=st.data())
def test_what_is_nearly_right(target, data):
    """A seed that a few bytes were changed in, taken from or put into."""
    body = bytearray(data.draw(st.sampled_from(_seeds(target))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6) | st.sampled_from(WORDS))
    TARGETS[target](bytes(body))


WORDS = [
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff" * 8,
    b"\x80\0\0\0",
    b": ",
    b";",
    b"chunked",
    b"Content-Length: 1\r\n",
    b"NaN",
    b"[" * 70,
]
_KNOWN: dict[str, list[bytes]] = {}


def _seeds(target: str) -> list[bytes]:
    return _KNOWN.setdefault(target, sorted(set(seeds(target)), key=len)[:200])


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
def test_the_fuzzer_itself_runs(tmp_path):
    command = [sys.executable, Path(__file__).with_name("hunt.py"), "forms", "60", "-runs=500"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "Done 500 runs" in ended.stderr
