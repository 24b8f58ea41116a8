"""The Dockerfile: a pure function of the plan. It keeps to what every builder since Docker 20.10 understands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from modelbuild.dependencies.lock import Lock
from modelbuild.planning.plan import Plan

# Root owns all files anyway. The flag makes these instructions others than those of a rendered folder: BuildKit 20.10
# stamps what it is sent as a folder with the time, and would find such a layer in its cache when a tar is built.
_OWN = "--chown=0:0 "


def render(plan: Plan) -> str:
    """The Dockerfile that copies every layer of the context."""
    return _render(
        "Dockerfile.j2", plan=plan, base=plan.base.pinned, layers=_names(plan), final=True, first=True, copy_flags=""
    )


def render_stage(plan: Plan, base_reference: str, layers: Sequence[str], *, final: bool) -> str:
    """A Dockerfile of some layers only, on an image that has those before them; ``final`` adds the settings."""
    first = bool(layers) and layers[0] == plan.layers[0].name
    values = {"layers": tuple(layers), "final": final, "first": first, "copy_flags": _OWN}
    return _render("Dockerfile.j2", plan=plan, base=base_reference, **values)


def render_portable(plan: Plan, lock: Lock, pages: Sequence[str] = ()) -> str:
    """A Dockerfile that installs requirements.lock by itself, for those who keep it in git and build it elsewhere.
    ``pages`` have the wheels that are on no index.
    """
    layers = tuple(name for name in _names(plan) if name != "dependencies")
    values = {"layers": layers, "lock": lock, "pages": tuple(pages), "copy_flags": ""}
    return _render("Dockerfile.portable.j2", plan=plan, base=plan.base.pinned, **values)


def _names(plan: Plan) -> tuple[str, ...]:
    return tuple(layer.name for layer in plan.layers)


def templates_folder() -> Path:
    """Beside this module in the wheel, at the top of a checkout."""
    beside = Path(__file__).parents[1] / "templates"
    return beside if beside.is_dir() else Path(__file__).parents[3] / "templates"


def _render(name: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  # a Dockerfile is no HTML; its own quoting is in the filters
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"word": word, "exec": exec_form, "shell": shlex.quote}
    return environment.get_template(name).render(**values)


def word(text: str) -> str:
    """A word of ENV and LABEL: in double quotes, where a backslash keeps a character what it is."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def exec_form(words: Sequence[str]) -> str:
    """A command that no shell reads: a JSON list."""
    return json.dumps(list(words), ensure_ascii=False)
