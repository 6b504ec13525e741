"""Exchange: a sparse network that keeps its number of weights but changes which ones they are.

At each event every kernel drops a share of its weights, those of smallest magnitude, and grows as many among
all that are then off (those just dropped among them, which keep their value). Grown ones start at zero, so
that the function of the network is changed by what is dropped alone.

| edit   | grows                                | source                                       |
|--------|--------------------------------------|----------------------------------------------|
| `Set`  | at random                            | Mocanu et al., 2018                          |
| `RigL` | where |∂L/∂w| is largest             | Evci, Gale, Menick, Castro & Elsen, 2020     |

The share falls to zero along a cosine, α/2 (1 + cos(π t / T_end)) (Evci et al., section 3), or stays α. Two
things differ from Algorithm 1 of RigL: the gradient is that of the batch of the next step at the weights of
now, as there, but that step is then taken (there it is left out); and as in the authors' code, moments of
grown weights begin at zero. Mocanu et al. drop the smallest positive and the largest negative weights apart
and draw grown ones at random (`grown="random"`).
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from weightspace.edits.base import Carry, Changed, MaskEdit, Now, counted
from weightspace.errors import InputError, check_choice, check_number
from weightspace.masks.select import best
from weightspace.models.layout import Layout
from weightspace.probes.base import Training
from weightspace.recipes.length import LengthLike
from weightspace.spaces.compose import Compose
from weightspace.spec import common, spec, static
from weightspace.streams import named
from weightspace.tree import map_named

DECAYS = ("cosine", "constant")
GROWN = ("zero", "random")


@spec
class Exchange(MaskEdit):
    """Drops the smallest weights of each kernel and grows as many.

    Attributes:
      share: α, of each kernel's weights; .3 in the papers of both members.
      every: Steps between two exchanges; 100 in the paper of RigL, an epoch in that of SET.
      until: None after it; three quarters of the training in the paper of RigL.
      decay: `cosine` or `constant`.
      grown: Whether grown weights start at `zero` (within `Compose` where the coordinates put them) or as a
        `random` new draw of the model's initialisation.

    Records `explored`, the share of all kernels' weights that were on at any time (Liu et al., "Do we
    actually need dense over-parameterization?", 2021); masks that were on are its state.
    """

    share: float = 0.3
    every: LengthLike = common(default="100it")
    until: LengthLike = common(default="75%")
    decay: str = static(default="cosine")
    grown: str = static(default="zero")

    def validate(self) -> None:
        """A share in (0, 1], known names."""
        check_number(
            "share", self.share, above=0, most=1, hint="It is the share of a layer that is exchanged."
        )
        check_choice("decay", self.decay, DECAYS)
        check_choice("grown", self.grown, GROWN)

    def check(self, run: Training, layout: Layout) -> None:
        """Weights that grow at random can be put where they are to start."""
        super().check(run, layout)
        if self.grown == "random" and isinstance(run.space, Compose):
            raise InputError(
                f"grown is 'random', but in the space '{run.space.name}' weights that grow are where its "
                "coordinates put them; leave it 'zero'"
            )

    def steps(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """Multiples of `every` before the end."""
        every, until = (length.steps(per_epoch, total) for length in (self.every, self.until))
        check_number("every", every, least=1, hint="Write 100it or 1ep.")
        return tuple(range(every, min(until, total), every))

    def init(self, now: Now) -> Carry:
        """Which weights were on so far."""
        return now.kernels(now.mask)

    def part(self, t: Any, total: Any) -> Float[Array, ""]:
        """The share exchanged after t steps; lengths are steps by now."""
        share = jnp.asarray(self.share, jnp.float32)
        if self.decay == "constant":
            return share
        until = jnp.maximum(jnp.minimum(jnp.asarray(self.until), total), 1).astype(jnp.float32)
        return share / 2 * (1 + jnp.cos(jnp.pi * jnp.asarray(t).astype(jnp.float32) / until))

    @abc.abstractmethod
    def growth(self, now: Now) -> dict[str, Array]:
        """Scores of all weights of each kernel; those of the highest are grown."""

    def act(self, carry: Carry, now: Now, key: Key[Array, ""]) -> tuple[Carry, Changed]:
        """Drop, then grow."""
        part, weights, growth = self.part(now.t, now.total), now.kernels(now.weights), self.growth(now)
        masks = now.kernels(now.mask)
        kept: dict[str, Bool[Array, ...]] = {}
        for path, mask in masks.items():
            there = mask.reshape(-1)
            on = jnp.sum(there, dtype=jnp.int32)
            moved = jnp.floor(part * on.astype(jnp.float32)).astype(jnp.int32)
            drop, grow = (named(jax.random.fold_in(key, number), path) for number in range(2))
            stay = best(jnp.abs(weights[path]).reshape(-1), there, on - moved, drop)
            added = best(growth[path].reshape(-1), ~stay, moved, grow)
            kept[path] = (stay | added).reshape(mask.shape)
        explored = {path: carry[path] | kept[path] for path in kept}
        total = sum(mask.size for mask in masks.values())
        record = {"explored": counted(explored).astype(jnp.float32) / total, "share": part}
        values = now.sample(jax.random.fold_in(key, 2)) if self.grown == "random" else None
        new = map_named(kept.get, now.mask)
        return explored, Changed(mask=new, grown=values, record=record)


@spec
class Set(Exchange):
    """Sparse evolutionary training: grow at random."""

    def growth(self, now: Now) -> dict[str, Array]:
        """All alike: the key decides."""
        return {path: jnp.zeros_like(leaf) for path, leaf in now.kernels(now.weights).items()}


@spec
class RigL(Exchange):
    """Rigging the lottery: grow where the gradient is largest."""

    def growth(self, now: Now) -> dict[str, Array]:
        """|∂L/∂w|."""
        return {path: jnp.abs(leaf) for path, leaf in now.kernels(now.gradient()).items()}
