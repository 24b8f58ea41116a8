"""What all tests share.

Goldens are files that say what is expected, read as diffs; ``--update-goldens`` writes them anew. Requests and artifacts
made up by Hypothesis are the same in every run, and without deadlines; ``--hypothesis-profile=thorough`` makes up more.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

slow_is_fine = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", derandomize=True, max_examples=50, **slow_is_fine)
settings.register_profile("thorough", max_examples=2000, **slow_is_fine)
settings.load_profile("quick")

CHECKOUT = str(Path(__file__).parents[1])
"""May be below the folder for temporary files itself."""

Golden = Callable[[Path, str | bytes], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write what the code answers now into the goldens")


@pytest.fixture(autouse=True)
def forget_handlers() -> Iterator[None]:
    """Handlers that a test imports have names that others use, too: they go with the test."""
    before, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        file = str(getattr(sys.modules[name], "__file__", None) or "")
        if file.startswith(tempfile.gettempdir()) and not file.startswith(CHECKOUT):
            del sys.modules[name]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(path, content)`` holds the content against the file. A file that is missing fails, too."""
    update = request.config.getoption("--update-goldens")

    def check(path: Path, content: str | bytes) -> None:
        found = content.encode() if isinstance(content, str) else content
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found)
            return
        if not path.exists():
            pytest.fail(f"the golden {path} is missing: look at what is answered and run with --update-goldens")
        expected = path.read_bytes()
        if isinstance(content, str):
            assert content == expected.decode(), f"differs from the golden {path}"
        assert found == expected, f"differs from the golden {path}"

    return check
