"""Pruning while training goes on: at each event every kernel keeps its largest weights, to an exact count.

What members share: which kernels are pruned, how many weights each keeps of all it has (an absolute target,
no share of the survivors), and that what is pruned stays so: a target below the present sparsity changes
nothing. Members say what the targets are at an event (`Gradual` along a ramp, `Stepwise` at given moments).
"""

import abc
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.edits.base import Changed, MaskEdit, Now
from weightspace.errors import InputError, check_number
from weightspace.masks.layers import masked_kernels
from weightspace.masks.select import best
from weightspace.models.layout import Layout
from weightspace.probes.base import Training
from weightspace.streams import named
from weightspace.tree import map_named

SCOPES = ("layer", "global")
Target = Float[Array, ""]


class Pruning(MaskEdit):
    """An edit that prunes kernels to absolute sparsities.

    Members have the fields `sparsity` (one number, or one for each kernel that is pruned, in forward order),
    `scope` (`layer` gives each kernel its own, `global` ranks all of them together) and `layers` (which
    kernels, as `masks.layers` reads it).
    """

    sparsity: Any
    scope: Any
    layers: Any

    @property
    def final(self) -> tuple[Any, ...]:
        """The sparsities aimed at, one for all or one a kernel; tracers in compiled code."""
        return self.sparsity if isinstance(self.sparsity, tuple) else (self.sparsity,)

    def validate(self) -> None:
        """Shares in [0, 1); of all kernels together there is one."""
        for value in self.final:
            check_number("sparsity", value, least=0, below=1, hint="It is the share of zeros.")
        if not self.final:
            raise InputError("sparsity is an empty list; give one number, or one for each kernel")
        if self.scope == "global" and isinstance(self.sparsity, tuple):
            raise InputError(
                f"scope is 'global', so that one sparsity is for all kernels together, but {len(self.final)} "
                "are given; give one number, or take the scope 'layer'"
            )

    def check(self, run: Training, layout: Layout) -> None:
        """There is a sparsity for each kernel."""
        super().check(run, layout)
        kernels = masked_kernels(layout, self.layers)
        if isinstance(self.sparsity, tuple) and len(self.sparsity) != len(kernels):
            names = ", ".join(leaf.path for leaf in kernels)
            raise InputError(
                f"{len(self.sparsity)} sparsities are given for the {len(kernels)} kernels that are pruned: "
                f"{names}; give one for each, in this order, or one number for all"
            )

    def pruned(self, now: Now, targets: Sequence[Target], key: Key[Array, ""]) -> Changed:
        """Keep the largest.

        Args:
          now: Where the run stands.
          targets: The sparsities now: one for all kernels that are pruned, or one for each.
          key: Orders equal weights.
        """
        weights, mask = now.kernels(now.weights), now.kernels(now.mask)
        paths = tuple(leaf.path for leaf in masked_kernels(now.layout, self.layers))
        groups = [paths] if self.scope == "global" else [(path,) for path in paths]
        each = list(targets) * len(groups) if len(targets) == 1 else targets
        kept: dict[str, Array] = {}
        for group, target in zip(groups, each, strict=True):
            scores = jnp.concatenate([jnp.abs(weights[path]).reshape(-1) for path in group])
            there = jnp.concatenate([mask[path].reshape(-1) for path in group])
            count = jnp.round((1 - target) * scores.shape[0]).astype(jnp.int32)
            chosen = best(scores, there, count, named(key, group[0] if len(group) == 1 else self.scope))
            start = 0
            for path in group:
                size = weights[path].size
                kept[path] = chosen[start : start + size].reshape(weights[path].shape)
                start += size
        new = map_named(kept.get, now.mask)
        aimed = 1 - targets[0]
        if len(targets) > 1:
            sizes = [weights[path].size for path in paths]
            shares = [(1 - s) * (n / sum(sizes)) for s, n in zip(targets, sizes, strict=True)]
            aimed = jnp.sum(jnp.stack(shares))
        return Changed(mask=new, record={"target_density": aimed})

    @abc.abstractmethod
    def steps(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """After how many steps it acts."""
