"""CPU of one prediction, in process: ``inside.py SIDE KIND FOLDER SECONDS`` prints one line of JSON.

Runs in the environment of the kind, with the server's sources on PYTHONPATH. The side ``framework`` makes the model and
measures the framework's plain call; ``engine``, in a process of its own so that neither sees the other's settings, the
engine and what --optimize makes of the model, in turns. Figures are the quickest of some rounds, in microseconds.
"""

import json
import logging
import sys
from pathlib import Path
from time import process_time
from typing import Any

import answers
import numpy as np

SIZES = (1, 32)
ROUNDS = 7


def framework(name: str, folder: Path, seconds: float) -> dict:
    """``made.json`` keeps the model, what is asked, and the answers."""
    import kinds

    made = kinds.KINDS[name](folder)
    texts = isinstance(made.rows, list)
    rows: Any = (kinds.data()[0] if made.rows is None else made.rows)[: SIZES[-1]]
    given = {size: rows[:size] if texts else np.ascontiguousarray(rows[:size], made.dtype) for size in SIZES}
    told = {"runtime": made.runtime, "path": made.path.name, "options": dict(made.options)}
    told |= {"rows": rows if texts else rows.tolist(), "dtype": made.dtype}
    told["answers"] = told_of(made.plain(given[SIZES[-1]]), SIZES[-1])
    (folder / "made.json").write_text(json.dumps(told))
    return {
        str(size): measure({"framework": lambda part=part: made.plain(part)}, seconds) for size, part in given.items()
    }


def told_of(result: Any, rows: int) -> list[list[float]]:
    """What the framework answers, in all ways to tell it."""
    found = []
    for part in result if isinstance(result, tuple) else [result]:
        plain = part.tolist() if hasattr(part, "tolist") else part
        found += answers.ways(plain, rows)
    return found


def engine(folder: Path, seconds: float) -> dict:
    """The packaged engine, and what --optimize keeps of it."""
    from modelbuild_runtime.manifest import Manifest, Model, Runtime
    from modelbuild_runtime.pipeline import load_engine
    from modelbuild_runtime.tensor import NUMPY

    made = json.loads((folder / "made.json").read_text())
    manifest = Manifest(Model("m", "1", made["path"]), Runtime(made["runtime"], options=made["options"]))
    packaged = load_engine(manifest, folder, 1)
    names = [item.name for item in packaged.signature().inputs]
    datatype = packaged.signature().inputs[0].datatype
    kept, why = optimised(manifest, folder, examples(names, made["rows"]))
    result: dict = {"optimised": why, "microseconds": {}}
    for size in SIZES:
        array = np.ascontiguousarray(made["rows"][:size], NUMPY[datatype])
        given = {names[0]: array} if len(names) == 1 else {n: array[:, i] for i, n in enumerate(names)}
        calls = {"mbuild": lambda given=given: packaged.predict(given)}
        if kept is not None:
            calls["--optimize"] = lambda given=given: kept.predict(given)
        result["microseconds"][str(size)] = measure(calls, seconds)
    return result


def examples(names: list[str], rows: list) -> list:
    """Rows as clients send them."""
    if len(names) == 1:
        return [{names[0]: row} for row in rows]
    return [dict(zip(names, row, strict=True)) for row in rows]


def optimised(manifest: Any, folder: Path, examples: list) -> tuple:
    """The engine of what --optimize keeps, or None and why."""
    import msgspec

    from modelbuild_runtime.manifest import Example, Manifest, Model, Runtime
    from modelbuild_runtime.optimising import trial
    from modelbuild_runtime.pipeline import load_engine
    from modelbuild_runtime.signature import Signature

    (folder / "out").mkdir(exist_ok=True)
    told = Manifest(manifest.model, manifest.runtime, examples=(Example(examples),))
    try:
        report = trial.hold_trial(told, folder, folder / "out", target="onnx", tolerance=1e-4)
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
    if not report["kept"]:
        return None, "; ".join(tried["reason"] for tried in report["tried"])
    signature = msgspec.convert(report["signature"], Signature)
    runtime = Runtime("onnx", options=report["runtime"]["options"])
    return load_engine(Manifest(Model("m", "1", "out/model.onnx"), runtime, signature), folder, 1), report["kept"]


def measure(calls: dict, seconds: float) -> dict[str, float]:
    """In turns, so that whatever else the machine does strikes all."""
    for call in calls.values():
        call()  # what is compiled or allocated for this size
    best = dict.fromkeys(calls, float("inf"))
    counts = {name: max(1, int(seconds / ROUNDS / max(once(call, 5), 1e-7))) for name, call in calls.items()}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name], once(call, counts[name]))
    return {name: value * 1e6 for name, value in best.items()}


def once(call, count: int) -> float:
    began = process_time()
    for _ in range(count):
        call()
    return (process_time() - began) / count


if __name__ == "__main__":
    logging.disable()
    side, name, folder, seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
    print(json.dumps(framework(name, folder, seconds) if side == "framework" else engine(folder, seconds)))
