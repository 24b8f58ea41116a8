"""The same answers in less time. scikit-learn validates an array at each step, decides once for a class and again for
its probability, and prepares threads for every forest: for one row that takes ten times as long as the arithmetic.

What is here is used only where it gives made-up rows the same bits as the estimator's own methods. Whatever is not an
ordinary array of finite numbers goes their way, errors included.
"""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.sklearn.columns import NUMERIC
from modelbuild_runtime.engines.sklearn.inputs import Inputs
from modelbuild_runtime.engines.sklearn.outputs import as_arrays
from modelbuild_runtime.engines.sklearn.probing import sample

Results = List[Tuple[str, Any]]
Call = Callable[[Any], Results]
Answer = Callable[[Any], Dict[str, np.ndarray]]
Operation = Tuple[Callable[[Any, Any], np.ndarray], Any]


def quickest(model: Any, transform: Optional[Callable[[Any], Any]], last: Any, inputs: Inputs, plain: Answer) -> Answer:
    """The quickest way to what ``plain`` answers. ``last`` is the estimator at the end of ``model``, behind
    ``transform``.
    """
    answer = plain
    rows = _made_up(len(inputs.columns)) if _are_numbers(inputs) else []
    decided = _decided_once(last)
    if decided is not None:
        once = decided

        def with_one_decision(assembled: Any) -> Dict[str, np.ndarray]:
            return as_arrays(once(assembled if transform is None else transform(assembled)))

        given = sample(inputs, 2)
        if _alike(plain, with_one_decision, rows or ([inputs.assemble(given)] if given else [])):
            answer = with_one_decision
    calculated = _arithmetic(model, last) if rows else None
    if calculated is None or not _alike(plain, lambda item: as_arrays(calculated(item)), rows):
        return answer
    return _where_ordinary(len(inputs.columns), calculated, answer)


def _where_ordinary(width: int, calculate: Call, otherwise: Answer) -> Answer:
    """``calculate`` for what no method would refuse or convert."""

    def answer(rows: Any) -> Dict[str, np.ndarray]:
        if type(rows) is np.ndarray and rows.dtype == np.float64 and rows.shape[1:] == (width,) and len(rows):
            results = calculate(rows) if np.isfinite(rows).all() else []
            if results:
                return as_arrays(results)
        return otherwise(rows)

    return answer


def _are_numbers(inputs: Inputs) -> bool:
    return inputs.kind in {"array", "matrix"} and {column.datatype for column in inputs.columns} == {NUMERIC}


def _made_up(width: int) -> List[np.ndarray]:
    """Rows of small and of large numbers, one and many."""
    source = np.random.default_rng(0)
    return [source.normal(size=(rows, width)) * 10.0 ** source.uniform(-2, 4, (rows, 1)) for rows in (1, 2, 33, 200)]


def _alike(plain: Answer, quick: Answer, samples: Sequence[Any]) -> bool:
    """Whether both give the same bits. One that fails does not."""
    try:
        return bool(samples) and all(_same(plain(item), quick(item)) for item in samples)
    except Exception:  # noqa: BLE001  # made-up rows may be refused for any reason
        return False


def _same(one: Dict[str, np.ndarray], other: Dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(
        array.dtype == other[name].dtype and np.array_equal(array, other[name]) for name, array in one.items()
    )


def _decided_once(last: Any) -> Optional[Call]:
    """Label and probabilities of one decision, by the estimator's own code: a copy of it takes the decision as given.

    None where an estimator is not known to decide so.
    """
    from sklearn import ensemble
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier

    name = {
        ensemble.GradientBoostingClassifier: "decision_function",
        getattr(ensemble, "HistGradientBoostingClassifier", None): "_raw_predict",  # an experiment before 1.0
        LinearDiscriminantAnalysis: "decision_function",
        LogisticRegression: "decision_function",
        LogisticRegressionCV: "decision_function",
        SGDClassifier: "decision_function",
    }.get(type(last))
    if name is None or not hasattr(last, "predict_proba"):
        return None
    decide, given = getattr(last, name), copy.copy(last)
    setattr(given, name, lambda scores: scores)

    def call(features: Any) -> Results:
        scores = decide(features)
        label = given.predict(scores)  # first: probabilities may be made in the memory of the scores
        return [("label", label), ("probabilities", given.predict_proba(scores))]

    return call


def _arithmetic(model: Any, last: Any) -> Optional[Call]:
    """From an array of finite numbers to the outputs, without the methods around it; None where it is not known. The
    call gives nothing where a number becomes too large on its way, which the methods refuse.
    """
    operations: List[Operation] = []
    for _, step in getattr(model, "steps", [])[:-1]:
        found = [] if step is None or isinstance(step, str) else _operations(step)
        if found is None:
            return None
        operations += found
    end = _forest(last) or _logistic(last) or _linear(last)
    if end is None:
        return None
    finish = end

    def call(rows: np.ndarray) -> Results:
        for operation, operand in operations:
            rows = operation(rows, operand)
        return finish(rows) if not operations or np.isfinite(rows).all() else []

    return call


def _operations(step: Any) -> Optional[List[Operation]]:
    """What a scaler does, in its order."""
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    found: List[Operation]
    if type(step) is StandardScaler:
        found = [(np.subtract, step.mean_ if step.with_mean else None), (np.divide, step.scale_)]
    elif type(step) is RobustScaler:
        found = [(np.subtract, step.center_), (np.divide, step.scale_)]
    elif type(step) is MinMaxScaler and not getattr(step, "clip", False):
        found = [(np.multiply, step.scale_), (np.add, step.min_)]
    elif type(step) is MaxAbsScaler and not getattr(step, "clip", False):
        found = [(np.divide, step.scale_)]
    else:
        return None
    return [(operation, operand) for operation, operand in found if operand is not None]


def _forest(last: Any) -> Optional[Call]:
    """One tree after the other: what joblib does around each takes ten times as long as the tree."""
    from sklearn import ensemble, tree

    classifiers = {ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier, tree.DecisionTreeClassifier}
    regressors = {ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor, tree.DecisionTreeRegressor}
    if type(last) not in classifiers | regressors or last.n_outputs_ != 1:
        return None
    if getattr(last, "n_jobs", None) not in {None, 1}:
        return None  # threads were asked for
    classes = last.classes_ if type(last) in classifiers else None
    trees = [part.tree_.predict for part in getattr(last, "estimators_", [last])]

    def call(rows: np.ndarray) -> Results:
        narrow = rows.astype(np.float32)
        if not np.isfinite(narrow).all():
            return []
        values = np.zeros((len(rows), 1 if classes is None else len(classes)))
        for predict in trees:
            values += predict(narrow)
        values /= len(trees)
        if classes is None:
            return [("prediction", values[:, 0])]
        return [("label", classes.take(values.argmax(axis=1))), ("probabilities", values)]

    return call


def _logistic(last: Any) -> Optional[Call]:
    """One multiplication; probabilities are made of its scores by the estimator's own code."""
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    if type(last) not in {LogisticRegression, LogisticRegressionCV} or not isinstance(last.coef_, np.ndarray):
        return None
    coefficients, intercept, classes = last.coef_.T, last.intercept_, last.classes_
    given = copy.copy(last)
    given.decision_function = lambda scores: scores

    def call(rows: np.ndarray) -> Results:
        scores = rows @ coefficients + intercept
        if scores.shape[1] == 1:
            scores = scores.ravel()
        places = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(np.intp)
        return [("label", classes.take(places)), ("probabilities", given.predict_proba(scores))]

    return call


def _linear(last: Any) -> Optional[Call]:
    """Whatever predicts as linear regression does."""
    from sklearn.linear_model import LinearRegression, Ridge

    predict = getattr(type(last), "predict", None)
    if predict not in {LinearRegression.predict, Ridge.predict} or not isinstance(last.coef_, np.ndarray):
        return None
    coefficients, intercept = last.coef_.T, last.intercept_
    return lambda rows: [("prediction", rows @ coefficients + intercept)]
