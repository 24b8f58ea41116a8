"""A Keras model as a graph of ONNX, by tf2onnx, which takes SavedModels. Runs while an image is built, never in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

import onnx
import tensorflow as tf

from modelbuild_runtime.optimising.candidate import Candidate, CannotConvert, as_it_is, stand_in


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One."""
    yield Candidate("ONNX", partial(make, engine))


def make(engine: Any, path: Path) -> Mapping[str, Any]:
    """Write the graph.

    Raises:
        CannotConvert: tf2onnx cannot, or names its inputs or outputs otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        _save(engine, folder)
        _convert(folder, path)
    graph, signature = onnx.load(path, load_external_data=False).graph, engine.signature()
    inputs = [item.name for item in graph.input]
    names = [spec.name for spec in signature.outputs]
    known = {spec.name: spec.datatype for spec in signature.inputs}
    if not set(inputs) <= set(known) or not set(names) <= {item.name for item in graph.output}:
        raise CannotConvert(f"tf2onnx names the inputs {', '.join(inputs)}, which the model does not")
    # What comes of no number is not defined, and another in each library: a clear word is better.
    floats = {name: ["infinite", "missing"] for name in inputs if known[name].startswith("FP")}
    return stand_in([as_it_is(name, name, known[name]) for name in inputs], names, names, floats)


def _save(engine: Any, folder: str) -> None:
    """Write the function that the engine calls, with the names that clients know: Keras' own export makes others up."""
    function, signature = engine.function, engine.signature()
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=told.name)
        for spec, told in zip(function.structured_input_signature[0], signature.inputs)
    ]
    names = [spec.name for spec in signature.outputs]

    def answer(*arrays: Any) -> Dict[str, Any]:
        return dict(zip(names, tf.nest.flatten(function(*arrays))))

    module = tf.Module()
    module.model = engine.model
    module.answer = tf.function(answer, input_signature=specs)
    tf.saved_model.save(module, folder, signatures={"serving_default": module.answer})


def _convert(folder: str, path: Path) -> None:
    # Its own command, in a process of its own: it changes TensorFlow's settings.
    command = [sys.executable, "-S", "-s", "-m", "tf2onnx.convert", "--saved-model", folder, "--output", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not path.exists():
        raise CannotConvert((done.stderr.strip().splitlines() or ["tf2onnx wrote nothing"])[-1])
