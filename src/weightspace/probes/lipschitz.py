"""The local Lipschitz constant λ = ‖∇ₓŷ‖₂: how steep the network is at the examples.

Within a linear region a ReLU network is affine, and λ is its exact Lipschitz constant there. At the example
of a step it is taken before the update, and with an identity as first matrix it equals φ (Loukas et al.,
2021, Lemma 1). Where the inputs lie in a subspace, most of λ may point out of it: only the part inside says
how the network varies along the data.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_number
from weightspace.models.base import output_shape_of
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Scalar, Step, Training
from weightspace.probes.layer import check_separate_examples, norms, weighted_mean
from weightspace.spec import spec, static

BATCH = 250
"""Examples whose gradients are taken at once at a reading."""


def check_one_output(probe: Probe, run: Training) -> None:
    """Raise `InputError` unless the model has one output, and inputs that can be moved."""
    data, storage = run.task.data, run.precision.storage
    if data.input_dtype(storage) != storage:
        raise InputError(
            f"the probe '{type(probe).__name__}' needs gradients by the inputs, but those of {data.name} are "
            "whole numbers (names), which cannot be moved; leave the probe out"
        )
    shape = output_shape_of(run.model, tuple(data.shape), storage)
    if shape not in ((), (1,)):
        raise InputError(
            f"the probe '{type(probe).__name__}' needs a model with one output, but {run.model.name} has "
            f"outputs of shape {list(shape)}; the probe 'bias-path' takes any number"
        )


@spec
class Lipschitz(Probe):
    """λ at the examples of the steps: `lipschitz_sampled` (mean since the last reading) and its maximum.

    Columns `lipschitz_sampled`, `lipschitz_sampled_max`.
    """

    def check(self, run: Training, layout: Layout) -> None:
        """One output, and examples that do not see each other."""
        check_one_output(self, run)
        check_separate_examples(self, run)

    def init(self, at: At) -> Carry:
        """Nothing seen yet."""
        return dict.fromkeys(("steps", "sum", "max"), jnp.zeros((), at.run.precision.storage))

    def update(self, carry: Carry, step: Step) -> Carry:
        """Add a step."""
        loss = step.run.task.loss
        gradients = jax.grad(lambda x: jnp.sum(loss.predicted(step.apply(step.weights, x))))(step.x)
        each = norms(gradients).astype(carry["sum"].dtype)
        real = step.example_weights.astype(each.dtype)
        return {
            "steps": carry["steps"] + 1,
            "sum": carry["sum"] + weighted_mean(each, step.example_weights),
            "max": jnp.maximum(carry["max"], jnp.max(each * real)),
        }

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Mean and maximum of the window."""
        record = {
            "lipschitz_sampled": carry["sum"] / carry["steps"],
            "lipschitz_sampled_max": carry["max"],
        }
        return record, jax.tree.map(jnp.zeros_like, carry)


@spec
class LipschitzSet(Probe):
    """λ over a set of examples, at the readings: mean and maximum, and the part inside the data's plane.

    Columns `lipschitz_mean`, `lipschitz_max`; where the data know their plane (or `plane` gives one) also
    `lipschitz_inside` and `lipschitz_outside`, the mean norms of the two parts of the gradient, and
    `lipschitz_inside_share`, the share of the squared norm that lies inside. Columns of another split than
    the training one begin with its name.

    Attributes:
      split: `train`, `validation` or `test`.
      examples: How many of it at the most, spread evenly over the train split.
      plane: Rows that span a subspace of the (flat) inputs; None for the data's own, if they know one.
    """

    split: str = static(default="train")
    examples: int = static(default=1_000)
    plane: tuple[tuple[float, ...], ...] | None = static(default=None)

    def validate(self) -> None:
        """At least one example."""
        check_number("examples of lipschitz-set", self.examples, least=1)

    def check(self, run: Training, layout: Layout) -> None:
        """One output, and a plane of the inputs' dimension."""
        check_one_output(self, run)
        size = 1
        for length in run.task.data.shape:
            size *= length
        if self.plane is not None and any(len(row) != size for row in self.plane):
            raise InputError(
                f"the plane of lipschitz-set must have rows of {size} numbers, one for each of an input"
            )

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """All of it, now."""
        x, _ = at.examples(self.split, self.examples)
        weights, loss = at.weights(""), at.run.task.loss

        def gradient(x: Array) -> Array:
            return jax.grad(lambda x: jnp.sum(loss.predicted(at.apply(weights, x[None]))))(x).reshape(-1)

        each = jax.lax.map(gradient, x, batch_size=min(BATCH, len(x)))
        record = {"lipschitz_mean": jnp.mean(norms(each)), "lipschitz_max": jnp.max(norms(each))}
        plane = self._plane(at)
        record |= {} if plane is None else _parts(each, plane.astype(each.dtype))
        prefix = "" if self.split == "train" else f"{self.split}_"
        return {prefix + name: value for name, value in record.items()}, carry

    def _plane(self, at: At) -> Array | None:
        if self.plane is not None:
            return jnp.asarray(self.plane, jnp.float32)
        return at.run.task.data.plane(at.run.seeds)


def _parts(each: Float[Array, "batch n"], plane: Float[Array, "k n"]) -> dict[str, Scalar]:
    """The gradients' parts inside and outside the span of the plane's rows."""
    directions = jnp.linalg.qr(plane.T)[0]
    coordinates = each @ directions
    outside = each - coordinates @ directions.T
    energy = jnp.sum(jnp.square(each))
    return {
        "lipschitz_inside": jnp.mean(norms(coordinates)),
        "lipschitz_outside": jnp.mean(norms(outside)),
        "lipschitz_inside_share": jnp.sum(jnp.square(coordinates)) / energy,
    }
