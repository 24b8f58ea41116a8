"""A Keras model as a graph of ONNX: as a SavedModel first, and then as one of those. Runs while an image is built, never
in it.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

import tensorflow as tf

from modelbuild_runtime.engines.tensorflow import optimise
from modelbuild_runtime.optimising.candidate import Candidate


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One."""
    yield Candidate("ONNX", partial(make, engine))


def make(engine: Any, path: Path) -> Mapping[str, Any]:
    """Write the graph.

    Raises:
        CannotConvert: tf2onnx cannot, or names its inputs or outputs otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        save(engine, Path(folder))
        return optimise.make(engine, Path(folder), {}, path)


def save(engine: Any, folder: Path) -> None:
    """Write the function that the engine calls as a SavedModel, with the names that clients know.

    Keras' own export has names of its own making.
    """
    function, signature = engine.function, engine.signature()
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=told.name)
        for spec, told in zip(function.structured_input_signature[0], signature.inputs)
    ]
    names = [spec.name for spec in signature.outputs]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator,unused-ignore]  # TensorFlow may not be here
    def answer(*arrays: Any) -> Dict[str, Any]:
        return dict(zip(names, tf.nest.flatten(function(*arrays))))

    module = tf.Module()
    module.model, module.answer = engine.model, answer
    tf.saved_model.save(module, str(folder), signatures={"serving_default": answer})
