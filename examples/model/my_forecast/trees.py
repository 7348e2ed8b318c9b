"""A gradient boosting by scikit-learn as arrays of nodes, and its forecast from them in NumPy."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Arrays = dict[str, npt.NDArray[Any]]


def boosted(traits: Floats, target: Floats) -> Arrays:
    """Fit 40 small trees on one thread, without any random choice.

    Args:
        traits: `(rows, traits)`; NaN where unknown.
        target: `(rows,)`.

    Returns:
        `baseline` (1,); `roots` (trees,), the first node of each tree; and of all nodes `trait`, `threshold`, `left`,
        `right`, `unknown_left` and `value`. A leaf is its own child, and only leaves have a value.
    """
    model = HistGradientBoostingRegressor(
        max_iter=40, max_leaf_nodes=8, learning_rate=0.1, min_samples_leaf=50, early_stopping=False, random_state=0
    )
    with threadpool_limits(limits=1):
        model.fit(traits, target)
    return arrays_of(model)


def arrays_of(model: HistGradientBoostingRegressor) -> Arrays:
    """The nodes of a fitted model; scikit-learn keeps them under private names, which a test holds to `predict`."""
    trees = [tree.nodes for (tree,) in model._predictors]
    sizes = np.array([len(tree) for tree in trees])
    roots, nodes = np.cumsum(sizes) - sizes, np.concatenate(trees)
    own, first, leaf = np.arange(len(nodes)), np.repeat(roots, sizes), nodes["is_leaf"].astype(bool)
    return {
        "baseline": np.ravel(model._baseline_prediction).astype(np.float64),
        "roots": roots,
        "trait": np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        "threshold": nodes["num_threshold"].astype(np.float64),
        "left": np.where(leaf, own, first + nodes["left"]),
        "right": np.where(leaf, own, first + nodes["right"]),
        "unknown_left": nodes["missing_go_to_left"].astype(bool),
        "value": np.where(leaf, nodes["value"], 0.0),
    }


def forecast(arrays: Arrays, traits: Floats) -> Floats:
    """The sum over the trees of the value of each row's leaf, `(rows,)`, added in the order of `predict`."""
    total, rows = np.full(len(traits), arrays["baseline"][0]), np.arange(len(traits))
    for root in arrays["roots"]:
        node, before = np.full(len(traits), root), None
        while before is None or (node != before).any():
            before, x = node, traits[rows, arrays["trait"][node]]
            left = np.where(np.isnan(x), arrays["unknown_left"][node], x <= arrays["threshold"][node])
            node = np.where(left, arrays["left"][node], arrays["right"][node])
        total += arrays["value"][node]
    return total
