"""Outputs of many networks on a split, from one reading of it; all comparisons are made of them.

Each network's normalisation may go by several kinds of statistics at once, so that what recalibration does
stands beside the number without it.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from weightspace import compiler, platform
from weightspace.data.order import spread_order
from weightspace.errors import InputError, check_choice, unknown
from weightspace.measure.evaluate import BATCH, together
from weightspace.measure.host import keeps_statistics, parts_of, with_state
from weightspace.measure.network import ESTIMATED, Network, Subject, forward
from weightspace.measure.recalibrate import recalibrated
from weightspace.models.base import Model, example
from weightspace.streams import Stream, key

KINDS = ("running", *ESTIMATED)
"""Statistics by which a network is one function of its inputs, whatever else is in a batch."""


class Seen(NamedTuple):
    """What many networks make of a split.

    Attributes:
      outputs: By kind of statistics.
      y: True targets.
      cosine: Mean cosine of the features of each pair of networks by the last kind; None if not asked.
      squared: Mean square of that cosine.
    """

    outputs: dict[str, Float[np.ndarray, "k n ..."]]
    y: np.ndarray
    cosine: Float[np.ndarray, "k k"] | None
    squared: Float[np.ndarray, "k k"] | None


def check_statistics(networks: Network, statistics: Sequence[str], *, kept: bool) -> None:
    """Raise where running statistics are asked of weights that come without any.

    Args:
      networks: What is measured.
      statistics: The kinds that are asked.
      kept: Whether the model keeps statistics at all.

    Raises:
      InputError: If so.
    """
    if networks.state is None and kept and "running" in statistics:
        raise InputError(
            "these weights come without normalisation statistics; give the state that goes with them, or "
            "statistics=('recalibrated',)"
        )


def collect(
    subject: Subject,
    networks: Network,
    split: str = "test",
    statistics: tuple[str, ...] = ("recalibrated",),
    *,
    limit: int | None = None,
    features: str | None = None,
    arrays: Any = None,
) -> Seen:
    """Outputs of many networks.

    Args:
      subject: The model and what it learns.
      networks: Weights and states, with a leading axis of networks in all arrays.
      split: `train`, `validation` or `test`.
      statistics: Kinds, of `KINDS`; all give one network where there is no normalisation by statistics.
      limit: The first so many examples; None for all.
      features: The module whose outputs are compared, by path; None for no comparison.
      arrays: As of `Examples.arrays`, with another test part; None for the task's own.

    Raises:
      InputError: For statistics of a batch, for running ones that are not there, for an unknown module.
    """
    for kind in statistics:
        check_choice("statistics of many networks compared", kind, KINDS)
    shape = tuple(subject.task.data.shape)
    kept = keeps_statistics(subject.model, shape)
    check_statistics(networks, statistics, kept=kept)
    if features is not None:
        _check_module(subject, shape, features)
    program = _program(
        subject.model, subject.task, subject.precision, split, statistics if kept else ("running",), limit,
        features,
    )  # fmt: skip
    with platform.arithmetic(subject.precision.storage, subject.precision.matmul):
        given = subject.task.data.arrays() if arrays is None else arrays
        outputs, y, *sums = jax.device_get(program(networks, subject.seeds, given))
    count = len(y)
    by_kind = {kind: outputs[i if kept else 0] for i, kind in enumerate(statistics)}
    cosine, squared = (each / count for each in sums) if sums else (None, None)
    return Seen(by_kind, y, cosine, squared)


def _check_module(subject: Subject, shape: tuple[int, ...], features: str) -> None:
    one = jax.random.key(0, impl="threefry2x32")
    x = example(shape, subject.task.data.input_dtype(subject.precision.storage))
    weights, state = jax.eval_shape(subject.model.init, one, x)
    known = jax.eval_shape(subject.model.intermediates, weights, state, x)
    if features not in known:
        raise unknown("module", features, known)


@functools.lru_cache(maxsize=16)
def _program(
    model: Model, task: Any, precision: Any, split: str, statistics: tuple[str, ...], limit: int | None,
    features: str | None,
) -> Any:  # fmt: skip
    spread, storage = spread_order(task.data.size), jnp.dtype(precision.storage)

    @compiler.jit
    def collected(networks: Network, seeds: Any, shared: Any) -> Any:
        subject = Subject(model, task, seeds, precision)
        arrays = task.data.drawn(seeds) or shared
        own = parts_of(task.data, arrays, seeds, spread)
        decode = functools.partial(task.data.decode, arrays, dtype=storage)
        networks = with_state(subject, networks)
        renewed = [renewed_states(subject, networks, own("train"), decode, kind) for kind in statistics]
        part = own(split)
        count = part.size if limit is None else min(limit, part.size)
        size = min(count, BATCH)

        def batch(number: Int[Array, ""]) -> Any:
            places = jnp.minimum(number * size + jnp.arange(size, dtype=jnp.int32), count - 1)
            share = (number * size + jnp.arange(size, dtype=jnp.int32) < count).astype(storage)
            taken = places if part.rows is None else part.rows[places]
            x, own_key = decode(part.x[taken]), key(subject.seeds, Stream.DROPOUT, number)

            def one(network: Network) -> Array:
                return forward(subject, network, x, train=False, key=own_key)[0]

            outputs = jnp.stack([together(one, each) for each in renewed])
            sums = () if features is None else _cosines(subject, renewed[-1], x, share, features)
            return outputs, part.y[taken], *sums

        outputs, y, *sums = jax.lax.map(batch, jnp.arange(-(-count // size), dtype=jnp.int32))
        outputs = jnp.moveaxis(outputs, 0, 2)  # kinds, networks, batches, examples, ...
        joined = outputs.reshape((*outputs.shape[:2], -1, *outputs.shape[4:]))[:, :, :count]
        return joined, y.reshape((-1, *y.shape[2:]))[:count], *(jnp.sum(each, 0) for each in sums)

    return collected


def renewed_states(subject: Subject, networks: Network, train: Any, decode: Any, kind: str) -> Network:
    """Many networks with states of a kind of statistics, estimated where the kind says so."""
    if kind not in ESTIMATED:
        return networks
    renew = functools.partial(recalibrated, subject, part=train, decode=decode, pooled=kind == "pooled")
    return networks._replace(state=together(renew, networks))


def _cosines(
    subject: Subject, networks: Network, x: Array, share: Array, features: str
) -> tuple[Array, Array]:
    """Sums over a batch of the cosine of each pair's features, and of its square."""

    def one(network: Network) -> Array:
        found = subject.model.intermediates(network.weights, network.state, x)[features]
        flat = found.reshape(found.shape[0], -1).astype(share.dtype)
        norm = jnp.sqrt(jnp.sum(flat * flat, -1, keepdims=True))
        return flat / jnp.maximum(norm, jnp.finfo(flat.dtype).tiny)

    unit = together(one, networks)
    cosine = jnp.einsum("kbf,lbf->bkl", unit, unit, precision="highest") * share[:, None, None]
    return jnp.sum(cosine, 0), jnp.sum(cosine * cosine, 0)
