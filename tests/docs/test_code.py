from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from docs.markdown import PAGES, Block, blocks, blocks_of
from modelbuild.config import FILE_NAME, make_options, read_config
from modelbuild.handlers.handler import read_handler

KNOWN = {"console", "python", "json", "yaml", "toml", "text", "dockerfile", "mermaid", "csv"}


def named(*languages: str):
    return pytest.mark.parametrize("block", blocks(*languages), ids=lambda block: block.id)


def test_every_block_says_its_language():
    assert [block.id for page in PAGES for block in blocks_of(page) if block.language not in KNOWN] == []


@named("python")
def test_python_compiles(block: Block):
    compile(block.text, block.id, "exec", dont_inherit=True)


@named("json")
def test_json_parses(block: Block):
    json.loads(block.text)


@named("toml")
def test_toml_parses(block: Block):
    tomllib.loads(block.text)


@named("yaml")
def test_yaml_is_what_it_says_it_is(block: Block, tmp_path):
    """A block is mbuild.yaml or another's file: then its first line names it."""
    assert block.name, "the first line is a comment with the file's name"
    assert list(yaml.safe_load_all(block.text))
    if block.name == FILE_NAME:
        path = tmp_path / FILE_NAME
        path.write_text(block.text, encoding="utf-8")
        make_options(read_config(path).options)


HANDLERS = [block for block in blocks("python") if block.name in {"features.py", "handler.py"}]


@pytest.mark.parametrize("block", HANDLERS, ids=lambda block: block.id)
def test_a_handler_is_one(block: Block, tmp_path):
    """Those with helper modules lack them here; what they lead to is not of interest."""
    path = tmp_path / block.name
    path.write_text(block.text, encoding="utf-8")
    found = read_handler(path)
    assert found.entry_points
    assert not found.python or block.text.startswith(f"# {block.name}\n# /// script")
