"""The bias trajectory: how far a layer's bias travels, in units that make it a measure of complexity.

Loukas et al. (2021), §4: Σ φ_t over an epoch is longer for more complex functions, and its mean per step
estimates the average local Lipschitz constant at the training examples, between λ/σ₁ and λ/σₙ of the layer's
matrix (Theorem 1). φ is defined in `probes.layer`.
"""

import jax.numpy as jnp

from weightspace import tree
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Scalar, Step, Training
from weightspace.probes.layer import (
    LayerProbe,
    bias_gradients,
    check_separate_examples,
    norms,
    weighted_mean,
)
from weightspace.spec import spec
from weightspace.tree import Tree


@spec
class BiasPath(LayerProbe):
    """The length of a bias's path: sums of the normalised updates φ since the last reading and in all.

    Columns, of the window since the last reading: `trajectory` (Σ φ), `trajectory_mean` (per step),
    `phi_max`, `loss_derivative` (mean ε), `update_length` (Σ ‖Δb‖ / rate, of the optimiser's own steps); of
    all steps so far: `trajectory_total`, and `trajectory_total_mean`, divided by the steps of an epoch. With
    batches of more than one example φ is the mean over the batch, and `phi_batch` that of the mean gradient,
    which cancellation makes shorter. Output `phi_max`: the last window's.
    """

    def check(self, run: Training, layout: Layout) -> None:
        """A bias, and gradients of single examples."""
        super().check(run, layout)
        check_separate_examples(self, run)

    def init(self, at: At) -> Carry:
        """All sums start at zero."""
        zero = jnp.zeros((), at.run.precision.storage)
        names = ("steps", "phi", "phi_max", "phi_batch", "epsilon", "update", "before", "last")
        return dict.fromkeys(names, zero)

    def update(self, carry: Carry, step: Step) -> Carry:
        """Add a step."""
        path = self.bias(step.layout).path
        epsilon, gradients = bias_gradients(step, path)
        phi, mean_epsilon = norms(gradients), weighted_mean(epsilon, step.example_weights)
        moved = norms(tree.flat_dict(step.moved())[path][None])[0]
        found = {
            "steps": carry["steps"] + 1,
            "phi": carry["phi"] + weighted_mean(phi, step.example_weights),
            "phi_max": jnp.maximum(carry["phi_max"], jnp.max(phi * step.example_weights.astype(phi.dtype))),
            "epsilon": carry["epsilon"] + mean_epsilon,
            "update": carry["update"] + moved / jnp.maximum(step.lr, jnp.finfo(step.lr.dtype).tiny),
            "before": carry["before"],
            "last": carry["last"],
            "phi_batch": carry["phi_batch"],
        }
        if step.x.shape[0] > 1:
            of_mean = norms(tree.flat_dict(step.g_weights)[path][None])[0]
            smallest = jnp.finfo(of_mean.dtype).tiny
            found["phi_batch"] = carry["phi_batch"] + of_mean / jnp.maximum(mean_epsilon, smallest)
        return {name: value.astype(carry[name].dtype) for name, value in found.items()}

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The window's sums, which start again, and the totals."""
        recipe, size = at.run.recipe, at.run.task.data.size
        steps = carry["steps"]
        total = carry["before"] + carry["phi"]
        record = {
            "trajectory": carry["phi"],
            "trajectory_mean": carry["phi"] / steps,
            "trajectory_total": total,
            "trajectory_total_mean": total / jnp.asarray(recipe.steps_per_epoch(size), total.dtype),
            "phi_max": carry["phi_max"],
            "loss_derivative": carry["epsilon"] / steps,
            "update_length": carry["update"],
        }
        if recipe.batch > 1:
            record["phi_batch"] = carry["phi_batch"] / steps
        after = {name: jnp.zeros_like(value) for name, value in carry.items()} | {"before": total}
        return {self.prefix + name: value for name, value in record.items()}, after | {
            "last": carry["phi_max"]
        }

    def finish(self, carry: Carry, at: At) -> dict[str, Tree]:
        """`phi_max`: the largest φ between the last two readings."""
        return {"phi_max": carry["last"]}
