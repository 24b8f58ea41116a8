"""What skl2onnx leaves out of trees: where a missing value goes."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from onnx import helper

_LEAF = b"LEAF"


def let_missing_values_through(graph: Any, last: Any) -> None:
    """Missing values go where the estimator sends them, also where none was in training: with most of the rows. The
    graph has one ensemble of trees, those of ``last``; otherwise nothing is changed, and the comparison shows it.
    """
    trees = _trees(last)
    nodes = [node for node in graph.graph.node if node.op_type.startswith("TreeEnsemble")]
    if not trees or len(nodes) != 1:
        return
    node = nodes[0]
    told: Dict[str, Any] = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    left = [np.asarray(tree.missing_go_to_left) for tree in trees]
    follow = [
        0 if mode == _LEAF else int(left[tree][place])
        for tree, place, mode in zip(told["nodes_treeids"], told["nodes_nodeids"], told["nodes_modes"])
    ]
    name = "nodes_missing_value_tracks_true"
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, follow)])


def is_of_trees(last: Any) -> bool:
    """Whether it looks at 32-bit floats only, as scikit-learn's exact trees do: others look at all 64."""
    return bool(_trees(last))


def _trees(last: Any) -> Optional[Sequence[Any]]:
    """The exact trees of an estimator, in the order of the graph; none for other estimators and older versions."""
    if hasattr(last, "tree_"):
        found: List[Any] = [last.tree_]
    else:
        found = [
            getattr(item, "tree_", None) for item in np.ravel(np.asarray(getattr(last, "estimators_", ()), object))
        ]
    return found if found and all(hasattr(tree, "missing_go_to_left") for tree in found) else None
