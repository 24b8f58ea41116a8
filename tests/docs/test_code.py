from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from docs.markdown import Block, blocks
from modelbuild.config import FILE_NAME, make_options, read_config

KNOWN = {"console", "python", "json", "yaml", "toml", "text", "dockerfile", "mermaid", "csv"}


def named(*languages: str):
    return pytest.mark.parametrize("block", blocks(*languages), ids=lambda block: block.id)


def test_every_block_says_its_language():
    assert [block.id for block in blocks("")] == []


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
