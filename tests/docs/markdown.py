"""The documentation as data: pages, code blocks, headings and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "runtimes/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
)
_FENCE = re.compile(
    r"(?:^`(?P<name>[\w./-]+)`:\n\n?)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_NAME = re.compile(r"# (\S+\.\w+)\n")
_SERVED = re.compile(r"<!-- served: (\S+)(?: (alone|page))? -->")


@dataclass(frozen=True)
class Block:
    """One fenced block. ``name`` is that of the file which it shows: a line above it, or a comment on its first line."""

    page: Path
    line: int
    language: str
    text: str
    name: str

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Section:
    """A part of a page under one heading of the second level, code blocks included. ``served`` is the model that its
    examples ask, from a comment that nobody sees: "alone" leaves out what stands before the first section, "page" takes
    the page as a whole.
    """

    page: Path
    title: str
    served: str
    blocks: tuple[Block, ...]

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.title}"


@dataclass(frozen=True)
class Command:
    """One command of a console block, and what the page says that it prints."""

    block: Block
    words: tuple[str, ...]
    output: str

    @property
    def id(self) -> str:
        return f"{self.block.id}:{' '.join(self.words[:3])}"


def blocks_of(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return tuple(
        Block(page, text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"], _name(found))
        for found in _FENCE.finditer(text)
    )


def _name(found: re.Match[str]) -> str:
    commented = _NAME.match(found["text"])
    return found["name"] or (commented[1] if commented else "")


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def sections(page: Path) -> Iterator[Section]:
    """The sections of a page. What stands before the first holds for all that follow."""
    text = page.read_text(encoding="utf-8")
    whole = _SERVED.search(text)
    if whole and whole[2] == "page":
        yield Section(page, "all", whole[1], blocks_of(page))
        return
    starts = [0, *(found.start() for found in _HEADING.finditer(_without_code(text)) if found[1] == "##")]
    first: tuple[Block, ...] = ()
    served = ""
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        lines = range(text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 2)
        own = tuple(block for block in blocks_of(page) if block.line in lines)
        said = _SERVED.search(part)
        served = said[1] if said else served
        if not start:
            first = own
        alone = not start or bool(said and said[2] == "alone")
        yield Section(page, part.partition("\n")[0].strip("# "), served, own if alone else (*first, *own))


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block: lines that begin with ``$``, joined where they go on."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        count = 1
        while count < len(lines) and (lines[count - 1].endswith("\\") or _is_open("\n".join(lines[:count]))):
            count += 1
        text = "\n".join(lines[:count])
        yield Command(block, tuple(shlex.split(text, comments=True)), "\n".join(lines[count:]).strip())


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(_without_code(page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub makes of a page's headings."""
    titles = [found[2] for found in _HEADING.finditer(_without_code(page.read_text(encoding="utf-8")))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _without_code(text: str) -> str:
    """The text, as long as before, with blanks for code."""
    return _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _is_open(text: str) -> bool:
    """Whether a quotation goes on on the next line."""
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False
