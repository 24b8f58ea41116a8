"""How long a data scientist waits: cold, after a new model, after an edit of the handler.

    python benchmarks/packaging/run.py [--rounds 5] [--registry 127.0.0.1:5000] [--engine NAME]

Each figure is the wall time of the real command: package (verification included), then push. Prints medians.
Needs a build engine and a registry. Everything it makes is named mbuild-benchmark and removed at the end.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HANDLER = """\
import numpy as np


def preprocess(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"x": inputs["x"] * np.float32(SCALE)}
"""


def write_model(path: Path, megabytes: float, seed: int) -> None:
    """One dense layer of random weights."""
    rows, columns = 256, int(megabytes * 1e6 / 4 / 256)
    weights = np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["wide"]), helper.make_node("ReduceMean", ["wide"], ["y"], keepdims=1)],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


def write_handler(path: Path, scale: float) -> None:
    path.write_text(HANDLER.replace("SCALE", str(scale)))


def timed(*command: object) -> tuple[float, str]:
    """Wall seconds and stdout of one command of mbuild."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "modelbuild", *map(str, command)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--registry", default="127.0.0.1:5000")
    parser.add_argument("--engine", default="")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mbuild-benchmark-"))
    reference = f"{arguments.registry}/mbuild-benchmark/{uuid.uuid4().hex[:8]}:1"
    try:
        print_figures(measure(folder, reference, arguments))
    finally:
        shutil.rmtree(folder)
        subprocess.run(["docker", "rmi", "-f", reference], capture_output=True, check=False)


def measure(folder: Path, reference: str, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every round, by figure."""
    model, handler = folder / "model.onnx", folder / "features.py"
    write_model(model, 10, seed=0)
    write_handler(handler, 1.0)
    engine = ["--engine", arguments.engine] if arguments.engine else []
    package = ["package", model, "--handler", handler, "-t", reference, *engine]
    figures: dict[str, list[float]] = {}

    def record(name: str, *command: object) -> str:
        seconds, output = timed(*command)
        figures.setdefault(name, []).append(seconds)
        return output

    record("cold package, wheels in the local cache", *package, "--no-cache")
    record("cold push", "push", reference)
    for number in range(1, arguments.rounds + 1):
        record("nothing changed: package", *package)
        write_handler(handler, 1.0 + number)
        record("handler edit: package, verified", *package)
        record("handler edit: package, not verified", *package, "--no-verify")
        record("handler edit: push", "push", reference)
        write_model(model, 10, seed=number)
        record("10 MB model change: package, verified", *package)
        record("10 MB model change: push", "push", reference)
        output = record("verify alone", "verify", reference, "--json")
        verification = json.loads(output)
        figures.setdefault("container start to ready", []).append(verification["ready_seconds"])
        figures.setdefault("container start to first answer", []).append(verification["first_answer_seconds"])
    return figures


def print_figures(figures: dict[str, list[float]]) -> None:
    print(f"processors: {os.cpu_count()}")
    for name, values in figures.items():
        print(f"{name:<45}{statistics.median(values):>8.2f} s  (best {min(values):.2f}, of {len(values)})")


if __name__ == "__main__":
    main()
