"""Scores on the host: a criterion applied to the arrays of one leaf, once these are known to be numbers."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, Shaped

from weightspace.errors import InputError
from weightspace.masks.criterion import Criterion, Trained
from weightspace.models.fit import check_finite
from weightspace.models.layout import Leaf
from weightspace.streams import named

ENDS = ("before", "after", "gradient")


def score(
    by: Criterion, values: Mapping[str, Any], leaf: Leaf, key: Key[Array, ""]
) -> Shaped[np.ndarray, "..."]:
    """The scores of a leaf, in its shape and the precision of its weights.

    Args:
      by: The criterion.
      values: Of the leaf: `before` (w_i), `after` (w_f), `gradient` (g, for the criteria that need it) and
        `mask`, which entries are not pruned yet; without it all are there.
      leaf: What they are of.
      key: The leaf's, which also orders equal scores when they are cut.

    Raises:
      InputError: If the criterion needs a gradient and has none, weights are not numbers, or a score of an
        entry that is there is NaN.
    """
    for name in ENDS:
        if values.get(name) is not None:
            check_finite(name, values[name], leaf.path)
    slope = values.get("gradient")
    if slope is None and by.needs_gradient:
        raise InputError(f"the criterion '{by.name}' needs the gradient at the start; give gradient=")
    after = np.asarray(values["after"])
    there = np.asarray(values["mask"]) if values.get("mask") is not None else np.ones(after.shape, bool)
    # Without it jax would round scores of float64 weights to float32, and tie some that differ.
    with jax.enable_x64(after.dtype == np.float64):
        arrays = (values["before"], after, np.zeros_like(after) if slope is None else slope, there)
        trained = Trained(*(jnp.asarray(array) for array in arrays))
        found = np.asarray(by.scores(trained, leaf, named(key, "scores")))
    if found.shape != leaf.shape:
        raise InputError(
            f"the criterion '{by.name}' gives scores of shape {found.shape} for leaf '{leaf.path}' of shape "
            f"{leaf.shape}; give one for each weight"
        )
    check_scores(found[there], by.name, leaf.path)
    return found


def check_scores(scores: Any, criterion: str, where: str) -> None:
    """Raise unless all scores are defined: sorts rank NaN by its sign, or last, but never rightly.

    Args:
      scores: Of the entries that are ranked; infinity is a rank.
      criterion: What made them, for the error.
      where: The leaf or leaves they are of.

    Raises:
      InputError: If one is NaN.
    """
    undefined = int(np.isnan(np.asarray(scores)).sum())
    if undefined:
        raise InputError(
            f"the criterion '{criterion}' is NaN for {undefined} weights of {where}, so that they have no "
            "rank; prune weights and gradients that are finite, with a criterion that is defined for them"
        )
