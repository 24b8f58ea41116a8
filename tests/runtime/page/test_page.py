from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from dataclasses import replace

import pytest

from contract.wires import SETTINGS, Server, server
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.page import page
from modelbuild_runtime.settings import Settings, read_settings
from modelbuild_runtime.signature import TensorSpec
from page.models import ENDING, HOSTILE, PIPELINES

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def shown(model: str = "iris") -> str:
    return server(model).ask("GET", "/", accept=BROWSER).body.decode()


def told(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture
def hostile():
    service = server("iris").service
    asked = Server("iris")
    asked.service.__dict__.update(service.__dict__, model_name=HOSTILE, contract=PIPELINES["hostile"]().contract)
    asked.service.examples = lambda largest=0: []
    return page.make_page(asked.service).plain.body.decode()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("text/*", "text/html"),
        ("application/json;q=0.5, text/html;q=0.6", "text/html"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("text/html;q=0, */*", "application/json"),
        ("image/png", "application/json"),
    ],
)
def test_browsers_get_the_page_and_others_json(accept, kind):
    answer = server("iris").ask("GET", "/", **({"accept": accept} if accept else {}))
    assert answer.status == 200
    assert answer.content_type.partition(";")[0] == kind
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, deflate, br", True), ("", False), ("br", False), ("gzip;q=0, identity", False), ("*", True)],
)
def test_the_page_is_packed_for_those_who_unpack_it(accepted, packed):
    answer = server("iris").ask("GET", "/", accept=BROWSER, **({"accept_encoding": accepted} if accepted else {}))
    assert (answer.headers.get("content-encoding") == "gzip") == packed
    assert (gzip.decompress(answer.body) if packed else answer.body).decode() == shown()


def test_a_head_says_the_same_without_the_page():
    answer = server("iris").ask("HEAD", "/", accept=BROWSER)
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.body == b""


def test_only_what_the_policy_names_by_its_hash_runs():
    answer = server("iris").ask("GET", "/", accept=BROWSER)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    hashes = {}
    for tag, content in re.findall(r"<(style|script type=\"module\")>(.*?)</", answer.body.decode(), re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[f"{tag.partition(' ')[0]}-src"] = f"'sha256-{digest}'"
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert policy == {**nothing, **hashes, "connect-src": "'self'"}
    assert len(hashes) == 2
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline():
    text = shown()
    assert "http" not in re.sub(r"tritonclient\.http|as http|https?:\"|http\.Infer|\"https:\"", "", text)
    assert not re.search(r"<[a-z]+ [^>]*\b(on\w+|style|src)=", text.partition('<script type="module">')[0])
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", text
    )


def test_what_a_model_says_of_itself_is_no_markup(hostile):
    before = shown()
    for tag in ("<img", "<script", "</script"):
        assert hostile.count(tag) == before.count(tag)
    assert f"<title>{html.escape(HOSTILE)}</title>" in hostile
    assert told(hostile)["name"] == HOSTILE
    assert [spec["labels"][0] for spec in told(hostile)["outputs"]] == [ENDING, ENDING]


def test_the_page_knows_the_contract_and_the_examples():
    found = told(shown("loan"))
    assert [spec["name"] for spec in found["inputs"]] == ["age", "income", "job", "married"]
    assert list(found["record"]["properties"]) == ["age", "income", "job", "married"]
    assert json.loads(found["examples"][0]["request"]) == {"age": 40, "income": 100, "job": "cook"}
    assert not found["raw"]
    assert told(shown("raw"))["raw"]


def test_the_page_is_small():
    assert len(server("iris").ask("GET", "/", accept=BROWSER, accept_encoding="gzip").body) < 15_000
    assert len(shown()) < 44_000


def test_the_page_is_made_once():
    asked = Server("iris")
    first = asked.ask("GET", "/", accept=BROWSER).body
    asked.service.contract = Contract((TensorSpec("other", "FP32", (-1,)),))
    assert asked.ask("GET", "/", accept=BROWSER).body == first


def test_what_only_readers_of_the_sources_need_is_left_out():
    assert not re.search(r"^\s*//|^ ", shown(), re.MULTILINE)


def test_it_can_be_switched_off():
    assert Settings().page
    assert not read_settings({"MBUILD_PAGE": "0"}).page
    asked = Server("iris", settings=replace(SETTINGS, page=False))
    assert asked.ask("GET", "/", accept=BROWSER).content_type == "application/json"
    said = asked.service.openapi()["paths"]["/"]["get"]["responses"]["200"]["content"]
    assert list(said) == ["application/json"]
    assert "text/html" in server("iris").service.openapi()["paths"]["/"]["get"]["responses"]["200"]["content"]
