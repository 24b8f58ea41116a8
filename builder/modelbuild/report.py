"""How results look on a terminal. No decisions here."""

from __future__ import annotations

from collections.abc import Iterable

from modelbuild.declaration import Runtime
from modelbuild.doctor import Finding
from modelbuild.handlers.record import Record
from modelbuild.packaging import Packaged
from modelbuild.signature import TensorSpec
from modelbuild.source import Source
from modelbuild.terminal import Terminal, size_text


def show_source(source: Source, terminal: Terminal) -> None:
    """What ``mbuild inspect`` found."""
    reading = source.reading
    size = size_text(sum(file.size for file in source.artifact.files))
    terminal.result(f"{source.artifact.name}: {reading.format}, {size}, {source.artifact.digest}")
    version = f", written by version {reading.version}" if reading.version else ""
    terminal.result(f"runtime: {source.runtime.name} ({source.runtime.title}{version})")
    for key, value in reading.metadata.items():
        terminal.result(f"{key}: {value}")
    _show_specs("input", reading.signature.inputs, terminal)
    _show_specs("output", reading.signature.outputs, terminal)
    if reading.requirements:
        terminal.result(f"needs: {', '.join(reading.requirements)}")
    if reading.prepare:
        terminal.result(f"will be converted: {reading.prepare}")
    if source.handler:
        entry_points = ", ".join(source.handler.entry_points)
        terminal.result(f"handler: {source.handler.module} ({source.handler.style}: {entry_points})")
        if source.handler.record:
            _show_record(source.handler.record, terminal)
    for finding in reading.findings:
        terminal.result(f"{finding.severity}: {finding.what}  ({finding.where})")


def _show_specs(word: str, specs: tuple[TensorSpec, ...], terminal: Terminal) -> None:
    if not specs:
        terminal.result(f"{word}s: the artifact does not say; the server learns them in the image")
    for spec in specs:
        labels = f"  one of {', '.join(spec.labels[:8])}" if spec.labels else ""
        optional = "  optional" if spec.optional else ""
        terminal.result(f"{word}: {spec.name}  {spec.datatype} {list(spec.shape)}{optional}{labels}")


def _show_record(record: Record, terminal: Terminal) -> None:
    """What clients send, where the handler declares it."""
    for field in record.fields:
        optional = "" if field.required else "  optional"
        terminal.result(f"field of {record.name}: {field.name}  {field.type}{optional}")


def show_runtimes(runtimes: Iterable[Runtime], terminal: Terminal, *, as_json: bool) -> None:
    """What ``mbuild runtimes`` lists."""
    if as_json:
        names = ("name", "title", "summary", "python")
        terminal.json(
            [
                {
                    **{name: getattr(runtime, name) for name in names},
                    "options": {name: setting.help for name, setting in runtime.options.items()},
                }
                for runtime in runtimes
            ]
        )
        return
    rows = [
        [runtime.name, runtime.title, runtime.summary, runtime.python, ", ".join(runtime.options)]
        for runtime in runtimes
    ]
    terminal.result_table(["runtime", "framework", "takes", "python", "options"], rows)


def show_packaged(packaged: Packaged, terminal: Terminal) -> None:
    """Where the megabytes are, what had to be built, how the image answered."""
    image = packaged.image
    rows = [[layer.name, size_text(layer.size), "cache" if layer.cached else "built"] for layer in image.layers]
    terminal.table(["layer", "size", "from"], [*rows, ["total", size_text(image.size), ""]], right=[1])
    terminal.note(packaged.verification.summary if packaged.verification else "not verified: --no-verify")
    for line in packaged.draft.optimisation.lines if packaged.draft.optimisation else ():
        terminal.note(line)
    show_concerns(packaged.draft.source, terminal)
    for note in (*packaged.draft.lock.notes, *(note for tree in packaged.draft.trees for note in tree.notes)):
        terminal.note(note)
    terminal.note(f"image {image.id}, {packaged.seconds:.1f} s")


def show_concerns(source: Source, terminal: Terminal) -> None:
    """What somebody should look at before the image is used."""
    for finding in source.reading.findings:
        if finding.severity != "info":
            terminal.note(f"{finding.severity}: {finding.what}  ({finding.where})")


def show_findings(findings: Iterable[Finding], terminal: Terminal) -> None:
    """What ``mbuild doctor`` saw, and how to mend it."""
    for item in findings:
        terminal.result(f"{'ok  ' if item.ok else 'MISS'}  {item.what}: {item.seen}")
        if not item.ok:
            for line in item.hint.splitlines():
                terminal.result(f"      {line}")
