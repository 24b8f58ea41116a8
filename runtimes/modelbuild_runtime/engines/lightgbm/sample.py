"""A classifier of two numbers, whose two trees are written by hand and whose answers are reckoned by head.

The file is what LightGBM 4 would write, and none is needed to make it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

REQUEST = [
    {"surface": 41.5, "rooms": 2},
    {"surface": 90.0, "rooms": None},
    {"surface": None, "rooms": 4},
]
MARGINS = (0.75 + 0.25, -0.5 + 0.25, -0.5 - 1.0)
"""Of each row: the leaf of the first tree, and that of the second."""

_MISSING_LEFT = 10
_MISSING_RIGHT = 8
"""Kinds of decision: by a number, where NaN is missing and goes to one side."""

_HEADER = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=surface rooms
feature_infos=[10:200] [1:8]
tree_sizes={sizes}

"""
_TREE = """Tree={number}
num_leaves=2
num_cat=0
split_feature={feature}
split_gain=1
threshold={border}
decision_type={kind}
left_child=-1
right_child=-2
leaf_value={left} {right}
leaf_weight=1 1
leaf_count=4 4
internal_value=0
internal_weight=0
internal_count=8
is_linear=0
shrinkage=1


"""


def make(folder: Path) -> Sample:
    """Write ``model.txt``."""
    # surface <= 60 ? 0.75 : -0.5, missing to the right; rooms <= 3 ? 0.25 : -1, missing to the left.
    trees = [
        _TREE.format(number=0, feature=0, border=60.0, kind=_MISSING_RIGHT, left=0.75, right=-0.5),
        _TREE.format(number=1, feature=1, border=3.0, kind=_MISSING_LEFT, left=0.25, right=-1.0),
    ]
    header = _HEADER.format(sizes=" ".join(str(len(tree)) for tree in trees))
    path = folder / "model.txt"
    path.write_text(header + "".join(trees) + "end of trees\n\nend of parameters\n\npandas_categorical:null\n")
    chances = [1 / (1 + math.exp(-margin)) for margin in MARGINS]
    expected = [{"label": int(chance > 0.5), "probabilities": [1 - chance, chance]} for chance in chances]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What LightGBM itself answers."""
    import lightgbm
    import numpy as np

    numbers = np.array([[row["surface"], row["rooms"]] for row in rows], np.float64)
    chances = lightgbm.Booster(model_file=str(path)).predict(numbers)
    return [{"label": int(chance > 0.5), "probabilities": [1 - chance, chance]} for chance in chances]
