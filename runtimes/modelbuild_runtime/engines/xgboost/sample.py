"""A classifier of two numbers, whose two trees are written by hand and whose answers are reckoned by head.

The file is what XGBoost 2.0 would write, so that any version loads it, and none is needed to make it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

NAMES = ["surface", "rooms", "garden"]
REQUEST = [
    {"surface": 41.5, "rooms": 2, "garden": True},
    {"surface": 90.0, "rooms": None, "garden": False},
    {"surface": None, "rooms": 4, "garden": False},
]
MARGINS = (0.75 + 0.25, -0.5 + 0.25, -0.5 - 1.0)
"""Of each row: the leaf of the first tree, and that of the second."""


def make(folder: Path) -> Sample:
    """Write ``model.json``."""
    # surface < 60 ? 0.75 : -0.5, missing to the right; rooms < 3 ? 0.25 : -1, missing to the left.
    trees = [_tree(0, 0, 60.0, (0.75, -0.5), missing_left=0), _tree(1, 1, 3.0, (0.25, -1.0), missing_left=1)]
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "2"},
        "iteration_indptr": [0, 1, 2],
        "tree_info": [0, 0],
        "trees": trees,
    }
    learner = {
        "attributes": {},
        "feature_names": NAMES,
        "feature_types": ["float", "int", "i"],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": "5E-1",
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": "3",
            "num_target": "1",
        },
        "objective": {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}},
    }
    path = folder / "model.json"
    path.write_text(json.dumps({"learner": learner, "version": [2, 0, 3]}))
    chances = [1 / (1 + math.exp(-margin)) for margin in MARGINS]
    expected = [{"label": int(chance > 0.5), "probabilities": [1 - chance, chance]} for chance in chances]
    return Sample(path, REQUEST, expected, {"written_by": "2.0.3"})


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What XGBoost itself answers."""
    import numpy as np
    import xgboost

    numbers = np.array([[row.get(name) for name in NAMES] for row in rows], np.float64).astype(np.float32)
    booster = xgboost.Booster(model_file=path)
    chances = booster.inplace_predict(numbers, validate_features=False).tolist()
    return [{"label": int(chance > 0.5), "probabilities": [1 - chance, chance]} for chance in chances]


def _tree(number: int, feature: int, border: float, leaves: Any, *, missing_left: int) -> Dict[str, Any]:
    """One split and two leaves."""
    left, right = leaves
    return {
        "base_weights": [0.0, left, right],
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": [missing_left, 0, 0],
        "id": number,
        "left_children": [1, -1, -1],
        "loss_changes": [1.0, 0.0, 0.0],
        "parents": [2147483647, 0, 0],
        "right_children": [2, -1, -1],
        "split_conditions": [border, left, right],
        "split_indices": [feature, 0, 0],
        "split_type": [0, 0, 0],
        "sum_hessian": [4.0, 2.0, 2.0],
        "tree_param": {"num_deleted": "0", "num_feature": "3", "num_nodes": "3", "size_leaf_vector": "1"},
    }
