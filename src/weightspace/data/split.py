"""Splits: a fixed one for sets that come in one piece, and each run's own by its seed."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

EVERY = 5
"""One example in so many is held out where a set has no test part."""


def held_out(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fixed split of a set without a test part: a stratified fifth, the same on every machine.

    Examples are put in order by class and, within a class, by the raw 64-bit output of a Philox generator
    with key 0 (a stream that NumPy keeps for good); of this order every fifth example is held out. Targets
    that are not class numbers count as one class.

    Args:
      y: Targets [n] or [n, k].

    Returns:
      Rows of the training and of the test part, each in rising order; the latter are ⌈n / 5⌉.
    """
    draws = np.random.Philox(key=0).random_raw(len(y))
    labels = y if y.dtype.kind in "iu" else np.zeros(len(y), np.int32)
    order = np.lexsort((draws, labels))
    test = np.zeros(len(y), bool)
    test[order[::EVERY]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)


def partition(
    key: Key[Array, ""], size: int, validation: int, subset: int | None
) -> tuple[Int[Array, " n"] | None, Int[Array, " m"] | None]:
    """A run's own rows of the training part: disjoint draws for training and validation.

    Both are cut from one permutation, validation first: the validation rows do not depend on `subset`, and a
    smaller subset is contained in a larger one.

    Args:
      key: Of the stream `SPLIT`.
      size: Examples in the training part.
      validation: How many to set aside.
      subset: How many of the others to train on; None for all.

    Returns:
      Rows to train on, None for all in order; and rows to validate on, None for none.
    """
    if not validation and subset is None:
        return None, None
    order = jax.random.permutation(key, jnp.arange(size, dtype=jnp.int32))
    stop = size if subset is None else validation + subset
    return order[validation:stop], order[:validation] if validation else None
