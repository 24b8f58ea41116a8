"""Handlers that the documentation shows are read by the builder and loaded by the server, and asked what it asks them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from docs.markdown import PAGES, Section, commands, sections
from docs.models import write_models
from docs.served import lay_out, options_of, read_curl, same, serve
from modelbuild.verification.examples import read_example
from modelbuild_runtime import engines

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
        if name.startswith("modelbuild_runtime.engines.lookup") or not name.startswith(
            ("modelbuild", "sklearn", "pandas", "numpy", "scipy", "pydantic")
        ):
            del sys.modules[name]


@pytest.mark.parametrize("section", SERVED, ids=lambda section: section.id)
def test_the_server_answers_what_the_page_says(section: Section, models, tmp_path, monkeypatch, own_modules):
    folder = lay_out(section, tmp_path)
    # A page may bring its own model, its training, and a runtime for it.
    if (folder / "train.py").exists():
        subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(folder)])
    model = next(path / section.served for path in (folder, models) if (path / section.served).exists())
    options = options_of(section, folder)
    source, server = serve(model, options, folder)
    asked = [command for block in section.blocks for command in commands(block) if command.words[0] == "curl"]
    for command in asked:
        curl = read_curl(command.words, folder)
        accept = curl.headers.get("accept", "*/*")
        response = server.post(curl.path, curl.body, curl.headers["content-type"], accept)
        assert same(response.body, command.output), f"{command.id}: {response.status} {response.body.decode()}"
    for example in map(read_example, options.example):
        response = server.post("/predict", json.dumps(example.request).encode())
        assert json.loads(response.body) == example.expected
    shown = any(block.name == "features.py" for block in section.blocks)
    assert (source.handler is not None) == shown
