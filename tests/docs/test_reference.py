"""What the reference says is what the code does: generated parts are compared, the rest is held against the code."""

from __future__ import annotations

import json
import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from builder.values import BASE, RUNTIME, make_artifact
from docs.markdown import PAGES, ROOT, blocks
from modelbuild.config import option_fields
from modelbuild.planning.labels import LAYERS, learnt_labels, make_labels
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.settings import variables

REFERENCE = ROOT / "docs" / "reference"


def load(name):
    """A script without a suffix, as a module."""
    loader = SourceFileLoader(f"script_{name}", str(ROOT / "scripts" / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


script = load("reference")


@pytest.mark.parametrize("path", script.page_paths(), ids=lambda path: path.name)
def test_generated_parts_are_what_the_code_says_now(path, golden):
    golden(path, script.filled(path.read_text(encoding="utf-8")))


def test_every_part_has_its_place_once():
    text = "".join(path.read_text(encoding="utf-8") for path in script.page_paths())
    assert sorted(re.findall(r"<!-- begin (\S+) -->", text)) == sorted(script.PARTS)


@pytest.mark.parametrize("name", [item.name for item in option_fields()])
def test_every_option_is_documented_with_all_its_names(name):
    rows = [line for line in (REFERENCE / "options.md").read_text().splitlines() if f"`MBUILD_{name.upper()}`" in line]
    assert len(rows) == 1
    assert f"--{name.replace('_', '-')}" in rows[0]


@pytest.mark.parametrize("name", variables().values())
def test_every_setting_is_documented(name):
    assert f"| `{name}` |" in (REFERENCE / "settings.md").read_text()


def test_every_variable_that_a_page_names_exists():
    known = {*variables().values(), *(f"MBUILD_{item.name.upper()}" for item in option_fields()), "MBUILD_CACHE"}
    for page in PAGES:
        named = set(re.findall(r"\bMBUILD_[A-Z_]+[A-Z]\b", page.read_text(encoding="utf-8")))
        assert named <= known, page


def test_every_label_is_documented(tmp_path):
    signature = Signature((TensorSpec("x", "FP32", (-1,)),))
    made = make_labels(
        name="fraud",
        version="1",
        base=BASE,
        runtime=RUNTIME,
        reading=Reading("onnx", signature, "1.0"),
        artifact=make_artifact(tmp_path, {"m": b"x"}, name="m", is_folder=False),
        requirements=("alpha==1.0",),
    )
    names = {*made, *learnt_labels({"model": {}}, verified=True), LAYERS}
    text = (REFERENCE / "labels.md").read_text()
    assert [name for name in sorted(names) if f"| `{name}` |" not in text] == []


def test_the_example_of_a_protocol_is_one():
    (block,) = [block for block in blocks("python") if block.name == "echo.py"]
    namespace = {}
    exec(compile(block.text, block.id, "exec"), namespace)
    protocol = namespace["protocol"](script.service())
    (route,) = protocol.routes
    answer = route.endpoint(HttpRequest("GET", "/echo", "", {}, b"", {}))
    assert (answer.status, json.loads(answer.body)) == (200, {"served": "model"})
    assert route.operation["summary"]
