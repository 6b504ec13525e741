"""Barrier: how much worse a network gets on the straight line between two trained ones.

Two trainings end in one linearly connected basin if nothing rises between them. Where both began at one set
of weights and saw other data orders, this says whether training was stable to the order from there on
(Frankle, Dziugaite, Roy & Carbin, "Linear mode connectivity and the lottery ticket hypothesis", 2020).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from weightspace import tree
from weightspace.data.task import Task
from weightspace.derived.measure import TRAIN_EXAMPLES, Measure, keeps_statistics
from weightspace.errors import check_number
from weightspace.masks.fit import check_finite_tree, check_fit
from weightspace.models.base import layout_of
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.tree import Tree


def barrier(values: Float[np.ndarray, " points"]) -> float:
    """max_α v(α) - (v(0) + v(1)) / 2, of values at points of a line, its ends first and last.

    >>> barrier(np.array([0.25, 1.0, 0.75]))
    0.5
    """
    return float(values.max() - (values[0] + values[-1]) / 2)


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
    `losses`, `errors`, `train_losses`, `train_errors`. A network with normalisation is evaluated with the
    statistics of each batch of up to 1,000 examples, as no run has any for the weights in between; batches
    are formed by content, so that no number depends on the order of a file.

    Attributes:
      model: The network.
      task: Data and loss.
      a: Weights at α = 0.
      b: Weights at α = 1.
      seeds: Of a run, by which training examples were chosen.
      points: How many, both ends among them.
    """

    @property
    def version(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """2 where batches are normalised: since then they go by content."""
        return 2 if keeps_statistics(self.model, tuple(self.task.data.shape)) else 1

    model: Any
    task: Task
    a: Any
    b: Any
    seeds: Seeds
    points: int = static(default=11)

    def validate(self) -> None:
        """Two points at least."""
        check_number("points of a line", self.points, least=2, hint="Both ends are among them.")

    def compute(self) -> dict[str, Tree]:
        """Walk along the line."""
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype("float32"))
        check_fit("the end 'a' of a line", self.a, layout)
        check_fit("the end 'b' of a line", self.b, layout)
        for name in ("a", "b"):
            check_finite_tree(f"the end '{name}' of a line", getattr(self, name))
        measure = Measure(self.model, self.task, self.seeds)
        alphas = np.linspace(0.0, 1.0, self.points)
        found: dict[str, Any] = {"alphas": alphas, "distance_ab": float(tree.distance(self.a, self.b))}
        networks = [between(self.a, self.b, alpha) for alpha in alphas.tolist()]
        for prefix, split, limit in (("", "test", None), ("train_", "train", TRAIN_EXAMPLES)):
            measured = [measure(weights, split, limit) for weights in networks]
            losses = np.array([each["loss"] for each in measured])
            found |= _columns(prefix, "loss", "losses", losses)
            if "accuracy" in measured[0]:
                errors = 1 - np.array([each["accuracy"] for each in measured])
                found |= _columns(prefix, "error", "errors", errors)
        return found


def _columns(prefix: str, name: str, plural: str, values: Float[np.ndarray, " points"]) -> dict[str, Any]:
    return {
        f"{prefix}barrier_{name}": barrier(values),
        f"{prefix}{name}_a": float(values[0]),
        f"{prefix}{name}_b": float(values[-1]),
        f"{prefix}{plural}": values,
    }
