from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.server import EVERY_DATATYPE, Address, serving


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """Address of a server that has an input and an output of every datatype, named after it."""
    with serving(tmp_path_factory.mktemp("echo"), EVERY_DATATYPE) as address:
        yield address
