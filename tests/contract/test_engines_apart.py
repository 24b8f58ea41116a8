"""Runtimes whose framework is not beside the tests: the same tests, in an environment that has it."""

from __future__ import annotations

import pytest

from environments import ROOT, is_here, names, run_in

APART = [name for name in names() if not is_here(name)]


@pytest.mark.slow
@pytest.mark.parametrize("name", APART)
def test_the_tests_of_engines(name: str) -> None:
    files = [ROOT / "tests" / "contract" / file for file in ("test_engines.py", "test_edges.py")]
    for part in ("engine", "optimise"):
        files += ROOT.glob(f"tests/runtime/engines/test_{name}_{part}.py")
    done = run_in(name, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files))
    assert done.returncode == 0, done.stdout + done.stderr
