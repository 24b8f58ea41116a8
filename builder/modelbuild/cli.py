"""The command line: each command reads as the arrows of the pipeline. Errors end in ``boundary``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

import modelbuild
from modelbuild.boundary import boundary
from modelbuild.config import FILE_NAME, Options, make_options, option_fields, read_config
from modelbuild.doctor import examine
from modelbuild.draft import make_draft
from modelbuild.errors import UsageError
from modelbuild.flags import CONFIG, MODEL, common, with_options
from modelbuild.host import Host, this_host
from modelbuild.init import first_files, write_files
from modelbuild.packaging import engine_or_none, push_image, verify_image
from modelbuild.packaging import package as package_model
from modelbuild.report import show_concerns, show_findings, show_packaged, show_runtimes, show_source
from modelbuild.runtime import builtin_runtimes
from modelbuild.serve import serve as serve_model
from modelbuild.source import read_source
from modelbuild.terminal import Terminal, open_terminal


def _settle(model: Path | None, config: Path | None, flags: dict[str, Any]) -> tuple[Path, Options]:
    """The model and the options: flags and environment over mbuild.yaml over defaults."""
    given = {key: value for key, value in flags.items() if value is not None and value != ()}
    path = config or _config_beside(model)
    if path is None:
        settled, options = model, make_options(given)
    else:
        file = read_config(path)
        settled, options = model or file.model, make_options(file.options, given)
    settled = settled or options.handler  # alone, it is the model
    if settled is None:
        raise UsageError("No model was given.", hint=f"mbuild {_command()} MODEL, or the key 'model' in {FILE_NAME}.")
    return settled, options


def _config_beside(model: Path | None) -> Path | None:
    folder = Path() if model is None else model.parent
    path = folder / FILE_NAME
    return path if path.is_file() else None


def _command() -> str:
    context = click.get_current_context(silent=True)
    return context.info_name or "package" if context else "package"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(modelbuild.__version__, prog_name="mbuild")
def mbuild() -> None:
    """From a trained model and a feature module to a verified image with a fast server inside.

    \b
    mbuild package model.onnx --handler features.py -t registry/team/fraud:1.0
    docker run -p 8080:8080 registry/team/fraud:1.0
    mbuild push registry/team/fraud:1.0
    """  # noqa: D301  # \b is click's word for a paragraph that keeps its lines


@mbuild.command()
@MODEL
@CONFIG
@with_options()
@common
def package(model: Path | None, config: Path | None, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Build an image from MODEL, run it, replay its examples, and tag it."""
    terminal, host = _start(verbose)
    path, options = _settle(model, config, flags)
    with terminal.progress() as progress:
        packaged = package_model(path, options, host, progress)
    show_packaged(packaged, terminal)
    terminal.json(packaged.to_json()) if as_json else terminal.result(packaged.name)


@mbuild.command()
@MODEL
@CONFIG
@with_options()
@common
def inspect(model: Path | None, config: Path | None, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Say what MODEL is: format, runtime, signature, what loading it would execute. Runs none of its code."""
    terminal, host = _start(verbose)
    path, options = _settle(model, config, flags)
    found = read_source(path, options, host)
    terminal.json(found.to_json()) if as_json else show_source(found, terminal)


@mbuild.command()
@MODEL
@CONFIG
@with_options("push")
@common
def plan(model: Path | None, config: Path | None, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Print what would be built, as JSON: base, requirements, layers with their sizes, environment, labels."""
    del as_json  # a plan is JSON
    terminal, host = _start(verbose)
    path, options = _settle(model, config, flags)
    with terminal.progress() as progress:
        draft = make_draft(path, options, host, progress, engine_or_none(options, host))
    show_concerns(draft.source, terminal)
    terminal.json(draft.plan.to_json())


@mbuild.command()
@MODEL
@CONFIG
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option("--portable", is_flag=True, help="A Dockerfile that installs the locked requirements by itself.")
@with_options("push")
@common
def render(
    model: Path | None, config: Path | None, output: Path, portable: bool, as_json: bool, verbose: bool, **flags: Any
) -> None:
    """Write a Dockerfile and its context into a folder that plain `docker build` accepts."""
    terminal, host = _start(verbose)
    path, options = _settle(model, config, flags)
    with terminal.progress() as progress:
        draft = make_draft(path, options, host, progress, engine_or_none(options, host))
        (draft.portable_context if portable else draft.context).write(output)
    show_concerns(draft.source, terminal)
    terminal.json({"folder": str(output)}) if as_json else terminal.result(str(output))


@mbuild.command()
@MODEL
@CONFIG
@click.option("--host", "address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("-p", "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
@click.option("--no-reload", is_flag=True, help="Do not start anew when the handler or the model changes.")
@with_options("push", "no_cache", "pull", "engine", "base", "platform", "tag", "no_verify", "optimize")
@common
def serve(
    model: Path | None, config: Path | None, address: str, port: int, no_reload: bool, verbose: bool, **flags: Any
) -> None:
    """Run the image's server here, without a container: same requirements, same answers."""
    flags.pop("as_json")
    terminal, host = _start(verbose)
    path, options = _settle(model, config, flags)
    # Whoever edits wants to see a change at once: a trial takes its time.
    options = replace(options, optimize=False)
    sys.exit(serve_model(path, options, host, terminal, address=address, port=port, reload=not no_reload))


@mbuild.command()
@click.argument("image")
@with_options(
    *(item.name for item in option_fields() if item.name not in {"engine", "example", "tolerance", "ready_timeout"})
)
@common
def verify(image: str, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Run IMAGE, wait until it is ready, replay its examples, compare the answers."""
    terminal, host = _start(verbose)
    options = make_options({key: value for key, value in flags.items() if value is not None and value != ()})
    with terminal.progress() as progress:
        verification = verify_image(image, options, host, progress)
    terminal.json(verification.to_json()) if as_json else terminal.result(verification.summary)


@mbuild.command()
@click.argument("reference")
@with_options(*(item.name for item in option_fields() if item.name != "engine"))
@common
def push(reference: str, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Push REFERENCE to its registry; only the layers that the registry lacks are sent. Prints the digest."""
    terminal, host = _start(verbose)
    options = make_options({key: value for key, value in flags.items() if value is not None})
    with terminal.progress() as progress:
        pushed = push_image(reference, options, host, progress)
    terminal.json({"reference": reference, **asdict(pushed)}) if as_json else terminal.result(
        f"{reference}@{pushed.digest}"
    )


@mbuild.command()
@common
def runtimes(as_json: bool, verbose: bool) -> None:
    """List the kinds of model that can be packaged."""
    terminal, _ = _start(verbose)
    show_runtimes(builtin_runtimes(), terminal, as_json=as_json)


@mbuild.command()
@click.option("--python", default="", metavar="X.Y", help="Python of the base. Default: the suite's.")
@click.option("--suite", default="", metavar="NAME", help="Debian release. Default: the one that carries this Python.")
@click.option("--mirror", default="", metavar="URL", help="Debian mirror instead of deb.debian.org.")
@click.option(
    "--prefix", type=click.Path(path_type=Path), help="Take the interpreter from this folder of this machine."
)
@click.option("--with-pip", is_flag=True, help="Put in pip and a shell, for Dockerfiles that install by themselves.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Trust these certificates too. They stay in the base.")
@click.option("-t", "--tag", default="", metavar="REFERENCE", help="Name of the image. Default: python:X.Y-slim.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the image to this file too.")
@click.option("--no-load", is_flag=True, help="Do not load the image into the engine.")
@click.option("--force", is_flag=True, help="Replace an image of this name that mbuild did not make.")
@click.option("--refresh", is_flag=True, help="Build anew although this week's is in the cache.")
@common
def base(no_load: bool, force: bool, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Make a small Python base image from a Debian mirror, for machines that cannot reach a hub."""
    # Docker's client takes longer to import than all the rest: the other commands load it when they need it.
    from modelbuild.base import BaseOptions, build_base, load_base  # noqa: PLC0415
    from modelbuild.engines.docker import connect  # noqa: PLC0415

    terminal, host = _start(verbose)
    year, week, _ = datetime.now(tz=UTC).isocalendar()
    with terminal.progress() as progress:
        tar = build_base(BaseOptions(**flags, week=f"{year}-W{week:02}"), cache=host.cache, progress=progress)
        if not no_load:
            progress.step("Loading", tar.reference)
            load_base(tar, connect(host).client, force=force)
    terminal.json({"reference": tar.reference, "path": str(tar.path)}) if as_json else terminal.result(tar.reference)


@mbuild.command()
@MODEL
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@common
def init(model: Path | None, force: bool, as_json: bool, verbose: bool) -> None:
    """Write mbuild.yaml beside MODEL, and a handler made from its signature."""
    terminal, host = _start(verbose)
    if model is None:
        raise UsageError("No model was given.", hint="mbuild init MODEL")
    source = read_source(model, Options(), host)
    written = write_files(model.parent, first_files(source), force=force)
    names = [str(path) for path in written]
    terminal.json(names) if as_json else terminal.result("\n".join(names))


@mbuild.command()
@common
def doctor(as_json: bool, verbose: bool) -> None:
    """Check this machine: engines, base images, interpreters, space; say how to mend what is missing."""
    terminal, host = _start(verbose)
    with terminal.progress() as progress:
        findings = examine(host, progress)
    terminal.json([asdict(item) for item in findings]) if as_json else show_findings(findings, terminal)
    sys.exit(0 if all(item.ok for item in findings) else 1)


def _start(verbose: bool) -> tuple[Terminal, Host]:
    return open_terminal(verbose=verbose), this_host(os.environ)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run mbuild and exit."""
    with boundary(open_terminal()):
        words = list(sys.argv[1:] if arguments is None else arguments)
        mbuild.main(args=words, prog_name="mbuild", standalone_mode=False)
