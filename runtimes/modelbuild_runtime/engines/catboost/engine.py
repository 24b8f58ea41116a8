"""CatBoost's boosted trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

Answer = Callable[[np.ndarray], Dict[str, np.ndarray]]

ARRAY = "X"
"""The name of the one input of a model that was trained on an array of numbers."""

SMALL = 1 << 20
"""Bytes of artifact below which one thread is quicker for one row, and fast enough for many."""

_RANKING = ("YetiRank", "PairLogit", "Query", "Stochastic", "LambdaMart", "GroupQuantile")
_OF_LABELS = ("MultiLogloss", "MultiCrossEntropy")
_KINDS = {"Poisson": "Exponent", "Tweedie": "Exponent", "RMSEWithUncertainty": "RMSEWithUncertainty"}
"""What CatBoost's regressor makes of the sum of its trees, by the loss function."""


class CatboostEngine:
    """One model."""

    def __init__(self, model: Any, threads: int) -> None:
        from catboost import CatBoostError, FeaturesData, Pool

        self.model = model
        self._error, self._features, self._pool = CatBoostError, FeaturesData, Pool
        loss = _loss_function(model)
        self._kind, self._answer, self._outputs = _answering(model, loss)
        self._threads = threads
        self._names = [str(name) for name in model.feature_names_]
        self._categories = [self._names[i] for i in model.get_cat_feature_indices()]
        self._texts = [self._names[i] for i in model.get_text_feature_indices()]
        self._numbers = [name for name in self._names if name not in {*self._categories, *self._texts}]
        unnamed = self._names == [str(i) for i in range(len(self._names))]
        self._columns = not unnamed or len(self._numbers) < len(self._names)
        # CatBoost's own kind of data has the numbers first: the model finds its columns in it by their names.
        self._by_rows = bool(self._texts) or (unnamed and bool(self._categories))

    def signature(self) -> Signature:
        numbers = set(self._numbers)
        inputs = [TensorSpec(name, "FP32" if name in numbers else "BYTES", (-1,)) for name in self._names]
        if not self._columns:
            inputs = [TensorSpec(ARRAY, "FP32", (-1, len(self._names)))]
        return Signature(tuple(inputs), self._outputs, columns=self._columns)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        try:
            data = self._rows(inputs)
            result = self.model.predict(data, prediction_type=self._kind, thread_count=self._threads)
        except self._error as error:
            raise InvalidInput(f"the model refuses this input: {str(error).splitlines()[0]}") from error
        return self._answer(np.asarray(result, np.float64))

    def _rows(self, inputs: Any) -> Any:
        """What CatBoost takes quickest: columns one behind the other, or its own kind of data."""
        if not self._columns:
            values = list(inputs.values()) if isinstance(inputs, Mapping) else [inputs.to_numpy()]
            whole = values[0] if len(values) == 1 else np.column_stack(values)
            return self._pool(np.asfortranarray(whole, np.float32))
        given = inputs if isinstance(inputs, Mapping) else {str(name): inputs[name].to_numpy() for name in inputs}
        missing = [name for name in self._names if name not in given]
        if missing:
            raise InvalidInput(f"input {missing[0]!r} is missing", field=missing[0])
        count = len(given[self._names[0]])
        if self._by_rows:
            return self._pool_of_rows(given, count)
        numbers = np.empty((count, len(self._numbers)), np.float32, order="C" if self._categories else "F")
        for place, name in enumerate(self._numbers):
            numbers[:, place] = given[name].reshape(count)
        if not self._categories:
            return self._pool(numbers, feature_names=self._names)
        categories = np.empty((count, len(self._categories)), object)
        for place, name in enumerate(self._categories):
            categories[:, place] = _as_bytes(name, given[name].ravel().tolist())
        return self._pool(
            self._features(
                num_feature_data=numbers if self._numbers else None,
                cat_feature_data=categories,
                num_feature_names=self._numbers or None,
                cat_feature_names=self._categories,
            )
        )

    def _pool_of_rows(self, given: Mapping[str, np.ndarray], count: int) -> Any:
        """Texts, and categories without a name, are only taken so."""
        columns: List[List[Any]] = []
        for name in self._names:
            values = given[name].reshape(count).tolist()
            if name not in self._numbers:
                values = [value.decode("utf-8", errors="replace") for value in _as_bytes(name, values)]
            columns.append(values)
        places = {name: place for place, name in enumerate(self._names)}
        return self._pool(
            [list(row) for row in zip(*columns)],
            cat_features=[places[name] for name in self._categories],
            text_features=[places[name] for name in self._texts],
            feature_names=self._names,
        )


def load(path: Path, options: EngineOptions) -> CatboostEngine:
    """Load a model. ``options.options`` may hold ``threads``.

    Raises:
        LoadError: CatBoost refuses the file, or it takes embeddings.
    """
    import catboost

    threads = int(options.options.get("threads", 0)) or (options.threads if path.stat().st_size >= SMALL else 1)
    with path.open("rb") as file:
        kind = "cbm" if file.read(4) == b"CBM1" else "json"
    try:
        model = catboost.CatBoost().load_model(str(path), format=kind)
        # Handlers know it as the class that it was trained with, whose methods answer more.
        model = _class_of(catboost, model)().load_model(str(path), format=kind)
    except catboost.CatBoostError as error:
        raise LoadError(f"{path.name} cannot be loaded: {str(error).splitlines()[0]}") from error
    if not model.feature_names_:
        raise LoadError(f"{path.name} cannot be loaded: it has no features")
    if model.get_embedding_feature_indices():
        raise LoadError(f"{path.name} takes embeddings", "Write a handler with load(context) and predict.")
    return CatboostEngine(model, max(1, threads))


def _class_of(catboost: Any, model: Any) -> Any:
    loss = _loss_function(model)
    if len(model.classes_) or loss in {"CrossEntropy", *_OF_LABELS}:
        return catboost.CatBoostClassifier
    return catboost.CatBoost if loss.startswith(_RANKING) else catboost.CatBoostRegressor


def _loss_function(model: Any) -> str:
    parameters = model.get_params()
    return str(parameters.get("loss_function", "")).partition(":")[0]


def _as_bytes(name: str, values: Sequence[Any]) -> List[bytes]:
    """Texts, and whole numbers as CatBoost writes them. A missing one it takes only as a text of the user's choice."""
    for value in values:
        if value is None or isinstance(value, float):
            raise InvalidInput(
                f"input {name!r}: CatBoost takes texts and whole numbers as categories, not {value!r}", field=name
            )
    return [value if isinstance(value, bytes) else str(value).encode() for value in values]


# What comes out, by the loss function.


def _answering(model: Any, loss: str) -> Tuple[str, Answer, Tuple[TensorSpec, ...]]:
    """The kind of prediction, what makes arrays by name of it, and their specs."""
    classes = np.asarray(model.classes_).tolist()
    outputs = int(np.asarray(model.get_scale_and_bias()[1]).size)
    several = (outputs,) if outputs > 1 else ()
    if loss in _OF_LABELS:
        specs = (TensorSpec("label", "INT64", (-1, *several)), TensorSpec("probabilities", "FP64", (-1, *several)))
        return "Probability", _each_by_itself, specs
    if loss == "CrossEntropy" and not classes:
        classes = [0, 1]
    if classes:
        return "Probability", _classifying(model, classes), _classifier(classes)
    name = "score" if loss.startswith(_RANKING) else "prediction"
    return _KINDS.get(loss, "RawFormulaVal"), lambda result: {name: result}, (TensorSpec(name, "FP64", (-1, *several)),)


def _classifier(classes: Sequence[Any]) -> Tuple[TensorSpec, ...]:
    labels = tuple(map(str, classes))
    datatype = {str: "BYTES", bool: "BOOL", int: "INT64"}.get(type(classes[0]), "FP64")
    return (
        TensorSpec("label", datatype, (-1,), labels=labels),
        TensorSpec("probabilities", "FP64", (-1, len(labels)), labels=labels),
    )


def _classifying(model: Any, classes: Sequence[Any]) -> Answer:
    """Of two classes the second where its probability is above the model's threshold; else the most probable."""
    values = np.array(classes, object if isinstance(classes[0], str) else None)
    if len(classes) > 2:
        return lambda result: {"label": values[result.argmax(axis=1)], "probabilities": result}
    threshold = float(model.get_metadata().get("binclass_probability_threshold", 0.5))
    return lambda result: {"label": values[(result[:, 1] > threshold).astype(np.intp)], "probabilities": result}


def _each_by_itself(result: np.ndarray) -> Dict[str, np.ndarray]:
    return {"label": (result > 0.5).astype(np.int64), "probabilities": result}
