"""CPU of one prediction, in process: ``inside.py KIND FOLDER SECONDS`` prints one line of JSON.

Runs in the environment of the kind, with the server's sources on PYTHONPATH. The engine, the framework's plain call and
what --optimize makes of the model are asked in turns; figures are the quickest of some rounds, in microseconds.
"""

import json
import logging
import sys
from pathlib import Path
from time import process_time

import kinds
import numpy as np

from modelbuild_runtime.manifest import Example, Manifest, Model, Runtime
from modelbuild_runtime.optimising import trial
from modelbuild_runtime.pipeline import load_engine
from modelbuild_runtime.signature import Signature
from modelbuild_runtime.tensor import NUMPY

SIZES = (1, 32)
ROUNDS = 7


def main(name: str, folder: Path, seconds: float) -> None:
    logging.disable()
    made = kinds.KINDS[name](folder)
    plain, rows = made.plain, kinds.data()[0] if made.rows is None else made.rows
    manifest = Manifest(Model("m", "1", made.path.name), Runtime(made.runtime, options=dict(made.options)))
    engine = load_engine(manifest, folder, 1)
    names = [item.name for item in engine.signature().inputs]
    datatype = engine.signature().inputs[0].datatype
    kept, why = optimised(manifest, folder, examples(names, rows[:32]))
    calls, result = {}, {"kind": name, "optimised": why, "microseconds": {}}
    for size in SIZES:
        array = np.ascontiguousarray(rows[:size], NUMPY[datatype])
        given = {names[0]: array} if len(names) == 1 else {n: array[:, i] for i, n in enumerate(names)}
        bare = rows[:size] if datatype == "BYTES" else array.astype(np.float32) if name == "XGBoost" else array
        calls = {"framework": lambda bare=bare: plain(bare), "mbuild": lambda given=given: engine.predict(given)}
        if kept is not None:
            calls["--optimize"] = lambda given=given: kept.predict(given)
        result["microseconds"][str(size)] = measure(calls, seconds)
    print(json.dumps(result))


def examples(names: list[str], rows: list | np.ndarray) -> list:
    """Rows as clients send them."""
    plain = np.asarray(rows).tolist()
    if len(names) == 1:
        return [{names[0]: row} for row in plain]
    return [dict(zip(names, row, strict=True)) for row in plain]


def optimised(manifest: Manifest, folder: Path, examples: list) -> tuple:
    """The engine of what --optimize keeps, or None and why."""
    (folder / "out").mkdir(exist_ok=True)
    told = Manifest(manifest.model, manifest.runtime, examples=(Example(examples),))
    try:
        report = trial.hold_trial(told, folder, folder / "out", target="onnx", tolerance=1e-4)
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
    if not report["kept"]:
        return None, "; ".join(tried["reason"] for tried in report["tried"])
    import msgspec

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
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
