"""Serves what a page shows, and asks it what the page asks: the builder's reading and the server's layers, no sockets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from urllib3.filepost import encode_multipart_formdata

from docs.command_line import parse
from docs.markdown import Section, commands
from modelbuild.config import Options, make_options, option_fields
from modelbuild.host import Host
from modelbuild.planning.manifest import make_manifest
from modelbuild.source import Source, read_source
from modelbuild_runtime.process.models.model import load_model
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.settings import Settings


def lay_out(section: Section, folder: Path) -> Path:
    """Write the files that a section shows."""
    for block in section.blocks:
        if block.name:
            path = folder / block.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    return folder


def options_of(section: Section, folder: Path) -> Options:
    """Those that the section packages with, its paths in ``folder``."""
    given: dict[str, object] = {"handler": Path("features.py")}
    names = [item.name for item in option_fields()]
    for command in (command for block in section.blocks for command in commands(block)):
        if command.words[:2] == ("mbuild", "package"):
            found = parse(command.words).params
            given |= {name: found[name] for name in names if found[name] not in (None, ())}
    handler = folder / str(given["handler"])
    data = tuple(folder / path for path in given.get("data", ()))  # type: ignore[attr-defined]
    runtime = str(folder / str(given["runtime"])) if given.get("runtime") else ""
    example = tuple(folder / path for path in given.get("example", ()))  # type: ignore[attr-defined]
    found = {"handler": handler if handler.exists() else None, "data": data, "runtime": runtime, "example": example}
    return make_options({**given, **found})


def serve(model: Path, options: Options, folder: Path) -> tuple[Source, Replayer]:
    """Read a model and its handler as the builder does, lay them out as in the image, and load them as the server does."""
    source = read_source(model, options, Host(folder / "cache", "3.11", {}))
    root = folder / "root"
    files = [("model", file) for file in source.artifact.files]
    files += [("handler", file) for file in source.handler.files] if source.handler else []
    for place, file in files:
        target = root / place / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.source.read_bytes())
    manifest = root / "manifest.json"
    manifest.write_bytes(
        make_manifest(
            name="fraud",
            version="1",
            artifact=source.artifact,
            runtime=source.runtime.name,
            options=source.reading.options,
            signature=source.reading.signature,
            handler=source.handler,
        )
    )
    settings = Settings(manifest=str(manifest))
    loaded = load_model(settings, 1, {})
    return source, Replayer(settings, loaded.router, loaded.dataplane)


@dataclass
class Curl:
    """A request as a curl command writes it. Anything that this does not know fails, so that nothing is passed over."""

    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def read_curl(words: Sequence[str], folder: Path) -> Curl:
    """Understand the few options of curl that the documentation uses; files are in ``folder``."""
    curl = Curl()
    rest = list(words[1:])
    form: dict[str, object] = {}
    while rest:
        word = rest.pop(0)
        if word in {"-s", "-f", "-sf", "-i", "-N"}:
            continue
        if word == "-H":
            name, _, value = rest.pop(0).partition(":")
            curl.headers[name.strip().lower()] = value.strip()
        elif word in {"-d", "--data-binary"}:
            curl.body = _content(rest.pop(0), folder)
            curl.headers.setdefault("content-type", "application/x-www-form-urlencoded")
        elif word == "-F":
            name, _, value = rest.pop(0).partition("=")
            form[name] = (value[1:], (folder / value[1:]).read_bytes()) if value.startswith("@") else value
        elif word.startswith("-"):
            raise AssertionError(f"the tests of the documentation do not know curl's {word}")
        else:
            parts = urlsplit(word if "://" in word else f"http://{word}")
            curl.path = parts.path + (f"?{parts.query}" if parts.query else "")
    if form:
        curl.body, curl.headers["content-type"] = encode_multipart_formdata(form)
    assert curl.body, "only requests that post something are made here"
    return curl


def _content(text: str, folder: Path) -> bytes:
    return (folder / text[1:]).read_bytes() if text.startswith("@") else text.encode()


def same(answer: bytes, expected: str) -> bool:
    """Whether an answer is what a page says; three dots there stand for anything."""
    pattern = ".*".join(map(re.escape, expected.split("...")))
    return re.fullmatch(pattern, answer.decode().strip()) is not None
