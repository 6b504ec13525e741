"""Criteria: how much a weight deserves to be kept, from its values before and after training.

A criterion is a pure function of one leaf (or of several, laid end to end): `scores(before, after, gradient,
kept)`, an array of the leaf's shape whose highest entries are kept. It needs no key, since ties are broken
by `prune`, and no rate, so one array of scores serves all rates. What it gives to entries that are already
pruned has no meaning. Below, w_i and w_f are the weights before and after training and g the loss gradient at
w_i. Source: Zhou, Lan, Liu & Yosinski, "Deconstructing lottery tickets", 2019, section 2, and its code.

A weight has kept its sign if `sign(w_i) == sign(w_f)`, where sign(0) = 0: one that started at zero and moved
counts as flipped.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from weightspace.errors import InputError, unknown

Values = Float[Array, "..."] | Float[np.ndarray, "..."]
Flags = Bool[Array, "..."] | Bool[np.ndarray, "..."]
Scores = Float[Array, "..."] | Int[Array, "..."]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Weights at both ends of a training.

    Attributes:
      before: w_i.
      after: w_f.
      slope: g, the loss gradient at w_i; zeros for criteria that do not need it.
      kept: Which of them are not pruned yet.
    """

    before: Float[Array, "..."]
    after: Float[Array, "..."]
    slope: Float[Array, "..."]
    kept: Bool[Array, "..."]

    @property
    def same_sign(self) -> Bool[Array, "..."]:
        """Whether a weight has kept its sign."""
        return jnp.sign(self.before) == jnp.sign(self.after)

    @property
    def growth(self) -> Float[Array, "..."]:
        """|w_f| - |w_i|."""
        return jnp.abs(self.after) - jnp.abs(self.before)


@dataclasses.dataclass(frozen=True)
class Criterion:
    """A rule by which weights are kept.

    Attributes:
      name: What it is called in tables and on the command line.
      rule: Scores of trained weights.
      inverse: The criterion set against it in the paper, where there is one.
      text: What it keeps, in a line.
      needs_gradient: Whether it reads the gradient at the start.
      fixed: Whether its scores, ones and zeros, are the mask itself, whatever the rate.
    """

    name: str
    rule: Callable[[Trained], Scores]
    inverse: str | None
    text: str
    needs_gradient: bool = False
    fixed: bool = False

    def scores(self, before: Values, after: Values, gradient: Values | None, kept: Flags) -> Scores:
        """The higher, the rather kept; an array of the leaf's shape. Works traced.

        Args:
          before: w_i.
          after: w_f.
          gradient: g, where the criterion needs it.
          kept: Which entries are not pruned yet; the two criteria of both ends rank among them.

        Raises:
          InputError: If the criterion needs a gradient and has none.
        """
        if gradient is None and self.needs_gradient:
            raise InputError(f"the criterion '{self.name}' needs the gradient at the start; give gradient=")
        w_i, w_f = jnp.asarray(before), jnp.asarray(after)
        slope = jnp.zeros_like(w_i) if gradient is None else jnp.asarray(gradient)
        return self.rule(Trained(w_i, w_f, slope, jnp.asarray(kept)))


@jax.jit
def _below(values: Float[Array, "..."], kept: Bool[Array, "..."]) -> Int[Array, "..."]:
    """For each entry, how many of the kept have a smaller value; equal ones share a number."""
    flat = jnp.where(kept, values, jnp.inf).reshape(-1)
    count = jnp.arange(flat.size, dtype=jnp.int32)
    ordered, places = jax.lax.sort((flat, count), num_keys=1)
    starts = jnp.concatenate([jnp.ones((1,), bool), ordered[1:] != ordered[:-1]])
    first = jax.lax.cummax(jnp.where(starts, count, 0))
    return jnp.zeros_like(count).at[places].set(first, unique_indices=True).reshape(values.shape)


def _large_at_both_ends(w: Trained) -> Scores:
    """The paper's min(α|w_f|, |w_i|), with the α that is matched by percentiles, for all rates at once.

    α = P_t(|w_i|) / P_t(|w_f|) puts below the level P_t(|w_i|) what is below the t-th percentile at either
    end, and t is such that this is as much as must go. Ranks say the same: a weight is below the t-th
    percentile at either end iff the smaller of its two ranks is below t. Hence the smaller rank orders the
    weights as each α does about its own cut, and neither t nor α is looked for.
    """
    return jnp.minimum(_below(jnp.abs(w.before), w.kept), _below(jnp.abs(w.after), w.kept))


def _small_at_both_ends(w: Trained) -> Scores:
    """The paper's -max(α|w_f|, |w_i|) in the same way, with ranks from the large end."""
    return jnp.minimum(_below(-jnp.abs(w.before), w.kept), _below(-jnp.abs(w.after), w.kept))


_TABLE = (
    Criterion("large_final", lambda w: jnp.abs(w.after), "small_final", "large |w_f|"),
    Criterion("small_final", lambda w: -jnp.abs(w.after), "large_final", "small |w_f|"),
    Criterion("large_init", lambda w: jnp.abs(w.before), "small_init", "large |w_i|"),
    Criterion("small_init", lambda w: -jnp.abs(w.before), "large_init", "small |w_i|"),
    Criterion(
        "large_init_large_final",
        _large_at_both_ends,
        "small_init_small_final",
        "large |w_i| and large |w_f|: min(α|w_f|, |w_i|)",
    ),
    Criterion(
        "small_init_small_final",
        _small_at_both_ends,
        "large_init_large_final",
        "small |w_i| and small |w_f|: -max(α|w_f|, |w_i|)",
    ),
    Criterion("magnitude_increase", lambda w: w.growth, "movement", "grown most: |w_f| - |w_i|"),
    Criterion(
        "movement",
        lambda w: jnp.abs(w.after - w.before),
        "magnitude_increase",
        "moved furthest: |w_f - w_i|; the partner of magnitude_increase in the figure, not its mirror image",
    ),
    Criterion("random", lambda w: jnp.zeros_like(w.after), None, "any: all scores are equal"),
    Criterion(
        "large_final_same_sign",
        lambda w: jnp.where(w.same_sign, jnp.abs(w.after), 0),
        "large_final_diff_sign",
        "large |w_f| with the sign of w_i; 0 where it flipped",
    ),
    Criterion(
        "large_final_diff_sign",
        lambda w: jnp.where(w.same_sign, 0, jnp.abs(w.after)),
        "large_final_same_sign",
        "large |w_f| with a flipped sign; 0 where it did not flip",
    ),
    Criterion(
        "magnitude_increase_same_sign",
        lambda w: jnp.where(w.same_sign, w.growth, 0),
        "magnitude_increase_diff_sign",
        "|w_f| - |w_i|, 0 where the sign flipped: what shrank goes before what flipped",
    ),
    Criterion(
        "magnitude_increase_diff_sign",
        lambda w: jnp.where(w.same_sign, 0, w.growth),
        "magnitude_increase_same_sign",
        "|w_f| - |w_i|, 0 where the sign did not flip: what shrank goes before what did not flip",
    ),
    Criterion(
        "snip",
        lambda w: jnp.abs(w.slope * w.before),
        None,
        "sensitive at the start: |g w_i|",
        needs_gradient=True,
    ),
    Criterion("grad", lambda w: jnp.abs(w.slope), None, "steep at the start: |g|", needs_gradient=True),
    Criterion(
        "large_final_same_sign_single",
        lambda w: w.same_sign.astype(w.after.dtype),
        "large_final_diff_sign_single",
        "all whose sign is that of w_i, whatever the rate",
        fixed=True,
    ),
    Criterion(
        "large_final_diff_sign_single",
        lambda w: (~w.same_sign).astype(w.after.dtype),
        "large_final_same_sign_single",
        "all whose sign flipped, whatever the rate",
        fixed=True,
    ),
)
_BY_NAME = {entry.name: entry for entry in _TABLE}

ALL = tuple(_BY_NAME)
"""The names of all criteria."""

MAIN = ALL[:9]
"""The nine of the paper's main figure: four pairs, each beside its inverse, and `random`."""


def names() -> tuple[str, ...]:
    """The criteria known by name."""
    return ALL


def criterion(name: str) -> Criterion:
    """A criterion by name; `large-final` is `large_final`.

    >>> criterion("large-final").inverse
    'small_final'

    Raises:
      InputError: If there is none of that name.
    """
    found = _BY_NAME.get(name.replace("-", "_"))
    if found is None:
        raise unknown("criterion", name, ALL)
    return found
