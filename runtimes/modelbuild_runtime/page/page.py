"""The page as responses: style, script and what the model takes and gives are all in it.

The content-security policy names style and script by their hashes. What comes from the model can be neither: it stands
in a block of data and in the title, escaped, and the script makes text of it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from pathlib import Path
from typing import Any, Dict, NamedTuple

import msgspec

from modelbuild_runtime import schema
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Service

HERE = Path(__file__).parent
TYPE = "text/html; charset=utf-8"
SCRIPTS = ("values.js", "lock.js", "form.js", "snippets.js", "answer.js", "page.js", "live.js")
"""One module in the browser, so that the order matters."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_UNSEEN = re.compile(r"^ *//.*\n|^ +", re.MULTILINE)
_IN_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class Page(NamedTuple):
    """The page for one model, as it is and packed, for browsers, which all unpack it."""

    plain: HttpResponse
    packed: HttpResponse

    def answer(self, http: HttpRequest) -> HttpResponse:
        """The one that the client can read."""
        accepted = http.headers.get(b"accept-encoding", b"").strip()
        return self.packed if accepted and media_type.choose(accepted, ("gzip",)) else self.plain


def make_page(service: Service) -> Page:
    """The page of one model."""
    return _made(service.model_name, _data(service))


def locked_page() -> Page:
    """The page for those who have not given a key yet: it asks for one, and then for the other page."""
    return _made("Model", "null")


def _made(title: str, data: str) -> Page:
    style = _source("page.css")
    script = "".join(map(_source, SCRIPTS))
    content = {"title": html.escape(title), "style": style, "script": script, "data": data}
    body = _SLOT.sub(lambda slot: content[slot[1]], _source("page.html"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept, Accept-Encoding, Authorization, X-API-Key"),
    )
    packed = gzip.compress(body.encode(), mtime=0)
    return Page(
        HttpResponse(200, body.encode(), TYPE, headers),
        HttpResponse(200, packed, TYPE, (*headers, ("Content-Encoding", "gzip"))),
    )


def _source(name: str) -> str:
    """A file without what only its readers need: comments of whole lines, and indentation."""
    return _UNSEEN.sub("", (HERE / name).read_text(encoding="utf-8"))


def _data(service: Service) -> str:
    """What the script is told, in JSON that HTML cannot mistake for markup."""
    contract = service.contract
    examples = [
        {"name": example.name, "request": msgspec.json.encode(example.request).decode()}
        for example in service.examples()
    ]
    told: Dict[str, Any] = {
        "name": service.model_name,
        "version": service.model_version,
        "platform": service.platform,
        "inputs": contract.inputs,
        "outputs": contract.outputs,
        "open": contract.open,
        "batched": contract.batched,
        "raw": service.takes_raw,
        "typed": bool(contract.record),
        "record": schema.record(contract) if contract.record else {**schema.record(contract), "$defs": _AS_TEXT},
        "examples": examples,
    }
    return re.sub("[<>&]", lambda found: _IN_HTML[found[0]], msgspec.json.encode(told).decode())


_AS_TEXT = {"Bytes": {"type": "string"}}
"""The form has one field for text and for files: the script knows how to send either."""


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
