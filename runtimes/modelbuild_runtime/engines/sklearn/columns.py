"""What an estimator was fitted on, column by column: no model says its datatypes, but its fitted parts show them."""

from __future__ import annotations

import itertools
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.sklearn import boosters

NUMERIC = "FP64"

_ANYTHING = {"FunctionTransformer", "DummyClassifier", "DummyRegressor"}
"""Those of scikit-learn that take values of any kind."""


class Column(NamedTuple):
    """``datatype`` is "" where nothing shows it. ``optional`` where a missing value is something the model knows;
    ``missing`` is then how it was written when fitted. ``used`` is false for a column that is dropped. ``categories``
    are the values of a column that pandas held as categories, and must again; ``strict`` where it takes no others.
    """

    datatype: str = ""
    labels: Tuple[str, ...] = ()
    optional: bool = False
    missing: Any = np.nan
    used: bool = True
    categories: Tuple[Any, ...] = ()
    strict: bool = False


def columns(model: Any, count: int, names: Sequence[str]) -> List[Column]:
    """One ``Column`` for each of the ``count`` features, whose ``names`` are known where it was fitted on a frame."""
    found: Dict[int, Column] = {}
    for index, column in _visit(model, list(range(count)), list(names)):
        found[index] = _merged(found.get(index), column)
    return [found.get(index, Column()) for index in range(count)]


def _merged(known: Optional[Column], column: Column) -> Column:
    """A column may go through several parts: what any shows holds, and one that is used is used."""
    if known is None:
        return column
    if not column.used or not known.used:
        return known if known.used else column
    return Column(
        known.datatype or column.datatype,
        known.labels or column.labels,
        known.optional and column.optional,
        known.missing if known.missing is None else column.missing,
        categories=known.categories or column.categories,
        strict=known.strict or column.strict,
    )


def _visit(part: Any, indexes: List[int], names: List[str]) -> Iterator[Tuple[int, Column]]:
    """What ``part`` shows of the features ``indexes`` that it is given, in order."""
    inner = _delegate(part)
    if inner is not None:
        yield from _visit(inner, indexes, names)
    elif hasattr(part, "transformers_"):
        yield from _transformers(part, indexes, names)
    elif hasattr(part, "steps"):
        yield from _steps([step for _, step in part.steps], indexes, names)
    elif hasattr(part, "transformer_list"):
        for _, transformer in part.transformer_list:
            yield from _visit(transformer, indexes, names)
    elif getattr(part, "_preprocessor", None) is not None:
        yield from _visit(part._preprocessor, indexes, names)  # noqa: SLF001  # gradient boosting's own encoder
    else:
        yield from _leaf(part, indexes)


def _delegate(part: Any) -> Any:
    """The fitted estimator that gets the features of a search, a vote, a bag or another wrapper as they are."""
    for name in ("best_estimator_", "estimators_", "calibrated_classifiers_", "regressor_", "estimator_", "estimator"):
        inner = getattr(part, name, None)
        if isinstance(inner, list):
            inner = next((item for item in inner if hasattr(item, "__dict__")), None)
        if inner is not None and hasattr(inner, "__dict__"):
            return inner
    return None


def _transformers(part: Any, indexes: List[int], names: List[str]) -> Iterator[Tuple[int, Column]]:
    for _, transformer, chosen in part.transformers_:
        given = _chosen(chosen, indexes, names)
        if isinstance(transformer, str) and transformer == "drop":
            yield from ((index, Column(used=False)) for index in given)
        elif transformer is None or isinstance(transformer, str):  # "passthrough": whatever comes next takes it
            yield from ((index, Column()) for index in given)
        else:
            yield from _visit(transformer, given, names)


def _steps(steps: Sequence[Any], indexes: List[int], names: List[str]) -> Iterator[Tuple[int, Column]]:
    """The first step sees the features themselves. An imputer passes them on, so that the next shows more."""
    steps = [step for step in steps if step is not None and not isinstance(step, str)]
    if not steps:
        yield from ((index, Column(NUMERIC)) for index in indexes)
        return
    first = steps[0]
    if type(first).__name__ == "SimpleImputer" and not first.add_indicator and len(steps) > 1:
        shown = dict(_visit(first, indexes, names))
        for index, column in _steps(steps[1:], indexes, names):
            shown[index] = shown[index]._replace(labels=column.labels) if column.labels else shown[index]
        yield from shown.items()
    else:
        yield from _visit(first, indexes, names)


def _leaf(part: Any, indexes: List[int]) -> Iterator[Tuple[int, Column]]:
    name = type(part).__name__
    categories = getattr(part, "categories_", None)
    if categories is not None and len(categories) == len(indexes):
        yield from ((index, _category(values)) for index, values in zip(indexes, categories))
    elif name == "SimpleImputer":
        text = getattr(part, "_fit_dtype", np.dtype(float)).kind in "OUS"
        yield from ((index, Column("BYTES" if text else NUMERIC, optional=True)) for index in indexes)
    elif hasattr(part, "vocabulary_") or name == "HashingVectorizer":
        yield from ((index, Column("BYTES")) for index in indexes)
    elif not type(part).__module__.startswith("sklearn."):
        known = boosters.features(part) or ()
        shown = map(_feature, known) if len(known) == len(indexes) else itertools.repeat(Column())
        yield from zip(indexes, shown)
    elif name in _ANYTHING:
        yield from ((index, Column()) for index in indexes)
    else:
        tolerant = name in {"KNNImputer", "IterativeImputer", "MissingIndicator"}
        yield from ((index, Column(NUMERIC, optional=tolerant)) for index in indexes)


def _feature(feature: boosters.Feature) -> Column:
    """Of another package's estimator."""
    if not feature.categories:
        return Column("BYTES" if feature.text else NUMERIC)
    shown = _category(np.array(feature.categories, object))
    return shown._replace(optional=True, categories=feature.categories, strict=feature.strict)


def _category(values: np.ndarray) -> Column:
    """A categorical feature: the type of its categories, and whether a missing value is one of them."""
    given = [value for value in values.tolist() if value is not None and value == value]  # noqa: PLR0124  # NaN
    optional = len(given) < len(values)
    missing = None if any(value is None for value in values.tolist()) else np.nan
    kinds = {type(value) for value in given}
    datatype = (
        {bool: "BOOL", int: "INT64", float: NUMERIC, str: "BYTES"}.get(kinds.pop(), "") if len(kinds) == 1 else ""
    )
    if datatype == "INT64" and optional:
        datatype = NUMERIC
    return Column(datatype, tuple(str(value) for value in given), optional, missing)


def _chosen(chosen: Any, indexes: List[int], names: List[str]) -> List[int]:
    """The features that a ColumnTransformer's entry names: by name, position, mask or slice."""
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            start = names.index(chosen.start) if chosen.start is not None else 0
            stop = names.index(chosen.stop) + 1 if chosen.stop is not None else len(names)
            return indexes[start:stop]
        return indexes[chosen]
    items = [chosen] if isinstance(chosen, (str, int, np.integer)) else list(chosen)
    if items and all(isinstance(item, (bool, np.bool_)) for item in items):
        return [index for index, kept in zip(indexes, items) if kept]
    return [names.index(item) if isinstance(item, str) else indexes[int(item)] for item in items]
