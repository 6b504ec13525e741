"""Normalisation statistics estimated anew for the weights at hand.

Running statistics trail behind training and belong to its path: at other weights (another point of the space,
an average) they are those of another network. Here training data goes through the model in training mode and
each batch's own statistics are averaged, weighted by its examples, as stochastic weight averaging does
(Izmailov et al. 2018, arXiv:1803.05407, Section 3.2).

No network library is known here, only what their training updates have in common: a leaf s of the state
becomes s' = m s + (1 - m) b for the statistic b of the batch, and training outputs do not depend on s. From
s = 0 and s = c follow m = (s'(c) - s'(0)) / c and b = s'(0) / (1 - m).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from weightspace.data.order import content_order
from weightspace.errors import InputError
from weightspace.measure.evaluate import BATCH
from weightspace.measure.network import Learner, Network, Part, forward
from weightspace.models.reach import reached
from weightspace.streams import Stream, key

EXAMPLES = 5_000
"""Training examples that statistics are estimated from, at the most."""
PROBE = 2.0**20
"""The c of the rule: large against any statistic, so that m is exact to rounding."""
AHEAD = 2**20
"""Steps by which counters are set ahead."""
_ROUNDING = 64
"""Roundings by which a leaf may miss the rule."""


def recalibrated(
    subject: Learner,
    network: Network,
    part: Part,
    decode: Callable[[Array], Array],
    *,
    pooled: bool = False,
) -> Any:
    """The model's state with statistics estimated anew from training data, batches weighted by size.

    The data is the first 5,000 examples by content, whatever the order of the file, in batches of 500 and one
    of the rest. Training mode means that dropout acts. Leaves that no batch reaches and leaves that do not
    follow the rule (the largest input so far, a sum) keep the run's value. Counters of steps are set far
    ahead: libraries correct young running means by them, and these means are not young.

    Args:
      subject: The model and what it learns.
      network: The weights to estimate for, and the model's state in the run.
      part: Training examples.
      decode: Raw inputs to floats.
      pooled: Whether the variance of batch means is added to the mean of batch variances, which gives the
        variance over all examples; for states that call them `mean` and `var`.

    Raises:
      InputError: If variances cannot be pooled, since none is called so.
    """
    leaves, structure = jax.tree.flatten(network.state)
    batches = _Batches(subject, network.weights, structure, _ordered(part), decode)
    places = batches.statistics(leaves)
    if not places:
        return network.state
    whole = batches.whole(0)
    leaves = _counters_ahead(leaves, batches.after(leaves, whole))
    olds = [leaves[i] for i in places]

    def after(values: list[Array], rows: Int[Array, " k"]) -> list[Array]:
        made = batches.after(_put(leaves, places, values), rows)
        return [made[i] for i in places]

    keeps, fits = _rules(lambda values: after(values, whole), olds)
    starts = [jnp.where(fit, jnp.zeros_like(old), old) for fit, old in zip(fits, olds, strict=True)]

    def statistics(rows: Int[Array, " k"]) -> list[Array]:
        """Of one batch."""
        return [made / (1 - keep) for made, keep in zip(after(starts, rows), keeps, strict=True)]

    means, spread = _moments(batches, statistics)
    if pooled:
        for mean, variance in _pairs(network.state, places):
            means[variance] = means[variance] + jnp.maximum(spread[mean], 0)
    found = [jnp.where(fit, new, old) for fit, new, old in zip(fits, means, olds, strict=True)]
    return jax.tree.unflatten(structure, _put(leaves, places, found))


def _moments(
    batches: "_Batches", statistics: Callable[[Int[Array, " k"]], list[Array]]
) -> tuple[list[Array], list[Array]]:
    """Mean and variance of each statistic over batches, which count by their examples.

    Differences from the first batch are summed, as those of nearly equal squares would lose all digits.
    """
    first, rest = statistics(batches.whole(0)), batches.rest

    def sums(rows: Int[Array, " k"]) -> list[tuple[Array, Array]]:
        differ = [new - old for new, old in zip(statistics(rows), first, strict=True)]
        return [(len(rows) * each, len(rows) * each * each) for each in differ]

    def add(number: Int[Array, ""], total: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
        return jax.tree.map(jnp.add, total, sums(batches.whole(number)))

    zeros = [(jnp.zeros_like(each), jnp.zeros_like(each)) for each in first]
    total = jax.lax.fori_loop(jnp.int32(1), jnp.int32(batches.count), add, zeros)
    if len(rest):
        total = jax.tree.map(jnp.add, total, sums(rest))
    shifts = [(one / batches.examples, square / batches.examples) for one, square in total]
    means = [each + shift for each, (shift, _) in zip(first, shifts, strict=True)]
    return means, [square - shift * shift for shift, square in shifts]


def _ordered(part: Part) -> Part:
    return part._replace(rows=content_order(part.x, rows=part.rows))


def _pairs(state: Any, places: list[int]) -> list[tuple[int, int]]:
    """Which of the places hold a mean and the variance beside it."""
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(state)]
    names = [jax.tree_util.keystr(paths[place], simple=True, separator="/") for place in places]
    found = [
        (names.index(name[: -len("var")] + "mean"), i)
        for i, name in enumerate(names)
        if name.rpartition("/")[2] == "var" and name[: -len("var")] + "mean" in names
    ]
    if not found:
        raise InputError(
            f"variances cannot be pooled: the state has {', '.join(names)}, but no 'mean' with a 'var' "
            "beside it; use statistics='recalibrated'"
        )
    return found


@dataclasses.dataclass(frozen=True)
class _Batches:
    """Training batches, and what they make of the leaves of a state."""

    subject: Learner
    weights: Any
    structure: Any
    part: Part
    decode: Callable[[Array], Array]

    @property
    def examples(self) -> int:
        """Examples of all batches."""
        return min(self.part.size, EXAMPLES)

    @property
    def size(self) -> int:
        """Examples of a whole batch."""
        return min(self.examples, BATCH)

    @property
    def count(self) -> int:
        """Number of whole batches."""
        return self.examples // self.size

    def whole(self, number: Any) -> Int[Array, " k"]:
        """The places of a whole batch."""
        return jnp.asarray(number, jnp.int32) * self.size + jnp.arange(self.size, dtype=jnp.int32)

    @property
    def rest(self) -> Int[Array, " k"]:
        """The places of the last batch, which is smaller; none if all are whole."""
        return jnp.arange(self.count * self.size, self.examples, dtype=jnp.int32)

    def inputs(self, rows: Int[Array, " k"]) -> Array:
        """The inputs of a batch."""
        chosen = rows if self.part.rows is None else self.part.rows[rows]
        return self.decode(self.part.x[chosen])

    def after(self, leaves: list[Array], rows: Int[Array, " k"], x: Array | None = None) -> list[Array]:
        """The leaves after a batch; `x` takes the place of its inputs."""
        x = self.inputs(rows) if x is None else x
        own = key(self.subject.seeds, Stream.DROPOUT, rows[0] // self.size)
        network = Network(self.weights, jax.tree.unflatten(self.structure, leaves))
        return jax.tree.leaves(forward(self.subject, network, x, train=True, key=own)[1])

    def statistics(self, leaves: list[Array]) -> list[int]:
        """The places of floating leaves that may depend on the inputs; nothing is computed."""
        floating = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        if not floating:
            return []
        first = self.whole(0)
        inputs = jax.eval_shape(self.inputs, first)
        hit = reached(jax.make_jaxpr(lambda x: self.after(leaves, first, x))(inputs), [True])
        return [i for i in floating if hit[i]]


def _put(leaves: list[Array], places: list[int], values: list[Array]) -> list[Array]:
    """The leaves with others at some places."""
    found = dict(zip(places, values, strict=True))
    return [found.get(i, leaf) for i, leaf in enumerate(leaves)]


def _counters_ahead(before: list[Array], after: list[Array]) -> list[Array]:
    """Whole numbers as they would be after many more steps that change them like this one."""

    def ahead(old: Array, new: Array) -> Array:
        if not jnp.issubdtype(old.dtype, jnp.integer):
            return old
        return old + jnp.asarray(AHEAD, old.dtype) * (new - old)

    return [ahead(old, new) for old, new in zip(before, after, strict=True)]


def _rules(
    update: Callable[[list[Array]], list[Array]], leaves: list[Array]
) -> tuple[list[Float[Array, "..."]], list[Bool[Array, ""]]]:
    """For each leaf m, entry by entry, and whether all of it follows the rule with 0 <= m < 1."""

    def at(factor: Float[Array, ""]) -> list[Array]:
        return update([jnp.full_like(leaf, PROBE) * factor.astype(leaf.dtype) for leaf in leaves])

    # Outputs do not depend on the probed leaves, so that the network is computed once, not three times.
    made = jax.vmap(at)(jnp.asarray([-1, 0, 1], jnp.float32))
    keeps = [(values[2] - values[1]) / PROBE for values in made]
    return keeps, [_fits(values, keep) for values, keep in zip(made, keeps, strict=True)]


def _fits(values: Float[Array, "3 ..."], keep: Float[Array, "..."]) -> Bool[Array, ""]:
    minus, zero, plus = values[0], values[1], values[2]
    rounding = _ROUNDING * jnp.finfo(zero.dtype).eps
    bent = jnp.abs(plus - 2 * zero + minus) > rounding * jnp.maximum(PROBE, jnp.abs(zero))
    # Comparisons with NaN are false: statistics that overflow shall be seen, not replaced by the run's.
    return ~jnp.any(bent | (keep < -rounding) | (keep > 1 - rounding))
