"""Barrier: how much worse a network gets on the straight line between two trained ones.

Two trainings end in one linearly connected basin if nothing rises between them. Where both began at one set
of weights and saw other data orders, this says whether training was stable to the order from there on
(Frankle, Dziugaite, Roy & Carbin, "Linear mode connectivity and the lottery ticket hypothesis", 2020).
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from weightspace import tree
from weightspace.data.task import Task
from weightspace.errors import check_choice, check_number
from weightspace.measure.agreement import barriers
from weightspace.measure.host import TRAIN_EXAMPLES, measure, stacked
from weightspace.measure.network import STATISTICS, Network, Subject
from weightspace.models.base import layout_of
from weightspace.models.fit import check_finite_tree, check_fit
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.tree import Tree


def barrier(values: Float[np.ndarray, " points"]) -> float:
    """max_α v(α) - (v(0) + v(1)) / 2, of values at points of a line, its ends first and last.

    >>> barrier(np.array([0.25, 1.0, 0.75]))
    0.5
    """
    return barriers(values, [float(place) for place in range(len(values))])["barrier_ends"]


def between(a: Tree, b: Tree, alpha: float) -> Tree:
    """(1 - α) a + α b, leaf by leaf; both ends are met exactly."""

    def mix(u: Any, v: Any) -> Any:
        u, v = jnp.asarray(u), jnp.asarray(v)
        share = jnp.asarray(alpha, u.dtype)
        return (1 - share) * u + share * v

    return jax.tree.map(mix, a, b)


@spec
class Barrier(Derived):
    """Loss and error at evenly spaced points w(α) = (1 - α) a + α b, α ∈ [0, 1].

    Columns, on the test split: `barrier_loss`, `loss_a`, `loss_b`, and where targets are classes
    `barrier_error`, `error_a`, `error_b` (shares misclassified); the same with `train_` in front, on 5,000
    training examples spread evenly over those of the run; `distance_ab` = ‖a - b‖. Outputs `alphas`,
    `losses`, `errors`, `train_losses`, `train_errors`. All points are measured in one reading of the data, by
    the functions that evaluate trainings: its ends are what `Evaluation` gives there.

    Attributes:
      model: The network.
      task: Data and loss.
      a: Weights at α = 0.
      b: Weights at α = 1.
      seeds: Of a run, by which training examples were chosen.
      points: How many, both ends among them.
      statistics: What normalisation goes by, as in `Evaluation`: each `batch`'s own, `recalibrated` or
        `pooled` for each point, or `running` ones, mixed like the weights from those at the ends.
      states: The model's states that go with a and b, for `running` and `recalibrated` statistics.
    """

    version = 3

    model: Any
    task: Task
    a: Any
    b: Any
    seeds: Seeds
    points: int = static(default=11)
    statistics: str = static(default="batch")
    states: Any = None

    def validate(self) -> None:
        """Two points at least, and known statistics."""
        check_choice("statistics", self.statistics, STATISTICS)
        check_number("points of a line", self.points, least=2, hint="Both ends are among them.")

    def compute(self) -> dict[str, Tree]:
        """Walk along the line."""
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype("float32"))
        check_fit("the end 'a' of a line", self.a, layout)
        check_fit("the end 'b' of a line", self.b, layout)
        for name in ("a", "b"):
            check_finite_tree(f"the end '{name}' of a line", getattr(self, name))
        alphas = np.linspace(0.0, 1.0, self.points)
        line = stacked([self._at(alpha) for alpha in alphas.tolist()])
        splits = {"test": None, "train": TRAIN_EXAMPLES}
        # The task's metrics are no part of its identity, so the columns are those of the loss.
        subject = Subject(self.model, dataclasses.replace(self.task, metrics=()), self.seeds)
        measured = measure(subject, line, splits, self.statistics)
        found: dict[str, Any] = {"alphas": alphas, "distance_ab": float(tree.distance(self.a, self.b))}
        for prefix, split in (("", "test"), ("train_", "train")):
            found |= _columns(prefix, "loss", "losses", measured[f"{split}_loss"])
            if f"{split}_accuracy" in measured:
                found |= _columns(prefix, "error", "errors", 1 - measured[f"{split}_accuracy"])
        return found

    def _at(self, alpha: float) -> Network:
        """The network at a point of the line."""
        state = None if self.states is None else _mixed_state(self.states[0], self.states[1], alpha)
        return Network(tree.cast(between(self.a, self.b, alpha), jnp.float32), state)


def _mixed_state(a: Tree, b: Tree, alpha: float) -> Tree:
    """Statistics like weights; counters and other whole numbers are those of the first end."""

    def mix(u: Any, v: Any) -> Any:
        floating = jnp.issubdtype(jnp.asarray(u).dtype, jnp.floating)
        return between(u, v, alpha) if floating else u

    return jax.tree.map(mix, a, b)


def _columns(prefix: str, name: str, plural: str, values: Float[np.ndarray, " points"]) -> dict[str, Any]:
    return {
        f"{prefix}barrier_{name}": barrier(values),
        f"{prefix}{name}_a": float(values[0]),
        f"{prefix}{name}_b": float(values[-1]),
        f"{prefix}{plural}": values,
    }
