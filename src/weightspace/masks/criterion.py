"""Criterion: the contract of what says how much a weight deserves to be kept.

`scores(w, leaf, key)` is an array of a leaf's shape whose highest entries are kept. It is given the weights
at both ends of a training, the leaf they are of (its path, shape, and axes of inputs and output neurons) and
a key, so that a score may depend on where in a layer a weight lies, and may order equals by chance. It needs
no rate: one array of scores serves all. What it gives to entries that are already pruned has no meaning, and
what they hold changes no other score. `masks.score` calls it on the host with all checks; within compiled
code it is called as it is. Members, and their names, are in `masks.criteria`.
"""

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from weightspace.errors import InputError, check_choice
from weightspace.models.layout import Leaf
from weightspace.spec import Spec, spec, static

Scores = Float[Array, "..."] | Int[Array, "..."]
PER = ("layer", "neuron")


@dataclasses.dataclass(frozen=True)
class Trained:
    """Weights at both ends of a training; all of one shape.

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
        """Whether a weight has kept its sign; sign(0) = 0, so one that started at zero and moved has not."""
        return jnp.sign(self.before) == jnp.sign(self.after)

    @property
    def growth(self) -> Float[Array, "..."]:
        """|w_f| - |w_i|."""
        return jnp.abs(self.after) - jnp.abs(self.before)


class Criterion(Spec, abc.ABC):
    """A rule by which weights are kept."""

    label: ClassVar[str]
    """What it is called in tables and on the command line, where options may follow."""
    inverse: ClassVar[str | None] = None
    """The criterion set against it in its paper, where there is one."""
    needs_gradient: ClassVar[bool] = False
    """Whether it reads the gradient at the start."""
    fixed: ClassVar[bool] = False
    """Whether its scores, ones and zeros, are the mask itself, whatever the rate."""
    pooled: ClassVar[bool] = False
    """Whether scores are relative to all others: leaves that are pruned together are then one long leaf."""

    @property
    def name(self) -> str:
        """What it is called, with the options that are not the default."""
        return self.label

    @property
    def by_place(self) -> bool:
        """Whether a score depends on where in its layer a weight lies."""
        return False

    @classmethod
    def parse(cls, given: Any) -> "Criterion":
        """A criterion as it is, or by name: what a field of this type does with what it is given."""
        from weightspace.masks.criteria import make_criterion

        if isinstance(given, str):
            return make_criterion(given)
        raise InputError(
            f"a criterion is {given!r:.80} of type {type(given).__name__}; give a name, as 'large_final', or "
            "an instance of a Criterion, as LargeFinal()"
        )

    @abc.abstractmethod
    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """The higher, the rather kept; an array of the leaf's shape. Works traced.

        Args:
          w: The weights of one leaf, in its shape.
          leaf: What they are of.
          key: The leaf's own, of this round.
        """


if TYPE_CHECKING:
    Named = Any
else:
    Named = Criterion | str
    """What a field takes that becomes a criterion."""


@spec
class Ranked(Criterion):
    """A criterion of each weight by itself.

    Attributes:
      per: `layer`: scores are the rule's, s. `neuron`: the score is minus the place of s among those that the
        weight's output neuron (or channel) still has, 0 for the highest, equals in an order by chance. Hence
        each neuron keeps as many weights as the others, to one, as long as it has them.
    """

    per: str = static(default="layer")

    def validate(self) -> None:
        """Layers or neurons."""
        check_choice("per", self.per, PER)

    @property
    def name(self) -> str:
        """Its label, and what it ranks within."""
        return self.label if self.per == "layer" else f"{self.label}:per={self.per}"

    @property
    def by_place(self) -> bool:
        """Where it ranks within neurons."""
        return self.per == "neuron"

    @abc.abstractmethod
    def rule(self, w: Trained) -> Scores:
        """s, of each weight by itself."""

    def scores(self, w: Trained, leaf: Leaf, key: Key[Array, ""]) -> Scores:
        """The rule's, or its places within neurons.

        Raises:
          InputError: If the leaf has no output neurons that it could rank within.
        """
        found = self.rule(w)
        return found if self.per == "layer" else within_neurons(found, w.kept, leaf, key, self.name)


def within_neurons(
    scores: Scores, kept: Bool[Array, "..."], leaf: Leaf, key: Key[Array, ""], who: str
) -> Float[Array, "..."]:
    """Minus the place of each entry among the kept ones of its output neuron; NaN stays NaN.

    Args:
      scores: Of each entry.
      kept: Which entries count.
      leaf: Says which axis is that of output neurons.
      key: Orders equals.
      who: The criterion, for the error.

    Raises:
      InputError: If the leaf has no axis of output neurons.
    """
    if leaf.out_axis is None:
        raise InputError(
            f"the criterion '{who}' ranks within output neurons, but leaf '{leaf.path}' has no axis of them; "
            "rank within the layer: per=layer"
        )
    apart = jnp.moveaxis(scores, leaf.out_axis, 0)
    there = jnp.moveaxis(kept, leaf.out_axis, 0)
    lines, flags = (array.reshape(len(apart), -1) for array in (apart, there))
    return jnp.moveaxis(_minus_places(lines, flags, key).reshape(apart.shape), 0, leaf.out_axis)


@jax.jit
def _minus_places(
    lines: Scores, kept: Bool[Array, "units rest"], key: Key[Array, ""]
) -> Float[Array, "units rest"]:
    """Minus the place of each entry among the kept of its line."""
    if not jnp.issubdtype(lines.dtype, jnp.floating):
        lines = lines.astype(jnp.float32)
    places = jax.lax.broadcasted_iota(jnp.int32, lines.shape, 1)
    rows = jax.lax.broadcasted_iota(jnp.int32, lines.shape, 0)
    keys = (~kept, -lines, jax.random.bits(key, lines.shape, jnp.uint32), places)
    order = jax.lax.sort(keys, dimension=1, num_keys=3)[3]
    rank = jnp.zeros_like(places).at[rows, order].set(places, unique_indices=True)
    return jnp.where(jnp.isnan(lines), lines, -rank.astype(lines.dtype))
