"""Whether a tree of arrays is one of this model's, the same leaves of the same shapes, and holds numbers."""

from typing import Any

import numpy as np

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.tree import Tree, flat_dict


def check_fit(what: str, tree: Tree, layout: Layout, *, boolean: bool = False) -> None:
    """Raise unless the tree has the leaves of a layout.

    Args:
      what: What the tree is, for the error.
      tree: Arrays, numpy's or traced.
      layout: The model's leaves.
      boolean: Whether the leaves must be booleans.

    Raises:
      InputError: For the first leaf, in the order of the forward pass, that differs.
    """
    found = flat_dict(tree)
    for item in layout:
        if item.path not in found:
            raise _misfit(what, f"it has no leaf '{item.path}' of shape {item.shape}")
        leaf = found[item.path]
        if np.shape(leaf) != item.shape:
            detail = f"its leaf '{item.path}' has shape {np.shape(leaf)}, the model's {item.shape}"
            raise _misfit(what, detail)
        if boolean and np.dtype(_dtype(leaf)) != np.dtype(bool):
            raise InputError(
                f"leaf '{item.path}' of {what} holds {_dtype(leaf)}, but must hold booleans: True is kept"
            )
    known = set(layout.paths())
    for path in found:
        if path not in known:
            raise _misfit(what, f"the model has no leaf '{path}'")


def check_finite(what: str, values: Any, where: str) -> None:
    """Raise unless all numbers are finite; what cannot be ranked cannot be pruned.

    Args:
      what: Which weights or scores they are, for the error.
      values: An array.
      where: The leaf or leaves they are of.

    Raises:
      InputError: Says how trained weights come to be NaN.
    """
    if not np.isfinite(np.asarray(values)).all():
        raise InputError(
            f"'{what}' is not finite in {where}; prune a run that did not diverge, at a step or an accuracy "
            "that it has reached"
        )


def check_finite_tree(what: str, tree: Tree) -> None:
    """Raise unless all leaves of weights are finite.

    Raises:
      InputError: For the first leaf that is not.
    """
    for path, leaf in flat_dict(tree).items():
        if not np.isfinite(np.asarray(leaf)).all():
            raise InputError(f"{what} is not finite in {path}; take weights of a run that did not diverge")


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _misfit(what: str, detail: str) -> InputError:
    return InputError(f"{what} belongs to another architecture: {detail}; take it from a run of this model")
