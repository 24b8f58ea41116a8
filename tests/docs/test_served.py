"""Handlers that the documentation shows are read by the builder and loaded by the server, and asked what it asks them."""

from __future__ import annotations

import sys

import pytest

from docs.markdown import PAGES, Section, commands, sections
from docs.models import write_models
from docs.served import lay_out, options_of, read_curl, same, serve

pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")

SERVED = [section for page in PAGES for section in sections(page) if section.served]


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture
def own_modules(monkeypatch):
    """Handlers of other sections have the same name."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("modelbuild", "sklearn", "pandas", "numpy", "scipy", "pydantic")):
            del sys.modules[name]


@pytest.mark.parametrize("section", SERVED, ids=lambda section: section.id)
def test_the_server_answers_what_the_page_says(section: Section, models, tmp_path, own_modules):
    folder = lay_out(section, tmp_path)
    source, server = serve(models / section.served, options_of(section, folder), folder)
    asked = [command for block in section.blocks for command in commands(block) if command.words[0] == "curl"]
    for command in asked:
        curl = read_curl(command.words, folder)
        accept = curl.headers.get("accept", "*/*")
        response = server.post(curl.path, curl.body, curl.headers["content-type"], accept)
        assert same(response.body, command.output), f"{command.id}: {response.status} {response.body.decode()}"
    shown = any(block.name == "features.py" for block in section.blocks)
    assert (source.handler is not None) == shown
