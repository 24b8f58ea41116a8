"""The trial: candidates are made, compared with the original, measured, and one is kept, or the original."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Tuple

import msgspec
import numpy as np

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.optimising.candidate import Candidate
from modelbuild_runtime.optimising.comparing import Comparison, asked, compare
from modelbuild_runtime.optimising.rows import Arrays, mixed, oddities, take, tiled
from modelbuild_runtime.optimising.subject import Subject, open_subject
from modelbuild_runtime.optimising.timing import microseconds
from modelbuild_runtime.process.models.differences import differs

SIZES = (1, 32)
"""Rows a prediction at which a candidate must be the quicker one: a request alone, and some that were joined."""

QUICKER = 1.1
"""How many times as quick. Less is within what measuring errs by."""
SLOWER = 0.95
LOADS = 1.2
"""Where predictions take as long as before, a model that loads so many times as fast is worth it."""


class Different(Exception):  # noqa: N818  # named as the code says it
    """The candidate answers otherwise; the message says where."""


class Checked(NamedTuple):
    """What was compared, how far two numbers were apart at most, and what is refused that the original answers."""

    examples: int
    rows: int
    largest: float
    undecided: int
    refused: Mapping[str, List[str]]


def hold_trial(manifest: Manifest, root: Path, folder: Path, *, target: str, tolerance: float) -> Dict[str, Any]:
    """Try the candidates of the model's runtime; those that are kept are written into ``folder``, for the runtime
    ``target``. Returns the report: ``kept`` is the name of a candidate, or "" for the original.

    Raises:
        LoadError: the original cannot be loaded, or refuses an example.
    """
    original = open_subject(manifest, root)
    if not original.rows:
        raise LoadError(
            "the examples never reach the model as the server calls it", "The handler calls it by itself: leave it so."
        )
    module = importlib.import_module(f"modelbuild_runtime.engines.{manifest.runtime.name}.optimise")
    offered = (original.engine, root / manifest.model.path, manifest.runtime.options)
    tried: List[Dict[str, Any]] = []
    for number, candidate in enumerate(module.candidates(*offered)):
        report, served = _tried(candidate, folder / f"{number}.onnx", original, manifest, root, target, tolerance)
        tried.append(report)
        if not report["reason"]:
            (folder / f"{number}.onnx").rename(folder / "model.onnx")
            return {
                "kept": candidate.name,
                "tried": tried,
                "runtime": {"name": target, "options": served.runtime.options},
                "signature": msgspec.to_builtins(served.signature),
            }
    return {"kept": "", "tried": tried}


def _tried(
    candidate: Candidate, path: Path, original: Subject, manifest: Manifest, root: Path, target: str, tolerance: float
) -> Tuple[Dict[str, Any], Manifest]:
    """What is known of a candidate after its trial: ``reason`` is why it is not kept. And what serves it."""
    report: Dict[str, Any] = {"name": candidate.name, "reason": ""}
    served = manifest
    try:
        options = dict(candidate.make(path))
        further: Mapping[str, List[str]] = {}
        if "stands_for" in options:
            further = options["stands_for"].get("refuse", {})
            refused = _joined(_refused(original), further)
            options["stands_for"] = {**options["stands_for"], **({"refuse": refused} if refused else {})}
        # Relative to the root: the file lies elsewhere, and a path that is absolute wins.
        served = msgspec.structs.replace(
            manifest,
            model=Model(manifest.model.name, manifest.model.version, str(path)),
            runtime=Runtime(target, "", options),
            signature=original.signature,
        )
        found = open_subject(served, root)
        checked = _check(found, original, tolerance, further)
    except Different as error:
        return {**report, "reason": f"it answers otherwise: {error}"}, served
    except Exception as error:  # noqa: BLE001  # converters raise anything
        return {**report, "reason": f"it cannot be made: {_first_line(error)}"}, served
    times = {
        str(size): _pair(microseconds((original.engine, found.engine), tiled(original.rows, size))) for size in SIZES
    }
    loads = _pair((round(original.load_seconds * 1e6), round(found.load_seconds * 1e6)))
    reason = _not_quicker(times, loads)
    return {**report, "reason": reason, "checked": checked._asdict(), "microseconds": times, "load": loads}, served


def _pair(values: Tuple[float, ...]) -> Dict[str, float]:
    return {"original": values[0], "candidate": values[1]}


def _not_quicker(times: Mapping[str, Mapping[str, float]], loads: Mapping[str, float]) -> str:
    ratios = {size: one["original"] / one["candidate"] for size, one in times.items()}
    if all(ratio >= QUICKER for ratio in ratios.values()):
        return ""
    if all(ratio >= SLOWER for ratio in ratios.values()) and loads["original"] / loads["candidate"] >= LOADS:
        return ""
    told = (
        f"{one['candidate']:g} instead of {one['original']:g} µs for {size} row{'' if size == '1' else 's'}"
        for size, one in times.items()
    )
    return f"it is not quicker: {', '.join(told)}"


def _refused(original: Subject) -> Dict[str, List[str]]:
    """What the original refuses as the client's mistake, by input: a stand-in must, too."""
    outcomes: Dict[Tuple[str, str], List[bool]] = {}
    for odd in oddities(original.rows, original.signature.inputs):
        outcome = asked(original.engine, odd.rows)
        outcomes.setdefault((odd.name, odd.kind), []).append(outcome.answer is None)
    refused: Dict[str, List[str]] = {}
    for (name, kind), every in outcomes.items():
        if all(every) and kind != "absent":
            refused.setdefault(name, []).append(kind)
    return refused


def _joined(one: Mapping[str, List[str]], other: Mapping[str, List[str]]) -> Dict[str, List[str]]:
    names = sorted({*one, *other})
    return {name: sorted({*one.get(name, ()), *other.get(name, ())}) for name in names}


# Whether it answers the same.


def _check(found: Subject, original: Subject, tolerance: float, further: Mapping[str, List[str]]) -> Checked:
    """Examples as clients see them, rows as the engine sees them: together and one by one, mixed, and odd ones; but for
    what is ``further`` refused, as the candidate says.

    Raises:
        Different: it does not.
    """
    for answer, expected in zip(found.answers, original.answers):
        difference = differs(answer, expected, tolerance=tolerance)
        if difference:
            raise Different(f"to an example {difference}")
    seen = [_compared("the examples' rows", found, original, original.rows, tolerance)]
    rows, count = original.rows, len(next(iter(original.rows.values())))
    for place in range(min(count, 8)):
        one = take(rows, np.array([place]))
        seen.append(_compared(f"row {place} alone", found, original, one, tolerance))
    made = mixed(rows, original.signature.inputs)
    several = len(next(iter(made.values())))
    seen += _mixed(found, original, made, tolerance)
    odd = [one for one in oddities(rows, original.signature.inputs) if one.kind not in further.get(one.name, ())]
    for one_odd in odd:
        seen.append(_compared(f"{one_odd.name!r} {one_odd.kind}", found, original, one_odd.rows, tolerance))
    return Checked(
        len(original.answers),
        count + several + len(odd),
        max(item.largest for item in seen),
        sum(item.undecided for item in seen),
        further,
    )


def _mixed(found: Subject, original: Subject, made: Arrays, tolerance: float) -> Iterator[Comparison]:
    """At once; where the original does not take all of them, those that it takes."""
    if asked(original.engine, made).answer is not None:
        yield _compared("rows made of the examples'", found, original, made, tolerance, ties=True)
        return
    for place in range(len(next(iter(made.values())))):
        one = take(made, np.array([place]))
        yield _compared("a row made of the examples'", found, original, one, tolerance, ties=True)


def _compared(
    what: str, found: Subject, original: Subject, rows: Arrays, tolerance: float, *, ties: bool = False
) -> Comparison:
    expected, outcome = asked(original.engine, rows), asked(found.engine, rows)
    if expected.answer is None:
        if outcome.answer is not None:
            raise Different(f"{what}: it answers what the original refuses ({expected.refused[:200]})")
        return Comparison()
    if outcome.answer is None:
        raise Different(f"{what}: it refuses what the original answers ({outcome.refused[:200]})")
    comparison = compare(outcome.answer, expected.answer, tolerance, ties=ties)
    if comparison.difference:
        raise Different(f"{what}: {comparison.difference}")
    return comparison


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300] if isinstance(error, LoadError) else f"{type(error).__name__}: {lines[0][:300]}"
