"""How a layer's bias moves: its variance within a window, and its distance from the start.

Loukas et al. (2021): a complex function cannot sit still near a minimum (Corollary 2, variance), and ends
farther from where it started (Corollary 3, distance; for the squared error).
"""

import jax.numpy as jnp

from weightspace.probes.base import At, Carry, Scalar, Step
from weightspace.probes.layer import LayerProbe, norms
from weightspace.spec import spec


@spec
class BiasVariance(LayerProbe):
    """The variance of a bias since the last reading: mean ‖b_t - mean b‖², taken after each step.

    Columns `bias_variance`, and `bias_variance_normalised`, divided by the square of the last learning rate.
    """

    def init(self, at: At) -> Carry:
        """The bias now; sums of the differences from it, which lose no digits."""
        bias = self.value(at.weights(""), at.layout)
        zero = jnp.zeros((), bias.dtype)
        return {"origin": bias, "steps": zero, "sum": jnp.zeros_like(bias), "squares": zero, "lr": zero}

    def update(self, carry: Carry, step: Step) -> Carry:
        """Add a step."""
        apart = self.value(step.after(), step.layout) - carry["origin"]
        return {
            "origin": carry["origin"],
            "steps": carry["steps"] + 1,
            "sum": carry["sum"] + apart,
            "squares": carry["squares"] + jnp.sum(jnp.square(apart)),
            "lr": step.lr.astype(carry["lr"].dtype),
        }

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The variance; the window starts again at the bias now."""
        mean = carry["sum"] / carry["steps"]
        variance = jnp.maximum(carry["squares"] / carry["steps"] - jnp.sum(jnp.square(mean)), 0)
        record = {
            f"{self.prefix}bias_variance": variance,
            f"{self.prefix}bias_variance_normalised": variance / jnp.square(carry["lr"]),
        }
        return record, self.init(at)


@spec
class BiasDistance(LayerProbe):
    """The distance of a bias from its true start, ‖b_t - b₀‖.

    Columns `bias_distance` (now), `bias_distance_mean` and `bias_distance_max` (over the steps since the last
    reading).
    """

    def init(self, at: At) -> Carry:
        """The bias at the start."""
        bias = self.value(at.weights(""), at.layout)
        zero = jnp.zeros((), bias.dtype)
        return {"start": bias, "steps": zero, "sum": zero, "max": zero}

    def update(self, carry: Carry, step: Step) -> Carry:
        """Add a step."""
        apart = norms((self.value(step.after(), step.layout) - carry["start"])[None])[0]
        return {
            "start": carry["start"],
            "steps": carry["steps"] + 1,
            "sum": carry["sum"] + apart,
            "max": jnp.maximum(carry["max"], apart),
        }

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The distances; the window starts again."""
        now = norms((self.value(at.weights(""), at.layout) - carry["start"])[None])[0]
        zero = jnp.zeros_like(now)
        record = {
            "bias_distance": now,
            "bias_distance_mean": carry["sum"] / carry["steps"],
            "bias_distance_max": carry["max"],
        }
        after = {"start": carry["start"], "steps": zero, "sum": zero, "max": zero}
        return {self.prefix + name: value for name, value in record.items()}, after
