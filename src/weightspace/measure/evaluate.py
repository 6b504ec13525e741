"""Metrics on a part of the data: sums over examples in batches, with a traced number of them.

Any number of networks is measured in one reading of the data. Where each batch is normalised by its own
statistics it matters which examples meet in one. Then they come by their content (`data.order`), and the
last batch is filled up with the first examples, which count once: all batches are of one size, none holds an
example twice, and no number depends on how a file is sorted.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from weightspace.data.order import content_order
from weightspace.measure.network import Learner, Network, Part, forward
from weightspace.streams import Stream, key

BATCH = 500
"""Examples of one evaluation batch: all of a large set at once would take gigabytes a run."""
TOGETHER = 8
"""Networks that are computed at once."""


def evaluate(
    subject: Learner,
    network: Network,
    part: Part,
    decode: Callable[[Array], Array],
    count: Int[Array, ""],
    *,
    by_batch: bool,
    least: int | None = None,
    many: bool = False,
) -> Mapping[str, Float[Array, "..."]]:
    """Each metric over the first `count` examples.

    Args:
      subject: The model and what it learns.
      network: Weights and state; with `many`, each with a leading axis of networks.
      part: Examples; by batch only which they are matters, the first `count` by content are taken.
      decode: Raw inputs to floats.
      count: How many examples; traced.
      by_batch: Whether normalisation goes by each batch's own statistics (dropout then acts as in training),
        and not by the state.
      least: The smallest value that `count` may take; None for the number of examples.
      many: Whether there are many networks; each metric then has that axis.
    """
    x_all, y_all, chosen = part
    size = part.size
    if by_batch:
        chosen = content_order(x_all, y_all, rows=chosen)
    batch = min(size if not by_batch or least is None else least, BATCH)
    storage = jnp.dtype(subject.precision.storage)

    def sums(number: Int[Array, ""]) -> Any:
        places = number * batch + jnp.arange(batch, dtype=jnp.int32)
        share = (places < count).astype(storage)
        places = places % count if by_batch else jnp.minimum(places, size - 1)
        taken = places if chosen is None else chosen[places]
        x, y = decode(x_all[taken]), y_all[taken]
        own = key(subject.seeds, Stream.DROPOUT, number)

        def one(network: Network) -> Any:
            outputs, _ = forward(subject, network, x, train=by_batch, key=own)
            return subject.task.sums(outputs, y, share)

        return together(one, network) if many else one(network)

    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(sums, jnp.int32(0)))

    def add(number: Int[Array, ""], total: Any) -> Any:
        return jax.tree.map(jnp.add, total, sums(number))

    batches = (count + batch - 1) // batch
    total = jax.lax.fori_loop(jnp.int32(0), batches.astype(jnp.int32), add, zeros)
    values = functools.partial(subject.task.values, count=count.astype(storage))
    return jax.vmap(values)(total) if many else values(total)


def together(one: Callable[[Network], Any], networks: Network) -> Any:
    """A function of each of many networks, some of them at once."""
    number = jax.tree.leaves(networks)[0].shape[0]
    return jax.lax.map(one, networks, batch_size=min(number, TOGETHER))
