"""Probe: anything that is recorded of a run while it trains. Evaluation is one.

A probe carries what it needs through the training loop: `init` once, `update` after every step, `read` at
its readings, `finish` at the end. Scalars that `read` gives become columns and history; arrays that
`finish` gives become outputs. All methods are pure and compiled into the training program; what a probe does
not ask for costs nothing, since the compiler drops it. Probes are no part of a run's identity.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from weightspace.measure.network import Network
from weightspace.models.layout import Layout
from weightspace.spec import Spec
from weightspace.tree import Tree

if TYPE_CHECKING:
    from weightspace.data.task import Task
    from weightspace.models.base import Model
    from weightspace.recipes.base import Recipe
    from weightspace.spaces.base import Space
    from weightspace.streams import Seeds

    class Training(Protocol):
        """What a probe knows of the run that it watches: `run.Run`, with tracers for its numbers."""

        @property
        def model(self) -> Model:
            """The network."""
            ...

        @property
        def task(self) -> Task:
            """Data and loss."""
            ...

        @property
        def space(self) -> Space:
            """Where the weights may lie."""
            ...

        @property
        def recipe(self) -> Recipe:
            """How they move."""
            ...

        @property
        def seeds(self) -> Seeds:
            """What is drawn, and how."""
            ...

        @property
        def precision(self) -> Any:
            """The arithmetic."""
            ...

else:
    # Inside compiled code the fields hold tracers, and tests give parts of a run.
    Training = Any

Carry = Any
Scalar = Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class Step:
    """One training step as a probe sees it, after the update.

    Attributes:
      t: Number of the step, from 0.
      run: The run, with tracers for its numbers.
      x: Inputs of the batch, decoded.
      y: Targets.
      example_weights: One a real example, zero a padded one.
      before: The coordinates before the update.
      theta: The coordinates after it.
      weights: w at the step's point, before the update.
      state: The model's state after the step.
      outputs: The model's outputs for x (before the update).
      losses: Loss of each example.
      g_weights: ∂L/∂w.
      g_theta: ∂L/∂θ.
      update: What was added to θ.
      lr: The learning rate of this step, schedule included.
      layout: What each leaf of the weights is.
      apply: `(weights, x) -> outputs` with the step's state, for probes that differentiate themselves.
      after: The weights at the step's point, after the update; computed where a probe asks.
      moved: What the update adds to the weights there, to first order; likewise, and without the rounding of
        a difference of two nearly equal vectors.
    """

    t: Int[Array, ""]
    run: Training
    x: Array
    y: Array
    example_weights: Float[Array, " batch"]
    before: Tree
    theta: Tree
    weights: Tree
    state: Tree
    outputs: Array
    losses: Float[Array, " batch"]
    g_weights: Tree
    g_theta: Tree
    update: Tree
    lr: Scalar
    layout: Layout
    apply: Callable[[Tree, Array], Array]
    after: Callable[[], Tree]
    moved: Callable[[], Tree]


@dataclasses.dataclass(frozen=True)
class At:
    """A reading as a probe sees it.

    Attributes:
      t: Steps done so far.
      last: Whether training ends here.
      run: The run, with tracers for its numbers.
      fixed: The space's fixed arrays.
      theta: The coordinates.
      state: The model's state.
      layout: What each leaf of the weights is.
      weights: `point name -> weights there`; "" is the space's default point.
      network: `(point name, statistics) -> Network` there, its state that of the run or estimated anew; of a
        tuple of names many networks along a leading axis. Asking twice costs once.
      renewed: `(network, statistics) -> Network`, any one network with a state estimated anew where the
        statistics are of that kind.
      evaluate: `(split, point name, examples, statistics) -> {metric: value}`; splits are `train`,
        `validation`, `test`; `examples` limits how many are used before the end; asking twice costs once.
      measure: `(network, split, limit, by_batch, many) -> {metric: value}`, at any weights and state, and by
        the statistics of each batch where asked; of many networks each metric has their leading axis.
      examples: `(split, limit) -> (x, y)`, decoded: so many of a split, spread evenly over the train split.
      apply: `(weights, x) -> outputs` at test time.
    """

    t: Int[Array, ""]
    last: Any
    run: Training
    fixed: Any
    theta: Tree
    state: Tree
    layout: Layout
    weights: Callable[[str], Tree]
    network: Callable[..., Network]
    renewed: Callable[..., Network]
    evaluate: Callable[..., Mapping[str, Scalar]]
    measure: Callable[..., Mapping[str, Array]]
    examples: Callable[[str, int], tuple[Array, Array]]
    apply: Callable[[Tree, Array], Array]


def at_the_end(at: At, measured: Callable[[], dict[str, Scalar]]) -> dict[str, Scalar]:
    """What is measured at the last reading only; NaN before, at no cost."""
    blank = {name: jnp.full(s.shape, jnp.nan, s.dtype) for name, s in jax.eval_shape(measured).items()}
    return jax.lax.cond(at.last, measured, lambda: blank)


class Probe(Spec, abc.ABC):
    """Something to record."""

    writes_columns: ClassVar[bool] = True
    """Whether `read` gives scalars: two probes of one kind then write the same columns."""

    @property
    def key(self) -> str:
        """The probe's name in the store, with the options that are not the default's."""
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        given = [(field.name, getattr(self, field.name), field.default) for field in fields]
        changed = [f"{name}={value}" for name, value, default in given if value != default]
        return type(self).__name__.lower() + (f"({','.join(changed)})" if changed else "")

    @property
    def columns(self) -> tuple[str, ...]:
        """What the names of those columns begin with whose numbers depend on the probe's options."""
        return ()

    @property
    def missing(self) -> tuple[str, ...]:
        """What the names of those columns begin with that are NaN where there is nothing to measure."""
        return ()

    def check(self, run: Training, layout: Layout) -> None:
        """Raise `InputError` where the run cannot give what the probe needs; says what that is."""

    def readings(self, total: int, per_epoch: int) -> tuple[int, ...] | None:
        """The steps the probe is read at, or None for the readings of the run's watch."""
        return None

    def init(self, at: At) -> Carry:
        """What is carried through the loop, before the first step."""
        return ()

    def update(self, carry: Carry, step: Step) -> Carry:
        """After each step."""
        return carry

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """At a reading: scalars by column name, and the carry for the window that begins here."""
        return {}, carry

    def finish(self, carry: Carry, at: At) -> dict[str, Tree]:
        """At the end: arrays by output name."""
        return {}
