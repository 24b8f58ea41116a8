"""What estimators of XGBoost, LightGBM and CatBoost know of their columns. scikit-learn's say it by their own parts."""

from __future__ import annotations

import json
import re
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

_PARAMETER = re.compile(r"^\[categorical_feature: ([\d,]+)\]$", re.MULTILINE)


class Feature(NamedTuple):
    """A number, unless it is ``text`` (CatBoost's categories and texts) or has ``categories``, the values that a data
    frame's column had in training; ``strict`` where no other value may come.
    """

    categories: Tuple[Any, ...] = ()
    strict: bool = False
    text: bool = False


def names(model: Any) -> List[str]:
    """The columns' names where CatBoost keeps them. The others have scikit-learn's ``feature_names_in_``."""
    found = list(getattr(model, "feature_names_", None) or ()) if is_catboost(model) else []
    return [] if found == [str(index) for index in range(len(found))] else found


def features(model: Any) -> Optional[List[Feature]]:
    """One ``Feature`` a column; None where it is another's estimator, or has categories and does not say which."""
    if is_lightgbm(model):
        return _of_lightgbm(model.booster_)
    if _is(model, "xgboost"):
        return _of_xgboost(model.get_booster())
    if is_catboost(model):
        return _of_catboost(model)
    return None


def is_lightgbm(model: Any) -> bool:
    """Whether it is one of LightGBM's."""
    return _is(model, "lightgbm")


def is_catboost(model: Any) -> bool:
    """Whether it is one of CatBoost's."""
    return _is(model, "catboost")


def _is(model: Any, package: str) -> bool:
    return any(kind.__module__.partition(".")[0] == package for kind in type(model).__mro__)


def _of_lightgbm(booster: Any) -> Optional[List[Feature]]:
    """It keeps the values of a frame's columns of categories in their order, and wants such columns again."""
    found = [Feature() for _ in range(booster.num_feature())]
    lists = booster.pandas_categorical or ()
    if not lists:
        return found
    text = booster.model_to_string(num_iteration=1)
    stated = _PARAMETER.search(text)
    places = sorted(int(index) for index in stated.group(1).split(",")) if stated else []
    if len(places) != len(lists):
        return None
    for place, values in zip(places, lists):
        found[place] = Feature(tuple(values))
    return found


def _of_xgboost(booster: Any) -> Optional[List[Feature]]:
    """Since 3.1 it keeps the values of categories; before that codes were all, which no frame says again."""
    types = booster.feature_types or ()
    found = [Feature() for _ in range(booster.num_features())]
    if "c" not in types:
        return found
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    known = model.get("cats", {}).get("enc", [])
    if len(known) != len(found):
        return None
    for place, kind in enumerate(types):
        if kind == "c":
            values = _values(known[place])
            # Names beyond ASCII it writes wrongly, and then it takes none of them.
            if not values or not all(str(value).isascii() for value in values):
                return None
            found[place] = Feature(values, strict=True)
    return found


def _values(known: Any) -> Tuple[Any, ...]:
    """Numbers as they are; texts one behind the other, with the places where each begins and ends."""
    values: Sequence[int] = known["values"]
    if "offsets" not in known:
        return tuple(values)
    data, places = bytes(value & 255 for value in values), known["offsets"]
    return tuple(data[begin:end].decode("utf-8", errors="replace") for begin, end in zip(places, places[1:]))


def _of_catboost(model: Any) -> Optional[List[Feature]]:
    if model.get_embedding_feature_indices():
        return None
    texts = {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}
    return [Feature(text=place in texts) for place in range(len(model.feature_names_))]
