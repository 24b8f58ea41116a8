"""The engine of another runtime, asked and answering as MLflow's signature says."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import Engine, Predicted
from modelbuild_runtime.engines.mlflow.answering import way_out
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import NUMPY

Arrays = Mapping[str, np.ndarray]
ARRAY = "input"
"""What a tensor without a name is called."""

Given = Callable[[Arrays], Arrays]


class RoutedEngine:
    """``declared`` are MLflow's inputs, empty where it names none. ``answer`` and ``wide`` say what of the engine's
    outputs MLflow answers: see ``way_out``.
    """

    def __init__(self, engine: Engine, declared: Sequence[TensorSpec], answer: str, *, wide: bool = False) -> None:
        self._engine = engine
        known = engine.signature()
        self.batched = getattr(engine, "batched", True)
        matrix = (TensorSpec(ARRAY, "FP32", (-1, len(declared))),) if answer == "frame" else ()
        self._inputs, self._given = _way_in(known.inputs or matrix, tuple(declared))
        self._columns = known.columns and self._given is _same
        self._out = way_out(known.outputs, answer, wide=wide)
        self._own_outputs = () if answer == "frame" else known.outputs
        self.answers = self._out.answers or (getattr(engine, "answers", {}) if answer == "all" else {})
        self.example = _as_named(getattr(engine, "example", {}), known.inputs, self._inputs)

    @property
    def model(self) -> Any:
        """The framework's own object."""
        return self._engine.model

    def signature(self) -> Signature:
        return Signature(self._inputs, self._out.outputs or self._own_outputs, columns=self._columns)

    def predict(self, inputs: Arrays) -> Predicted:
        outputs = self._engine.predict(self._given(inputs))
        return outputs if isinstance(outputs, list) else self._out.pick(outputs)


# What goes in.


def _way_in(known: Tuple[TensorSpec, ...], declared: Tuple[TensorSpec, ...]) -> Tuple[Tuple[TensorSpec, ...], Given]:
    """The inputs of the contract, and what makes the engine's of them.

    Raises:
        LoadError: there is no way.
    """
    if not declared or not known:
        return declared or known, _same
    columns = all(len(spec.shape) == 1 for spec in declared)
    if columns and len(known) == 1 and known[0].shape[1:] in {(-1,), (len(declared),)}:
        return declared, _joining([spec.name for spec in declared], known[0])
    own = {spec.name: spec for spec in known}
    if set(own) <= {spec.name for spec in declared}:
        return tuple(_completed(spec, own[spec.name]) for spec in declared if spec.name in own), _same
    if len(known) == 1 and len(declared) == 1:
        return (_renamed(declared[0], known[0]),), _renaming(declared[0], known[0])
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
    name = known.name if declared.name == ARRAY else declared.name
    return TensorSpec(name, declared.datatype, declared.shape, declared.optional)


def _as_named(row: Mapping[str, Any], known: Sequence[TensorSpec], given: Sequence[TensorSpec]) -> Mapping[str, Any]:
    """An engine's example of a row by the contract's names, where they are as many as the engine's."""
    if len(known) != len(given):
        return {}
    names = {own.name: other.name for own, other in zip(known, given)}
    return {names[name]: value for name, value in row.items() if name in names}


def _same(inputs: Arrays) -> Arrays:
    return inputs


def _renaming(declared: TensorSpec, known: TensorSpec) -> Given:
    dtype = NUMPY[known.datatype]

    def given(inputs: Arrays) -> Arrays:
        (array,) = _arrays(inputs)
        return {known.name: array if array.dtype == dtype or dtype.kind == "O" else array.astype(dtype)}

    return given if known.datatype != declared.datatype or known.name != declared.name else _same


def _joining(names: List[str], known: TensorSpec) -> Given:
    """Columns side by side, in MLflow's order: it gives the model a frame, of which that takes the values."""
    dtype = NUMPY[known.datatype]
    return lambda inputs: {known.name: np.stack([np.asarray(inputs[name], dtype) for name in names], axis=1)}


def _splitting(name: str, known: Tuple[TensorSpec, ...]) -> Given:
    def given(inputs: Arrays) -> Arrays:
        matrix = inputs[name]
        return {spec.name: matrix[:, place].astype(NUMPY[spec.datatype]) for place, spec in enumerate(known)}

    return given


def _arrays(inputs: Any) -> List[np.ndarray]:
    return list(inputs.values()) if isinstance(inputs, Mapping) else [inputs.to_numpy()]
