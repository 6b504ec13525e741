"""Criteria: the rules by which weights are kept, by name.

Below, w_i and w_f are the weights before and after training and g the loss gradient at w_i. All but `Lamp`
are those of Zhou, Lan, Liu & Yosinski, "Deconstructing lottery tickets", 2019, section 2, and its code. A
weight has kept its sign if `sign(w_i) == sign(w_f)`, where sign(0) = 0: one that started at zero and moved
counts as flipped. A `Ranked` one can rank within output neurons: `large_final:per=neuron`.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from weightspace.masks.criterion import Criterion, Ranked, Scores, Trained
from weightspace.masks.registry import build
from weightspace.models.layout import Leaf
from weightspace.spec import spec


@spec
class LargeFinal(Ranked):
    """|w_f|."""

    label, inverse = "large_final", "small_final"

    def rule(self, w: Trained) -> Scores:
        """|w_f|."""
        return jnp.abs(w.after)


@spec
class SmallFinal(Ranked):
    """-|w_f|."""

    label, inverse = "small_final", "large_final"

    def rule(self, w: Trained) -> Scores:
        """-|w_f|."""
        return -jnp.abs(w.after)


@spec
class LargeInit(Ranked):
    """|w_i|."""

    label, inverse = "large_init", "small_init"

    def rule(self, w: Trained) -> Scores:
        """|w_i|."""
        return jnp.abs(w.before)


@spec
class SmallInit(Ranked):
    """-|w_i|."""

    label, inverse = "small_init", "large_init"

    def rule(self, w: Trained) -> Scores:
        """-|w_i|."""
        return -jnp.abs(w.before)


@jax.jit
def _below(values: Float[Array, "..."], kept: Bool[Array, "..."]) -> Int[Array, "..."]:
    """For each entry, how many of the kept have a smaller value; equal ones share a number."""
    flat = jnp.where(kept, values, jnp.inf).reshape(-1)
    count = jnp.arange(flat.size, dtype=jnp.int32)
    ordered, places = jax.lax.sort((flat, count), num_keys=1)
    starts = jnp.concatenate([jnp.ones((1,), bool), ordered[1:] != ordered[:-1]])
    first = jax.lax.cummax(jnp.where(starts, count, 0))
    return jnp.zeros_like(count).at[places].set(first, unique_indices=True).reshape(values.shape)


@spec
class LargeAtBothEnds(Criterion):
    """The paper's min(α|w_f|, |w_i|), with the α that is matched by percentiles, for all rates at once.

    α = P_t(|w_i|) / P_t(|w_f|) puts below the level P_t(|w_i|) what is below the t-th percentile at either
    end, and t is such that this is as much as must go. Ranks say the same: a weight is below the t-th
    percentile at either end iff the smaller of its two ranks is below t. Hence the smaller rank orders the
    weights as each α does about its own cut, and neither t nor α is looked for.
    """

    label, inverse = "large_init_large_final", "small_init_small_final"
    pooled: ClassVar[bool] = True

    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """The smaller of two ranks from the small end."""
        return jnp.minimum(_below(jnp.abs(w.before), w.kept), _below(jnp.abs(w.after), w.kept))


@spec
class SmallAtBothEnds(Criterion):
    """The paper's -max(α|w_f|, |w_i|) in the same way, with ranks from the large end."""

    label, inverse = "small_init_small_final", "large_init_large_final"
    pooled: ClassVar[bool] = True

    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """The smaller of two ranks from the large end."""
        return jnp.minimum(_below(-jnp.abs(w.before), w.kept), _below(-jnp.abs(w.after), w.kept))


@spec
class MagnitudeIncrease(Ranked):
    """|w_f| - |w_i|: grown most."""

    label, inverse = "magnitude_increase", "movement"

    def rule(self, w: Trained) -> Scores:
        """|w_f| - |w_i|."""
        return w.growth


@spec
class Movement(Ranked):
    """|w_f - w_i|: moved furthest; in the figure the partner of `magnitude_increase`, not its mirror."""

    label, inverse = "movement", "magnitude_increase"

    def rule(self, w: Trained) -> Scores:
        """|w_f - w_i|."""
        return jnp.abs(w.after - w.before)


@spec
class Random(Ranked):
    """0: all scores are equal, so that chance chooses."""

    label = "random"

    def rule(self, w: Trained) -> Scores:
        """0."""
        return jnp.zeros_like(w.after)


@spec
class LargeFinalSameSign(Ranked):
    """|w_f| where the sign is that of w_i, 0 where it flipped."""

    label, inverse = "large_final_same_sign", "large_final_diff_sign"

    def rule(self, w: Trained) -> Scores:
        """|w_f| or 0."""
        return jnp.where(w.same_sign, jnp.abs(w.after), 0)


@spec
class LargeFinalDiffSign(Ranked):
    """|w_f| where the sign flipped, 0 where it did not."""

    label, inverse = "large_final_diff_sign", "large_final_same_sign"

    def rule(self, w: Trained) -> Scores:
        """|w_f| or 0."""
        return jnp.where(w.same_sign, 0, jnp.abs(w.after))


@spec
class MagnitudeIncreaseSameSign(Ranked):
    """|w_f| - |w_i|, 0 where the sign flipped: what shrank goes before what flipped."""

    label, inverse = "magnitude_increase_same_sign", "magnitude_increase_diff_sign"

    def rule(self, w: Trained) -> Scores:
        """|w_f| - |w_i| or 0."""
        return jnp.where(w.same_sign, w.growth, 0)


@spec
class MagnitudeIncreaseDiffSign(Ranked):
    """|w_f| - |w_i|, 0 where the sign did not flip: what shrank goes before what did not flip."""

    label, inverse = "magnitude_increase_diff_sign", "magnitude_increase_same_sign"

    def rule(self, w: Trained) -> Scores:
        """|w_f| - |w_i| or 0."""
        return jnp.where(w.same_sign, 0, w.growth)


@spec
class Snip(Ranked):
    """|g w_i|: sensitive at the start."""

    label = "snip"
    needs_gradient: ClassVar[bool] = True

    def rule(self, w: Trained) -> Scores:
        """|g w_i|."""
        return jnp.abs(w.slope * w.before)


@spec
class Grad(Ranked):
    """|g|: steep at the start."""

    label = "grad"
    needs_gradient: ClassVar[bool] = True

    def rule(self, w: Trained) -> Scores:
        """|g|."""
        return jnp.abs(w.slope)


@spec
class SameSign(Criterion):
    """All whose sign is that of w_i, whatever the rate."""

    label, inverse = "large_final_same_sign_single", "large_final_diff_sign_single"
    fixed: ClassVar[bool] = True

    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """1 or 0."""
        return w.same_sign.astype(w.after.dtype)


@spec
class DiffSign(Criterion):
    """All whose sign flipped, whatever the rate."""

    label, inverse = "large_final_diff_sign_single", "large_final_same_sign_single"
    fixed: ClassVar[bool] = True

    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """1 or 0."""
        return (~w.same_sign).astype(w.after.dtype)


@spec
class Lamp(Criterion):
    """Layer-adaptive magnitude: what taking a weight away does to its layer, relative to what is left of it.

    With the n kept weights of a layer in rising order of |w_f|, score(u) = w_u² / Σ_{v ≥ u} w_v²; equals
    stand in an order by chance. Within a layer the order is that of magnitude. Scores of layers are
    comparable whatever their scales: made for scope `global`, where it gives each layer a rate of its own.
    The largest of each layer scores 1, so that none is emptied; in a layer of zeros all score 0.

    Source: Lee, Park, Mo, Ahn & Shin, "Layer-adaptive sparsity for the magnitude-based pruning", 2021.
    """

    label = "lamp"

    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """Squares over sums of squares, in [0, 1]."""
        return _lamp(jnp.where(w.kept, jnp.abs(w.after), 0), w.kept, key)


@jax.jit
def _lamp(sizes: Float[Array, "..."], kept: Bool[Array, "..."], key: Key[Array, ""]) -> Float[Array, "..."]:
    flat, there = sizes.reshape(-1), kept.reshape(-1)
    places = jnp.arange(flat.size, dtype=jnp.int32)
    bits = jax.random.bits(key, flat.shape, jnp.uint32)
    _, rising, _, order = jax.lax.sort((there, flat, bits, places), num_keys=3)
    # Relative to the largest: squares of small weights would vanish.
    largest = rising[-1]
    squares = jnp.square(rising / jnp.where(largest > 0, largest, 1))
    left = jnp.cumsum(squares[::-1])[::-1]
    ratios = jnp.where(left > 0, squares / jnp.where(left > 0, left, 1), left)
    # Sums are rounded, orders are not.
    scores = jax.lax.cummax(ratios)
    return jnp.zeros_like(flat).at[order].set(scores, unique_indices=True).reshape(sizes.shape)


_MEMBERS: dict[str, type[Criterion]] = {
    cls.label: cls
    for cls in (
        *(LargeFinal, SmallFinal, LargeInit, SmallInit, LargeAtBothEnds, SmallAtBothEnds),
        *(MagnitudeIncrease, Movement, Random),
        *(LargeFinalSameSign, LargeFinalDiffSign, MagnitudeIncreaseSameSign, MagnitudeIncreaseDiffSign),
        *(Snip, Grad, SameSign, DiffSign, Lamp),
    )
}

ALL = tuple(_MEMBERS)
"""The names of all criteria."""

MAIN = ALL[:9]
"""The nine of the paper's main figure: four pairs, each beside its inverse, and `random`."""


def names() -> tuple[str, ...]:
    """The criteria known by name."""
    return ALL


def make_criterion(name: str, **options: Any) -> Criterion:
    """A criterion by name; `large-final` is `large_final`, and options may follow.

    >>> make_criterion("large-final").inverse
    'small_final'
    >>> make_criterion("movement:per=neuron").name
    'movement:per=neuron'

    Raises:
      InputError: If there is none of that name, or it has no such option.
    """
    return build("criterion", _MEMBERS, name, options)
