"""Pruned: what the weights that a mask removes are frozen at.

With w_i the weights an action is given and w_f those after the training that the mask was made from:

| here            | paper           | its code, `--model_type`         | pruned weights are frozen at       |
|-----------------|-----------------|----------------------------------|------------------------------------|
| `zero`          | zero            | `mask`                           | 0                                  |
| `at_init`       | freeze at init  | `freeze_init`                    | w_i                                |
| `zero_shrunk`   | variant 1       | `freeze_init_zero_mask`          | 0 if abs(w_i) > abs(w_f), else w_i |
| `zero_shuffled` | control         | `freeze_init_zero_reshuffle`     | as many zeros, at other places     |
| `zero_grown`    | reverse control | `freeze_init_zero_rev`           | 0 if abs(w_i) < abs(w_f), else w_i |
| `interpolated`  |                 | (`--final_weight_interpolation`) | w_i + a (w_f - w_i)                |

Source: Zhou et al., 2019, section 4, and its code. Variant 2 is `zero_shrunk` with `kept.Shrunk`. Comparisons
are strict: a weight that did not move keeps its value. Over several rounds w_i must hold what earlier rounds
froze (see `derived.restart`); a weight at rest has neither shrunk nor grown and so stays what it was.
"""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from weightspace.errors import check_number
from weightspace.masks.registry import NOTHING, build
from weightspace.masks.shuffle import shuffled
from weightspace.models.layout import Layout
from weightspace.spec import Spec, leaf, spec
from weightspace.streams import named
from weightspace.tree import Tree, map_named


class Pruned(Spec, abc.ABC):
    """What pruned weights are frozen at."""

    label: ClassVar[str]

    @property
    def name(self) -> str:
        """What the action is called in tables."""
        return self.label

    def values(self, weights: Tree, mask: Tree, layout: Layout, key: Key[Array, ""]) -> Tree:
        """The values of all entries; a mask takes those of the pruned ones.

        Args:
          weights: w_i.
          mask: Which entries are kept.
          layout: What each leaf is.
          key: Each leaf draws by its path.
        """

        def one(path: str, *arrays: Any) -> Array:
            w, kept, after = (jnp.asarray(a) for a in arrays)
            return self.frozen(w, kept, after, named(key, path))

        return map_named(one, weights, mask, getattr(self, "after", weights))

    @abc.abstractmethod
    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """The values of one leaf."""


@spec
class Zero(Pruned):
    """0: the weights are gone."""

    label: ClassVar[str] = "zero"

    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """0."""
        return jnp.zeros_like(w)


@spec
class AtInit(Pruned):
    """w_i: the weights are there, but do not learn."""

    label: ClassVar[str] = "at_init"

    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """w_i."""
        return w


@spec
class ZeroShrunk(Pruned):
    """0 where training made the weight smaller, else w_i.

    Attributes:
      after: Weights after training, w_f (an output).
    """

    label: ClassVar[str] = "zero_shrunk"

    after: Any

    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """0 if |w_i| > |w_f|."""
        return jnp.where(jnp.abs(w) > jnp.abs(after), jnp.zeros_like(w), w)


@spec
class ZeroShuffled(Pruned):
    """As many zeros as `ZeroShrunk` makes, at random places among those pruned with them in a layer.

    Attributes:
      after: Weights after training, w_f (an output).
      last: The mask of the round before (an output), None in the first: what it pruned stays as it was, and
        is no place for a zero of today.
    """

    label: ClassVar[str] = "zero_shuffled"

    after: Any
    last: Any = leaf(default=None, neutral=None)

    def values(self, weights: Tree, mask: Tree, layout: Layout, key: Key[Array, ""]) -> Tree:
        """As those of all actions, where entries pruned before pass for kept: they keep their values."""
        if self.last is not None:
            mask = jax.tree.map(lambda kept, last: kept | ~last, mask, self.last)
        return super().values(weights, mask, layout, key)

    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """0 where shuffling puts a shrunk weight: pruned ones alone are counted, and alone get zeros."""
        gone = jnp.logical_not(kept)
        zero = shuffled(jnp.abs(w) > jnp.abs(after), gone, key)
        return jnp.where(zero & gone, jnp.zeros_like(w), w)


@spec
class ZeroGrown(Pruned):
    """0 where training made the weight larger, else w_i.

    Attributes:
      after: Weights after training, w_f (an output).
    """

    label: ClassVar[str] = "zero_grown"

    after: Any

    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """0 if |w_i| < |w_f|."""
        return jnp.where(jnp.abs(w) < jnp.abs(after), jnp.zeros_like(w), w)


@spec
class Interpolated(Pruned):
    """w_i + a (w_f - w_i): part of the way to the trained weights.

    Attributes:
      after: Weights after training, w_f (an output).
      amount: a: 0 is w_i and 1 is w_f, exactly.
    """

    label: ClassVar[str] = "interpolated"

    after: Any
    amount: float = 1.0

    def validate(self) -> None:
        """Any finite amount; beyond 0 and 1 it extrapolates."""
        check_number("interpolation amount", self.amount)

    def frozen(self, w: Array, kept: Array, after: Array, key: Key[Array, ""]) -> Array:
        """Both ends are met exactly."""
        a = jnp.asarray(self.amount, w.dtype)
        return (1 - a) * w + a * after


_MEMBERS: dict[str, type[Pruned]] = {
    cls.label: cls for cls in (Zero, AtInit, ZeroShrunk, ZeroShuffled, ZeroGrown, Interpolated)
}


def names() -> tuple[str, ...]:
    """The actions known by name."""
    return tuple(_MEMBERS)


def make_pruned(name: str, at_hand: Mapping[str, Any] = NOTHING, **options: Any) -> Pruned:
    """An action on pruned weights by name.

    >>> make_pruned("at-init").name
    'at_init'

    Raises:
      InputError: If there is none of that name, it has no such option, or it is given no `after`.
    """
    return build("action on pruned weights", _MEMBERS, name, options, at_hand)
