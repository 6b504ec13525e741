"""Steadiness: how large single updates of a bias are, by quantiles.

A run is (τ, ϕ)-steady if φ_t ≤ ϕ for all t ≥ τ (Loukas et al., 2021, Definition 1): ϕ is the largest
`phi_max` after τ. A maximum hangs on one step, so quantiles of the window stand beside it; they are read from
a histogram of log φ, whose memory does not grow with the steps.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Scalar, Step, Training
from weightspace.probes.layer import LayerProbe, bias_gradients, check_separate_examples, norms
from weightspace.spec import spec

QUANTILES = {"phi_q50": 0.5, "phi_q90": 0.9, "phi_q99": 0.99}
LOW, HIGH, PER_OCTAVE = -16, 12, 6
"""Powers of two between which φ is counted, and bins of each: quantiles are right to 6 %."""
BINS = (HIGH - LOW) * PER_OCTAVE


@spec
class Steadiness(LayerProbe):
    """Columns `phi_q50`, `phi_q90`, `phi_q99`: quantiles of φ since the last reading, right to 6 %."""

    def check(self, run: Training, layout: Layout) -> None:
        """A bias, and gradients of single examples."""
        super().check(run, layout)
        check_separate_examples(self, run)

    def init(self, at: At) -> Carry:
        """An empty histogram."""
        return jnp.zeros((BINS,), jnp.float32)

    def update(self, carry: Carry, step: Step) -> Carry:
        """Count the φ of a step's examples."""
        _, gradients = bias_gradients(step, self.bias(step.layout).path)
        places = _bin(norms(gradients).astype(jnp.float32))
        # A comparison with every bin runs in vector registers; adding at an index would not.
        hit = places[:, None] == jnp.arange(BINS, dtype=jnp.int32)[None, :]
        weights = step.example_weights.astype(jnp.float32)[:, None]
        return carry + jnp.sum(jnp.where(hit, weights, jnp.zeros_like(weights)), axis=0)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The quantiles; the histogram is emptied."""
        record = {self.prefix + name: quantile(carry, share) for name, share in QUANTILES.items()}
        return record, jnp.zeros_like(carry)


def _bin(phi: Float[Array, " batch"]) -> Array:
    tiny = jnp.float32(2.0**LOW)
    place = (jnp.log2(jnp.maximum(phi, tiny)) - LOW) * PER_OCTAVE
    return jnp.clip(place.astype(jnp.int32), 0, BINS - 1)


def quantile(counts: Float[Array, " bins"], share: float) -> Float[Array, ""]:
    """The middle, in logarithm, of the bin where the counts reach a share of their sum; NaN if empty."""
    total = jnp.sum(counts)
    reached = jnp.cumsum(counts) >= jnp.float32(share) * total
    place = jnp.argmax(reached).astype(jnp.float32)
    value = jnp.exp2((place + 0.5) / PER_OCTAVE + LOW)
    return jnp.where(total > 0, value, jnp.nan)
