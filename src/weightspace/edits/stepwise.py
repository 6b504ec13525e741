"""Stepwise magnitude pruning: to given sparsities at given moments of training, and none in between.

As the pruning of the study "Weight Symmetry Research Code" was meant: moments are in epochs or steps, each
prunes to an absolute share of each kernel, nothing is pruned before the first, the optimiser goes on with its
moments (those of pruned weights are cleared), and weights that are pruned stay so.
"""

import jax.numpy as jnp
from jaxtyping import Array, Key

from weightspace.edits.base import Carry, Changed, Now
from weightspace.edits.pruning import SCOPES, Pruning
from weightspace.errors import InputError, check_choice, check_number
from weightspace.recipes.length import LengthLike
from weightspace.spec import spec, static


@spec
class Stepwise(Pruning):
    """Prune kernels at moments that are named; s_k = shares[k] · sparsity at the k-th.

    Counts are exact to the rounding of a half in float32, ties are broken by the run's key. Several of these
    in one run prune several layers by schedules of their own.

    Attributes:
      sparsity: s, the share of zeros of each kernel; a list gives one for each kernel in forward order.
      at: The moments, rising, as `2ep` or `500it`.
      shares: What s is multiplied by at each of them; none prunes to s at each, so that a single moment is
        one-shot pruning.
      scope: `layer` gives each kernel its sparsity, `global` ranks all kernels together.
      layers: Which kernels, as `masks.layers` reads it; all but the output's unless said.
    """

    sparsity: float | tuple[float, ...]
    at: tuple[LengthLike, ...] = static()
    shares: tuple[float, ...] = static(default=())
    scope: str = static(default="layer")
    layers: str | None = static(default=None)

    def validate(self) -> None:
        """A share in [0, 1] for each moment, none of them falling."""
        super().validate()
        check_choice("scope", self.scope, SCOPES)
        if not self.at:
            raise InputError("stepwise pruning has no moment; give at least one, as in at=('2ep', '4ep')")
        if self.shares and len(self.shares) != len(self.at):
            raise InputError(
                f"{len(self.shares)} shares are given for {len(self.at)} moments of pruning; "
                "give one for each"
            )
        for share in self.shares:
            check_number("share of the sparsity", share, least=0, most=1)
        if list(self.shares) != sorted(self.shares):
            raise InputError(f"the shares {self.shares} fall, but what is pruned stays so; let them rise")

    def steps(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """The moments.

        Raises:
          InputError: Unless they rise within the training.
        """
        found = tuple(each.steps(per_epoch, total) for each in self.at)
        if list(found) != sorted(set(found)):
            names = ", ".join(f"{each} (step {step})" for each, step in zip(self.at, found, strict=True))
            raise InputError(f"the moments of pruning are {names}, but each must be later than the last")
        if found[0] < 1 or found[-1] > total:
            raise InputError(
                f"stepwise pruning acts after steps {', '.join(map(str, found))}, but a run of {total} steps "
                f"is edited after steps 1 to {total}; prune before the first by Masked and a mask"
            )
        return found

    def init(self, now: Now) -> Carry:
        """How many moments have passed."""
        return jnp.int32(0)

    def act(self, carry: Carry, now: Now, key: Key[Array, ""]) -> tuple[Carry, Changed]:
        """Prune to the sparsities of this moment."""
        shares = jnp.asarray(self.shares or (1.0,) * len(self.at), jnp.float32)
        share = shares[jnp.minimum(carry, len(self.at) - 1)]
        targets = [share * jnp.asarray(value, jnp.float32) for value in self.final]
        return carry + 1, self.pruned(now, targets, key)
