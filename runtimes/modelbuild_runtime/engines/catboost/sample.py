"""A classifier of two numbers in CatBoost's JSON, whose two trees are written by hand and whose answers are reckoned by
head. None is needed to make it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

REQUEST = [
    {"surface": 41.5, "rooms": 2},
    {"surface": 90.0, "rooms": 5},
    {"surface": 70.0, "rooms": None},
]
MARGINS = (0.75 + 0.25, -0.5 - 1.0, -0.5 + 0.25)
"""Of each row: the leaf of the first tree, and that of the second. What is missing counts as small."""


def make(folder: Path) -> Sample:
    """Write ``model.json``."""
    features = [_feature(0, "surface", 60.0, missing=False), _feature(1, "rooms", 3.0, missing=True)]
    model = {
        "features_info": {"float_features": features},
        "model_info": {
            "class_params": {
                "class_label_type": "String",
                "class_names": ["no", "yes"],
                "class_to_label": [0, 1],
                "classes_count": 0,
            },
            "params": {"loss_function": {"type": "Logloss", "params": {}}},
        },
        # surface > 60 ? -0.5 : 0.75, and rooms > 3 ? -1 : 0.25.
        "oblivious_trees": [_tree(0, 0, 60.0, (0.75, -0.5)), _tree(1, 1, 3.0, (0.25, -1.0))],
        "scale_and_bias": [1, [0]],
    }
    path = folder / "model.json"
    path.write_text(json.dumps(model))
    chances = [1 / (1 + math.exp(-margin)) for margin in MARGINS]
    expected = [{"label": "yes" if chance > 0.5 else "no", "probabilities": [1 - chance, chance]} for chance in chances]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What CatBoost itself answers."""
    from catboost import CatBoostClassifier

    model = CatBoostClassifier().load_model(str(path), format="json")
    numbers = [[row["surface"], row["rooms"]] for row in rows]
    chances = model.predict_proba(numbers).tolist()
    labels = model.predict(numbers).tolist()
    return [{"label": label, "probabilities": chance} for label, chance in zip(labels, chances)]


def _feature(place: int, name: str, border: float, *, missing: bool) -> Dict[str, Any]:
    return {
        "borders": [border],
        "feature_id": name,
        "feature_index": place,
        "feature_name": name,
        "flat_feature_index": place,
        "has_nans": missing,
        "nan_value_treatment": "AsFalse" if missing else "AsIs",
    }


def _tree(split: int, feature: int, border: float, leaves: Sequence[float]) -> Dict[str, Any]:
    """One split and two leaves."""
    decision = {
        "border": border,
        "float_feature_index": feature,
        "split_index": split,
        "split_type": "FloatFeature",
    }
    return {"leaf_values": list(leaves), "leaf_weights": [4, 4], "splits": [decision]}
