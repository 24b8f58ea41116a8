"""A signature of a SavedModel as a graph of ONNX, by tf2onnx. Runs while an image is built, never in it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping

import onnx

from modelbuild_runtime.optimising.candidate import Candidate, CannotConvert, as_it_is, stand_in


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:
    """One."""
    yield Candidate("ONNX", partial(make, engine, path, options))


def make(engine: Any, source: Path, options: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Write the graph.

    Raises:
        CannotConvert: tf2onnx cannot, or names its inputs or outputs otherwise.
    """
    # Its own command, in a process of its own: it changes TensorFlow's settings.
    command = [sys.executable, "-S", "-s", "-m", "tf2onnx.convert", "--saved-model", str(source), "--output", str(path)]
    command += ["--tag", ",".join(options.get("tags", ["serve"]))]
    command += ["--signature_def", options["signature"]] if options.get("signature") else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not path.exists():
        raise CannotConvert((done.stderr.strip().splitlines() or ["tf2onnx wrote nothing"])[-1])
    graph, signature = onnx.load(path, load_external_data=False).graph, engine.signature()
    weights = {item.name for item in graph.initializer}
    inputs = [item.name for item in graph.input if item.name not in weights]
    names = [spec.name for spec in signature.outputs]
    known = {spec.name: spec.datatype for spec in signature.inputs}
    if not set(inputs) <= set(known) or not set(names) <= {item.name for item in graph.output}:
        raise CannotConvert(f"tf2onnx names the inputs {', '.join(inputs)}, which the signature does not")
    # What comes of no number is not defined, and another in each library: a clear word is better.
    floats = {name: ["infinite", "missing"] for name in inputs if known[name].startswith("FP")}
    return stand_in([as_it_is(name, name, known[name]) for name in inputs], names, names, floats)
