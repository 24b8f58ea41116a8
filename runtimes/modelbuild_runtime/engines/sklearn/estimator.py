"""Which of an estimator's methods to call, and how to call each transformation once."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.sklearn import boosters
from modelbuild_runtime.errors import LoadError

Method = Callable[[Any], Any]


def unwrap(model: Any) -> Any:
    """A search by grid predicts with its best estimator, and nothing else."""
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

    while type(model) in {GridSearchCV, RandomizedSearchCV} and hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    return model


def split(model: Any) -> Tuple[Optional[Method], Any]:
    """A pipeline's transformations and its last step: two methods of the last step then need one transformation.

    They are called one by one: a pipeline of them would not count as fitted where its last keeps nothing of fit().
    """
    from sklearn.pipeline import Pipeline

    if type(model) is not Pipeline or len(model.steps) < 2 or _passes(model.steps[-1][1]):
        return None, model
    steps = [step.transform for _, step in model.steps[:-1] if not _passes(step)]
    return partial(_through, steps), unwrap(model.steps[-1][1])


def _passes(step: Any) -> bool:
    """Whether it is None or "passthrough". It is compared with neither: CatBoost's compare by what they were given."""
    return step is None or isinstance(step, str)


def _through(steps: Sequence[Method], features: Any) -> Any:
    for transform in steps:
        features = transform(features)
    return features


def methods(last: Any) -> List[Tuple[str, Method]]:
    """The outputs' names and what makes them.

    Raises:
        LoadError: nothing that works on new data.
    """
    found = [(output, _method(last, method)) for output, method in _wanted(last) if hasattr(last, method)]
    if not found:
        raise LoadError(
            f"{type(last).__name__} cannot predict on new data: it has neither predict, transform nor score_samples",
            "Train a classifier on its result, or write a handler with load and predict.",
        )
    return found


def _method(last: Any, name: str) -> Method:
    """CatBoost puts the one label of each row into a row of its own where there are more than two classes."""
    method: Method = getattr(last, name)
    if name != "predict" or not boosters.is_catboost(last):
        return method

    def one_a_row(features: Any) -> Any:
        answer = np.asarray(method(features))
        return answer[:, 0] if answer.shape[1:] == (1,) else answer

    return one_a_row


def refuse_dicts(model: Any) -> None:
    """No contract says which keys a row may have.

    Raises:
        LoadError: the model takes dicts.
    """
    first = first_steps(model)[-1]
    if type(first).__name__ in {"DictVectorizer", "FeatureHasher"}:
        raise LoadError(
            f"the model's first step, a {type(first).__name__}, takes dicts of any keys, not columns",
            "Write a handler with load(context) and predict(model, inputs) that gives it dicts.",
        )


def first_steps(model: Any) -> List[Any]:
    """The estimator, its first step, that one's first step, and so on."""
    chain = [model]
    while hasattr(chain[-1], "steps"):
        chain.append(chain[-1].steps[0][1])
    return chain


def labels_follow(last: Any) -> bool:
    """Whether predict is by definition the class of the largest probability, so that one call makes both.

    Only for classes whose predict is written so: for others (SVC above all) the two may differ.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier

    known = (RandomForestClassifier, ExtraTreesClassifier, BaggingClassifier, CalibratedClassifierCV)
    return isinstance(getattr(last, "classes_", None), np.ndarray) and any(
        isinstance(last, kind) and type(last).predict is kind.predict for kind in known
    )


def is_fitted(model: Any) -> bool:
    """Whether it learnt anything: by its own word, or by an attribute that ends in an underscore."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    except (TypeError, AttributeError):  # not an estimator of scikit-learn's own making
        return True
    return True


def limit_jobs(model: Any, jobs: int) -> None:
    """Give every part of a model so many threads: starting more costs milliseconds, for one row never worth it."""
    for part in parts(model):
        own = getattr(part, "n_jobs", jobs)
        # None is one thread, but to LightGBM it is all.
        if own != jobs and (own is not None or boosters.is_lightgbm(part)):
            part.n_jobs = jobs


def parts(model: Any) -> Iterator[Any]:
    """The estimator and all estimators inside it."""
    seen = set()
    waiting = [model]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, (list, tuple)):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
        elif hasattr(item, "get_params") and not isinstance(item, type):
            yield item
            waiting += vars(item).values()


def _wanted(last: Any) -> List[Tuple[str, str]]:
    from sklearn.base import is_classifier, is_outlier_detector, is_regressor

    if is_classifier(last) or len(getattr(last, "classes_", ())):
        return [("label", "predict"), ("probabilities", "predict_proba")]
    if is_outlier_detector(last):
        return [("label", "predict"), ("score", "decision_function")]
    if is_regressor(last):
        return [("prediction", "predict")]
    if _groups(last):
        return [("cluster", "predict"), ("probabilities", "predict_proba")]
    if hasattr(last, "predict"):
        return [("prediction", "predict")]
    return [("features", "transform")] if hasattr(last, "transform") else [("score", "score_samples")]


def _groups(last: Any) -> bool:
    """Clusterers and mixtures."""
    kind = getattr(last, "_estimator_type", None)
    if kind is None:
        from sklearn.base import is_clusterer  # since 1.6, where the attribute went

        return bool(is_clusterer(last)) or hasattr(last, "means_")
    return kind in {"clusterer", "DensityEstimator"}
