"""Goldens: files that say what is expected, read as diffs. ``--update-goldens`` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Golden = Callable[[Path, str | bytes], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write what the code answers now into the goldens")


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
