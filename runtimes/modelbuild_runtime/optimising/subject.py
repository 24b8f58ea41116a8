"""A model that is tried: served as in an image, but for the socket, with a look at what its engine is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any, Dict, List, Mapping, NamedTuple

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.engines import Engine, Predicted
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest
from modelbuild_runtime.pipeline import complete, load_pipeline
from modelbuild_runtime.process.models.model import open_model, prove
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.process.models.warmup import learn
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.signature import Signature

Arrays = Dict[str, np.ndarray]

MOST_ROWS = 512
"""Rows of the examples that are looked at."""

_LOADS = 3
_THREADS = 1


class Witness:
    """An engine that remembers what it was asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.model = None  # a handler that uses it cannot use another's
        self.batched = getattr(engine, "batched", True)
        self.asked: List[Arrays] = []

    def signature(self) -> Signature:
        return self.engine.signature()

    def predict(self, inputs: Any) -> Predicted:
        given = inputs if isinstance(inputs, Mapping) else {str(name): inputs[name].to_numpy() for name in inputs}
        self.asked.append({name: np.array(array) for name, array in given.items()})
        return self.engine.predict(inputs)


class Subject(NamedTuple):
    """``answers`` are those to the examples; ``rows`` what the engine was asked meanwhile, joined where rows can be."""

    engine: Engine
    signature: Signature
    answers: List[Any]
    rows: Arrays
    load_seconds: float


def open_subject(manifest: Manifest, root: Path) -> Subject:
    """Load the model and its handler, and let them answer the examples.

    Raises:
        LoadError: one cannot be loaded, or an example is refused.
    """
    witnesses: List[Witness] = []

    def seen(engine: Engine) -> Engine:
        witnesses.append(Witness(engine))
        return witnesses[-1]

    settings = Settings()
    model = open_model(manifest, root, settings, _THREADS, {}, seen)
    if not witnesses:
        raise LoadError("the handler loads a model of its own", "Leave out --optimize.")
    witness = witnesses[0]
    witness.asked.clear()
    prove(model, settings)
    witness.asked.clear()
    replayer = Replayer(settings, model.router, model.dataplane)
    answers = [msgspec.json.decode(replayer.replay(example).response.body) for example in manifest.examples]
    rows = _joined(witness.asked)
    signature = _shown(complete(witness.signature(), manifest.signature), witness.engine, rows)
    return Subject(witness.engine, signature, answers, rows, _load_seconds(manifest, root))


def _shown(signature: Signature, engine: Engine, rows: Arrays) -> Signature:
    """With outputs as an answer shows them, where the model does not say them: what stands in for it must."""
    if signature.outputs or not rows:
        return signature
    learnt = learn(Contract(signature.inputs), engine.predict(rows))
    return Signature(signature.inputs, learnt.outputs, columns=signature.columns)


def _joined(asked: List[Arrays]) -> Arrays:
    """The rows of all that was asked, where all of it has the same names and shapes; else the first alone."""
    if not asked:
        return {}
    first = asked[0]
    alike = [
        arrays
        for arrays in asked
        if arrays.keys() == first.keys()
        and all(arrays[name].ndim and arrays[name].shape[1:] == first[name].shape[1:] for name in first)
    ]
    if not alike:
        return {}
    return {name: np.concatenate([arrays[name] for arrays in alike])[:MOST_ROWS] for name in first}


def _load_seconds(manifest: Manifest, root: Path) -> float:
    """The quickest of some loads, imports apart: they were made before."""
    best = sys.float_info.max
    for _ in range(_LOADS):
        began = perf_counter()
        load_pipeline(manifest, root, _THREADS)
        best = min(best, perf_counter() - began)
        if best > 1:
            break
    return best
