"""How far the weights and coordinates have come: distance and angle from the start, and length of the way."""

import jax.numpy as jnp

from weightspace.probes.base import At, Carry, Probe, Scalar, Step
from weightspace.spec import spec
from weightspace.tree import distance, dot, squared_norm


@spec
class Distance(Probe):
    """Column `distance`: ‖w(t) - w(0)‖₂ at the space's default point."""

    def init(self, at: At) -> Carry:
        """The weights before the first step."""
        return at.weights("")

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The distance now."""
        return {"distance": distance(at.weights(""), carry)}, carry


@spec
class CosineSimilarity(Probe):
    """Column `cosine_similarity`: ⟨w(t), w(0)⟩ / (‖w(t)‖ ‖w(0)‖) at the space's default point.

    They are the weights that the network computes with: what a mask prunes is zero. NaN where either is zero.
    """

    def init(self, at: At) -> Carry:
        """The weights before the first step."""
        return at.weights("")

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The cosine now."""
        now = at.weights("")
        norms = jnp.sqrt(squared_norm(now)) * jnp.sqrt(squared_norm(carry))
        return {"cosine_similarity": dot(now, carry) / norms}, carry


@spec
class GradientNorm(Probe):
    """Columns `gradient_norm`, ‖∂L/∂θ‖₂ of the last step's batch, and `gradient_norm_sum`, over all steps.

    The gradient is that to the coordinates, which is zero where a mask prunes; weight decay is left out. The
    sum is a sum over steps, no integral: twice the steps at half the rate have twice of it. NaN and 0 before
    the first step.
    """

    def init(self, at: At) -> Carry:
        """No step yet."""
        zero = jnp.zeros((), jnp.float32)
        return jnp.full((), jnp.nan, jnp.float32), zero, zero

    def update(self, carry: Carry, step: Step) -> Carry:
        """The norm of this step's."""
        norm = jnp.sqrt(squared_norm(step.g_theta)).astype(jnp.float32)
        return norm, carry[1], carry[2] + norm

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Both; windows are added to the total, as for lengths of paths."""
        last, before, window = carry
        total = before + window
        return {"gradient_norm": last, "gradient_norm_sum": total}, (last, total, jnp.zeros_like(window))


@spec
class PathLength(Probe):
    """Columns `path_length` and `path_length_window`: Σ ‖θ(t+1) - θ(t)‖₂ in all and since the last reading.

    And `tortuosity`: the whole length over ‖θ(t) - θ(0)‖₂, at least 1. Lengths are of the update itself: a
    difference of nearly equal float32 vectors has no digits left.
    """

    version = 2

    def init(self, at: At) -> Carry:
        """Both sums start at zero; the start is kept."""
        zero = jnp.zeros((), jnp.float32)
        return zero, zero, at.theta

    def update(self, carry: Carry, step: Step) -> Carry:
        """Add the norm of the update."""
        moved = jnp.sqrt(squared_norm(step.update)).astype(jnp.float32)
        return carry[0], carry[1] + moved, carry[2]

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The sums so far; the window's starts again."""
        before, window, start = carry
        # Windows are added to the total: a long sum of small steps would lose them one by one.
        total = before + window
        record = {
            "path_length": total,
            "path_length_window": window,
            "tortuosity": total / distance(at.theta, start).astype(jnp.float32),
        }
        return record, (total, jnp.zeros_like(window), start)
