"""Measuring from the host: networks that no run's own program measures (masked, mixed, on other data).

The same functions as in training measure them, on the same examples in the same batches.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from weightspace import compiler, platform
from weightspace.data.examples import Examples
from weightspace.data.order import spread_order
from weightspace.errors import InputError, check_choice
from weightspace.measure.evaluate import evaluate, together
from weightspace.measure.network import ESTIMATED, STATISTICS, Network, Part, Subject, part_of
from weightspace.measure.recalibrate import recalibrated
from weightspace.models.base import Model, example
from weightspace.streams import Keys, Seeds, Stream
from weightspace.tree import Tree

TRAIN_EXAMPLES = 5_000
"""Training examples that are measured where all would take long, spread evenly over them."""


def measure(
    subject: Subject,
    networks: Network,
    splits: Mapping[str, int | None],
    statistics: str = "running",
    *,
    data: Examples | None = None,
) -> dict[str, Float[np.ndarray, " networks"]]:
    """`<split>_<metric>` of many networks, each with a leading axis of networks in all its arrays.

    Args:
      subject: The model and what it learns.
      networks: Weights and states. A state of None is that of new networks, which only fits models without
        statistics or statistics that are not `running`.
      splits: How many examples of each to take; None for all.
      statistics: One of `STATISTICS`; all one for a network without normalisation.
      data: Another set to measure on; statistics are estimated from the subject's own.

    Raises:
      InputError: If there are no running statistics, or no such statistics or split.
    """
    check_choice("statistics", statistics, STATISTICS)
    shape = tuple(subject.task.data.shape)
    kept = keeps_statistics(subject.model, shape)
    if networks.state is None and kept and statistics == "running":
        raise InputError(
            "these weights come without normalisation statistics; give the state that goes with them, or "
            "statistics='batch' or 'recalibrated'"
        )
    if not kept:
        statistics = "running"  # an evaluation in training mode would let dropout act
    # Tasks that differ in metrics alone are equal, as they make one training.
    metrics = subject.task.metrics
    program = _program(
        subject.model, subject.task, metrics, subject.precision, tuple(splits.items()), statistics, data
    )
    with platform.arithmetic(subject.precision.storage, subject.precision.matmul):
        given = subject.task.data.arrays(), None if data is None else data.arrays()
        found = program(networks, subject.seeds, *given)
    return {name: np.asarray(values) for name, values in found.items()}


def renewed(subject: Subject, networks: Network, statistics: str = "recalibrated") -> Network:
    """Networks with normalisation statistics estimated anew on the subject's training examples.

    Args:
      subject: The model and what it learns.
      networks: Weights and states, each with a leading axis of networks.
      statistics: `recalibrated` or `pooled`.
    """
    check_choice("statistics", statistics, ESTIMATED)
    with platform.arithmetic(subject.precision.storage, subject.precision.matmul):
        shared = subject.task.data.arrays()
        return _renewed(subject.model, subject.task, subject.precision, statistics)(
            networks, subject.seeds, shared
        )


@functools.lru_cache(maxsize=16)
def _renewed(model: Model, task: Any, precision: Any, statistics: str) -> Any:
    spread = spread_order(task.data.size)

    @compiler.jit
    def estimated(networks: Network, seeds: Seeds, shared: Any) -> Network:
        subject = Subject(model, task, seeds, precision)
        arrays = task.data.drawn(seeds) or shared
        own = parts_of(task.data, arrays, seeds, spread)
        decode = functools.partial(task.data.decode, arrays, dtype=jnp.dtype(precision.storage))
        return with_estimates(subject, networks, own("train"), decode, statistics)

    return estimated


def with_estimates(subject: Subject, networks: Network, part: Part, decode: Any, statistics: str) -> Network:
    """Within compiled code: the networks, their statistics estimated on a part of the data."""
    networks = with_state(subject, networks)
    renew = functools.partial(recalibrated, subject, part=part, decode=decode, pooled=statistics == "pooled")
    return networks._replace(state=together(renew, networks))


@functools.lru_cache(maxsize=16)
def _program(
    model: Model, task: Any, metrics: Any, precision: Any, splits: Any, statistics: str, other: Any
) -> Any:
    task = dataclasses.replace(task, metrics=metrics)
    spread = spread_order(task.data.size)

    @compiler.jit
    def measured(networks: Network, seeds: Seeds, shared: Any, others: Any) -> dict[str, Any]:
        subject = Subject(model, task, seeds, precision)
        arrays = task.data.drawn(seeds) or shared
        own = parts_of(task.data, arrays, seeds, spread)
        decode = functools.partial(task.data.decode, arrays, dtype=jnp.dtype(precision.storage))
        networks = with_state(subject, networks)
        if statistics in ESTIMATED:
            networks = with_estimates(subject, networks, own("train"), decode, statistics)
        found: dict[str, Any] = {}
        for split, limit in splits:
            part, read = own(split), decode
            if other is not None:
                theirs = other.drawn(seeds) or others
                part = parts_of(other, theirs, seeds, spread_order(other.size))(split)
                read = functools.partial(other.decode, theirs, dtype=jnp.dtype(precision.storage))
            count = jnp.int32(part.size if limit is None else min(limit, part.size))
            values = evaluate(
                subject, networks, part, read, count, by_batch=statistics == "batch", many=True,
                least=part.size if limit is None else min(limit, part.size),
            )  # fmt: skip
            found |= {f"{split}_{name}": value for name, value in values.items()}
        return found

    return measured


def parts_of(data: Examples, arrays: Any, seeds: Seeds, spread: Any) -> Any:
    """The function that gives the splits of the data as a run with these seeds sees them."""
    arrays = jax.tree.map(jnp.asarray, arrays)
    labels, rows = data.labels(arrays, seeds), data.partition(seeds)

    def part(split: str) -> Part:
        return part_of(arrays, labels, rows, jnp.asarray(spread), split)

    return part


def with_state(subject: Subject, networks: Network) -> Network:
    """The networks, with the state of new ones where they have none."""
    if networks.state is not None:
        return networks
    data = subject.task.data
    blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))
    state = subject.model.init(Keys(subject.seeds)(Stream.INIT), blank)[1]
    number = jax.tree.leaves(networks.weights)[0].shape[0]
    return networks._replace(
        state=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (number, *leaf.shape)), state)
    )


def stacked(networks: list[Network]) -> Network:
    """Networks along a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *networks)


@functools.lru_cache(maxsize=64)
def keeps_statistics(model: Any, shape: tuple[int, ...]) -> bool:
    """Whether a network has floating state that training changes; nothing is computed.

    Args:
      model: The network.
      shape: Of one input.
    """
    key = jax.random.key(0, impl="threefry2x32")
    blank = example(shape)
    with platform.arithmetic("float32", "highest"):
        weights, state = jax.eval_shape(model.init, key, blank)
        leaves, structure = jax.tree.flatten(state)
        floating = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]
        if not any(floating):
            return False

        def after(weights: Tree, x: jax.Array, *leaves: jax.Array) -> list[jax.Array]:
            given = jax.tree.unflatten(structure, leaves)
            return jax.tree.leaves(model.apply(weights, given, x, train=True, key=key)[1])

        jaxpr = jax.make_jaxpr(after)(weights, blank, *leaves).jaxpr
    before = jaxpr.invars[len(jaxpr.invars) - len(leaves) :]
    pairs = zip(floating, before, jaxpr.outvars, strict=True)
    return any(real and old is not new for real, old, new in pairs)
