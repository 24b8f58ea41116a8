"""The engine of another runtime, asked and answering as MLflow's signature says."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import Engine, Predicted
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import NUMPY

Arrays = Mapping[str, np.ndarray]
Pick = Callable[[Dict[str, np.ndarray]], np.ndarray]


class RoutedEngine:
    """``declared`` are MLflow's inputs, "" where a tensor has no name. ``answer`` is "all", "first", "probabilities" or
    "booster": the probability of the second of two classes, of each of several, or else the first output. ``wide``
    where MLflow's answer has a second axis of 1.
    """

    def __init__(self, engine: Engine, declared: Sequence[TensorSpec], answer: str, *, wide: bool = False) -> None:
        self._engine = engine
        known = engine.signature()
        self.batched = getattr(engine, "batched", True)
        self._inputs, self._given = _way_in(known.inputs, tuple(declared))
        self._columns = known.columns and self._given is _same
        self._outputs, self._pick = _way_out(known.outputs, answer, wide=wide)

    @property
    def model(self) -> Any:
        """The framework's own object."""
        return self._engine.model

    def signature(self) -> Signature:
        return Signature(self._inputs, self._outputs or self._engine.signature().outputs, columns=self._columns)

    def predict(self, inputs: Arrays) -> Predicted:
        outputs = self._engine.predict(self._given(inputs))
        if isinstance(outputs, list) or not self._outputs:  # of objects, or with the names that MLflow has as well
            return outputs
        return {self._outputs[0].name: self._pick(outputs)}


# What goes in.


def _way_in(known: Tuple[TensorSpec, ...], declared: Tuple[TensorSpec, ...]) -> Tuple[Tuple[TensorSpec, ...], Any]:
    """The inputs of the contract, and what makes the engine's of them.

    Raises:
        LoadError: there is no way.
    """
    if not declared or not known:
        return declared or known, _same
    own = {spec.name: spec for spec in known}
    if set(own) <= {spec.name for spec in declared}:
        return tuple(_completed(spec, own[spec.name]) for spec in declared if spec.name in own), _same
    if len(known) == 1 and len(declared) == 1:
        return (_renamed(declared[0], known[0]),), _renaming(declared[0], known[0])
    if len(known) == 1 and known[0].shape[1:] in {(-1,), (len(declared),)}:
        return declared, _joining([spec.name for spec in declared], known[0])
    if len(declared) == 1 and declared[0].shape[1:] == (len(known),):
        return declared, _splitting(declared[0].name, known)
    names = [", ".join(repr(spec.name) for spec in specs[:10]) for specs in (declared, known)]
    raise LoadError(
        f"MLflow's signature has the inputs {names[0]}, and the model inside takes {names[1]}",
        "Save the model with the signature that it was fitted on, or package it with --runtime mlflow.",
    )


def _completed(declared: TensorSpec, known: TensorSpec) -> TensorSpec:
    """MLflow says the type that clients send; the model, which values it knows."""
    labels = known.labels if known.datatype == declared.datatype else ()
    optional = declared.optional or known.optional
    return TensorSpec(declared.name, declared.datatype, declared.shape, optional, labels)


def _renamed(declared: TensorSpec, known: TensorSpec) -> TensorSpec:
    """A lone tensor has the model's own name, unless MLflow has one for it."""
    name = known.name if declared.name == "input" else declared.name
    return TensorSpec(name, declared.datatype, declared.shape, declared.optional)


def _same(inputs: Arrays) -> Arrays:
    return inputs


def _renaming(declared: TensorSpec, known: TensorSpec) -> Callable[[Arrays], Arrays]:
    dtype = NUMPY[known.datatype]

    def given(inputs: Arrays) -> Arrays:
        (array,) = _arrays(inputs)
        return {known.name: array if array.dtype == dtype or dtype.kind == "O" else array.astype(dtype)}

    return given if known.datatype != declared.datatype or known.name != declared.name else _same


def _joining(names: List[str], known: TensorSpec) -> Callable[[Arrays], Arrays]:
    """Columns side by side, in MLflow's order: it gives the model a frame, of which that takes the values."""
    dtype = NUMPY[known.datatype]
    return lambda inputs: {known.name: np.stack([np.asarray(inputs[name], dtype) for name in names], axis=1)}


def _splitting(name: str, known: Tuple[TensorSpec, ...]) -> Callable[[Arrays], Arrays]:
    def given(inputs: Arrays) -> Arrays:
        matrix = inputs[name]
        return {spec.name: matrix[:, place].astype(NUMPY[spec.datatype]) for place, spec in enumerate(known)}

    return given


def _arrays(inputs: Any) -> List[np.ndarray]:
    return list(inputs.values()) if isinstance(inputs, Mapping) else [inputs.to_numpy()]


# What comes out.


def _way_out(known: Tuple[TensorSpec, ...], answer: str, *, wide: bool) -> Tuple[Tuple[TensorSpec, ...], Pick]:
    """The one output of the contract and what picks it; no output where all are answered."""
    if answer == "all" or not known:
        return (), lambda outputs: next(iter(outputs.values()))
    named = {spec.name: spec for spec in known}
    if answer == "probabilities" or (answer == "booster" and "probabilities" in named):
        spec = named.get("probabilities")
        if spec is None:
            raise LoadError("MLflow answers the model's predict_proba, and it has none", "Train it with probabilities.")
        if answer == "booster" and spec.shape == (-1, 2):
            return (TensorSpec("prediction", spec.datatype, (-1,)),), lambda outputs: outputs["probabilities"][:, 1]
        return (spec,), lambda outputs: outputs["probabilities"]
    first = known[0]
    if wide and first.shape == (-1,):
        spec = TensorSpec(first.name, first.datatype, (-1, 1))
        return (spec,), lambda outputs: outputs[first.name].reshape(-1, 1)
    return (first,), lambda outputs: outputs[first.name]
