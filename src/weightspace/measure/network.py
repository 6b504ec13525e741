"""What is measured, on what: networks, parts of the data, and the forward pass in a precision."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from weightspace import tree
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice
from weightspace.models.base import Model
from weightspace.precision import Precision
from weightspace.streams import Seeds
from weightspace.tree import Tree

FLOAT32 = Precision()
SPLITS = ("train", "validation", "test")
STATISTICS = ("running", "batch", "recalibrated", "pooled")
"""What normalisation layers go by: what training left, each batch's own, training data gone through anew, or
the same with the variance between batches."""

ESTIMATED = ("recalibrated", "pooled")
"""Those that are estimated for the weights at hand."""


class Network(NamedTuple):
    """What a training leaves: weights, and the model's state that goes with them."""

    weights: Tree
    state: Tree


class Part(NamedTuple):
    """A part of the data: raw inputs, targets, and the rows of both that it is (None: all, in order)."""

    x: Array
    y: Array
    rows: Int[Array, " n"] | None

    @property
    def size(self) -> int:
        """Number of examples."""
        return self.x.shape[0] if self.rows is None else self.rows.shape[0]


def many_of(weights: Sequence[Tree], state: Tree) -> Network:
    """Networks of one state along a leading axis."""
    number = len(weights)
    return Network(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *weights),
        jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (number, *leaf.shape)), state),
    )


if TYPE_CHECKING:

    class Learner(Protocol):
        """A model and what it learns: a run, or a `Subject`."""

        @property
        def model(self) -> Model:
            """The network."""
            ...

        @property
        def task(self) -> Task:
            """Data and loss."""
            ...

        @property
        def seeds(self) -> Seeds:
            """By which the run's examples were chosen."""
            ...

        @property
        def precision(self) -> Precision:
            """The arithmetic."""
            ...

else:
    # Inside compiled code the fields hold tracers.
    Learner = Any


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model and what it learns, where there is no run at hand."""

    model: Model
    task: Task
    seeds: Seeds
    precision: Precision = FLOAT32


def part_of(arrays: Any, labels: Array | None, rows: Any, spread: Int[Array, " n"], split: str) -> Part:
    """A split of the data as a run sees it.

    Args:
      arrays: As `arrays` or `drawn` gives them.
      labels: The run's own labels of the training part; None where they are clean.
      rows: The run's partition.
      spread: An order of the training examples of which every beginning is spread evenly over them.
      split: `train`, in that order; `validation`, with true labels, as noise is put on what is trained on; or
        `test`.

    Raises:
      InputError: If there is no such split, or no example in it.
    """
    check_choice("split", split, SPLITS)
    if split == "test":
        return Part(arrays.test.x, arrays.test.y, None)
    if split == "validation":
        if rows.validation is None:
            raise InputError("no examples are set aside for validation; give the data validation=<examples>")
        return Part(arrays.train.x, arrays.train.y, rows.validation)
    chosen = spread if rows.train is None else rows.train[spread]
    return Part(arrays.train.x, arrays.train.y if labels is None else labels, chosen)


def forward(
    subject: Learner, network: Network, x: Array, *, train: bool, key: Key[Array, ""]
) -> tuple[Array, Tree]:
    """A model's outputs and state in the subject's precision; outputs come back in storage precision."""
    weights, state = network
    storage = jnp.dtype(subject.precision.storage)
    compute = jnp.dtype(subject.precision.dtype)
    if compute == storage:
        return subject.model.apply(weights, state, x, train=train, key=key)
    outputs, after = subject.model.apply(
        tree.cast(weights, compute), state, tree.cast(x, compute), train=train, key=key
    )
    # Statistics stay in storage precision: rounding them every step would stop their running means.
    after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, state)
    return outputs.astype(storage), after
