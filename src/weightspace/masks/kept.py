"""Kept: what the weights that a mask keeps restart from.

With w_i the weights an action is given, c the standard deviation of the layer's w_i (or a number of one's
own), and permutations drawn anew for each layer:

| here               | paper               | its code, `--exp`      | kept weights restart from             |
|--------------------|---------------------|------------------------|---------------------------------------|
| `rewind`           | rewind              | `none`                 | w_i                                   |
| `reinit`           | reinit              | `random_reinit`        | w_i, all entries permuted             |
| `reshuffle`        | reshuffle           | `random_reshuffle`     | w_i, the kept entries permuted        |
| `constant`         | constant            | `rand_signed_constant` | c sign(w_i), all entries permuted     |
| `signed_reinit`    | reinit, init sign   | `signed_reinit`        | as `reinit`, with the sign of w_i     |
| `signed_reshuffle` | reshuffle, init sign | `signed_reshuffle`    | as `reshuffle`, with the sign of w_i  |
| `signed_constant`  | constant, init sign | `signed_constant`      | c sign(w_i)                           |
| `shrunk`           | variant 2           | (`freeze_init_zero_all`) | 0 if it shrank, else w_i            |

Source: Zhou et al., 2019, section 3, and its code. `rescaled` is the code's `..._rescaling`: all of it times
size / (number kept) of the layer. The paper's text has reinit as a new draw, its code as a permutation:
`Reinit(draw="fresh")` and `Reinit()`. Variant 2 goes with `pruned.ZeroShrunk`. Since sign(0) = 0, a weight
that starts at zero stays there wherever the sign is kept. Actions change kernels only, and give values to all
entries of them: a mask takes those of the kept ones.
"""

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from weightspace.errors import check_choice, check_number
from weightspace.masks.registry import NOTHING, build
from weightspace.masks.shuffle import shuffled
from weightspace.models.layout import Layout
from weightspace.spec import Spec, spec, static
from weightspace.streams import named
from weightspace.tree import Tree, map_named

Fresh = Callable[[int], Tree]
"""Draws sample number `n` of the model's own initialisation, independent of the run's own start."""

DRAWS = ("permutation", "fresh")


class Kept(Spec, abc.ABC):
    """Where kept weights restart.

    Attributes:
      rescaled: Whether each layer is multiplied by its size over the number of weights it keeps.
    """

    label: ClassVar[str]
    keeps_sign: ClassVar[bool] = True
    """Whether no kept weight changes its sign."""

    rescaled: bool

    @property
    def name(self) -> str:
        """What the action is called in tables: its name, then what differs from its default."""
        fresh = "_fresh" if getattr(self, "draw", "permutation") == "fresh" else ""
        return self.label + fresh + ("_rescaled" if self.rescaled else "")

    @property
    def as_it_is(self) -> bool:
        """Whether kept weights are left as they were."""
        return False

    def validate(self) -> None:
        """A positive constant, a known way to draw."""
        check_number("constant value", getattr(self, "value", None), above=0)
        check_choice("draw", getattr(self, "draw", "permutation"), DRAWS)

    def values(self, weights: Tree, mask: Tree, layout: Layout, key: Key[Array, ""], fresh: Fresh) -> Tree:
        """The values of all entries; leaves that are not kernels stay as they are.

        Args:
          weights: w_i.
          mask: Which entries are kept.
          layout: What each leaf is.
          key: Each leaf draws by its path.
          fresh: Draws another initialisation.
        """
        kernels = set(layout.paths("kernel"))

        def one(path: str, *arrays: Any) -> Array:
            w, kept, other = (jnp.asarray(a) for a in arrays)
            if path not in kernels:
                return w
            restarted = self.restart(w, kept, other, named(key, path))
            return restarted * _inverse_density(kept, w.dtype) if self.rescaled else restarted

        return map_named(one, weights, mask, self.other(weights, fresh))

    def other(self, weights: Tree, fresh: Fresh) -> Tree:
        """The second tree that an action reads, where it reads one."""
        return weights

    @abc.abstractmethod
    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """The values of one kernel."""


def _inverse_density(kept: Bool[Array, "..."], dtype: Any) -> Float[Array, ""]:
    ones: Int[Array, ""] = jnp.sum(kept, dtype=jnp.int32)
    return jnp.asarray(kept.size, dtype) / jnp.maximum(ones, 1).astype(dtype)


def _signs(w: Array, value: Any) -> Array:
    """±c with the signs of w."""
    c = jnp.std(w) if value is None else jnp.asarray(value, w.dtype)
    return c * jnp.sign(w)


def _permuted(w: Array, key: Key[Array, ""]) -> Array:
    return shuffled(w, jnp.ones(w.shape, bool), key)


@spec
class Rewind(Kept):
    """w_i."""

    label: ClassVar[str] = "rewind"

    rescaled: bool = static(default=False)

    @property
    def as_it_is(self) -> bool:
        """Unless they are rescaled."""
        return not self.rescaled

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """The same."""
        return w


@spec
class Reinit(Kept):
    """A new start that forgets which weight was where.

    Attributes:
      draw: `permutation` of all entries of w_i, kept or not: a draw without replacement; or `fresh` from the
        model's initialiser.
      rescaled: See `Kept`.
    """

    label: ClassVar[str] = "reinit"
    keeps_sign: ClassVar[bool] = False

    draw: str = static(default="permutation")
    rescaled: bool = static(default=False)

    def other(self, weights: Tree, fresh: Fresh) -> Tree:
        """A new sample, where it is asked for."""
        return fresh(0) if self.draw == "fresh" else weights

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """All entries permuted, or the new ones."""
        return other if self.draw == "fresh" else _permuted(w, key)


@spec
class Reshuffle(Kept):
    """The kept entries of w_i in a random order among their places."""

    label: ClassVar[str] = "reshuffle"
    keeps_sign: ClassVar[bool] = False

    rescaled: bool = static(default=False)

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """The kept entries permuted."""
        return shuffled(w, kept, key)


@spec
class ShuffledConstant(Kept):
    """±c in a random order: the layer keeps its share of positive weights, no weight its sign.

    Attributes:
      value: c, or None for the standard deviation of each layer's w_i.
      rescaled: See `Kept`.
    """

    label: ClassVar[str] = "constant"
    keeps_sign: ClassVar[bool] = False

    value: float | None = None
    rescaled: bool = static(default=False)

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """The signs of all entries permuted."""
        return _permuted(_signs(w, self.value), key)


@spec
class SignedReinit(Kept):
    """The magnitudes of `Reinit` with the sign of w_i.

    Attributes:
      draw: As for `Reinit`.
      rescaled: See `Kept`.
    """

    label: ClassVar[str] = "signed_reinit"

    draw: str = static(default="permutation")
    rescaled: bool = static(default=False)

    def other(self, weights: Tree, fresh: Fresh) -> Tree:
        """A new sample, where it is asked for."""
        return fresh(0) if self.draw == "fresh" else weights

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """All magnitudes permuted, or new ones."""
        return jnp.abs(other if self.draw == "fresh" else _permuted(w, key)) * jnp.sign(w)


@spec
class SignedReshuffle(Kept):
    """The magnitudes of the kept entries in a random order, with the sign of w_i."""

    label: ClassVar[str] = "signed_reshuffle"

    rescaled: bool = static(default=False)

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """The kept magnitudes permuted."""
        return jnp.abs(shuffled(w, kept, key)) * jnp.sign(w)


@spec
class SignedConstant(Kept):
    """c sign(w_i).

    Attributes:
      value: c, or None for the standard deviation of each layer's w_i.
      rescaled: See `Kept`.
    """

    label: ClassVar[str] = "signed_constant"

    value: float | None = None
    rescaled: bool = static(default=False)

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """The signs of w_i."""
        return _signs(w, self.value)


@spec
class Shrunk(Kept):
    """Zero, but trainable, where training made the weight smaller; else w_i.

    Attributes:
      after: Weights after training, w_f (an output of the run that the mask was made from).
      rescaled: See `Kept`.
    """

    label: ClassVar[str] = "shrunk"

    after: Any
    rescaled: bool = static(default=False)

    def other(self, weights: Tree, fresh: Fresh) -> Tree:
        """w_f."""
        return self.after

    def restart(self, w: Array, kept: Array, other: Array, key: Key[Array, ""]) -> Array:
        """0 if |w_i| > |w_f|, else w_i: a weight that did not move keeps its value."""
        return jnp.where(jnp.abs(w) > jnp.abs(other), jnp.zeros_like(w), w)


_ALL = (Rewind, Reinit, Reshuffle, ShuffledConstant, SignedReinit, SignedReshuffle, SignedConstant, Shrunk)
_MEMBERS: dict[str, type[Kept]] = {cls.label: cls for cls in _ALL}


def names() -> tuple[str, ...]:
    """The actions known by name."""
    return tuple(_MEMBERS)


def keeps_sign(name: str) -> bool:
    """Whether the action of that name, with or without options, keeps signs; one that is not known does."""
    member = _MEMBERS.get(name.partition(":")[0].replace("-", "_"))
    return member is None or member.keeps_sign


def make_kept(name: str, at_hand: Mapping[str, Any] = NOTHING, **options: Any) -> Kept:
    """An action on kept weights by name.

    >>> make_kept("signed-constant", value=0.1).name
    'signed_constant'
    >>> make_kept("reinit:draw=fresh,rescaled=true").name
    'reinit_fresh_rescaled'

    Raises:
      InputError: If there is none of that name, it has no such option, or `shrunk` is given no `after`.
    """
    return build("action on kept weights", _MEMBERS, name, options, at_hand)
