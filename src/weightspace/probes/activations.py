"""Activation patterns at the training examples: how many change between readings, and which units are alive.

Assumption 1 of Loukas et al. (2021) holds from the reading on after which no pattern changes any more. A
unit's frequency is the share of examples at which it is active; the smallest over units that are ever active
is p_min, which enters Theorem 3.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from weightspace.errors import InputError, check_number
from weightspace.models.base import Model, example
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Scalar, Training
from weightspace.spec import spec, static


@spec
class Activations(Probe):
    """Which hidden units are positive before their activation, at examples of the train split.

    Columns `flip_rate` (share of units × examples that changed since the last reading), `flipped_examples`
    (share of examples with any change), `alive` (share of units active at one example or more) and
    `least_active` (the smallest frequency of a unit).

    Attributes:
      examples: How many of the train split at the most, spread evenly over it.
    """

    examples: int = static(default=200)

    def validate(self) -> None:
        """At least one example."""
        check_number("examples of activations", self.examples, least=1)

    def check(self, run: Training, layout: Layout) -> None:
        """Hidden layers."""
        if not _hidden(layout):
            raise InputError(
                f"the probe 'Activations' needs hidden layers, but {run.model.name} has an output layer only"
            )
        found = _known(run.model, tuple(run.task.data.shape))
        for module in _hidden(layout):
            if module not in found:
                raise InputError(
                    f"the probe 'Activations' needs the outputs of '{module}', but {run.model.name} shows "
                    f"those of {', '.join(name or 'the whole' for name in found) or 'no layer'} only"
                )

    def init(self, at: At) -> Carry:
        """The patterns at the start."""
        return self._patterns(at)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """What changed since the last reading."""
        now = self._patterns(at)
        changed = (now != carry).astype(jnp.float32)
        often = jnp.mean(now.astype(jnp.float32), axis=0)
        record = {
            "flip_rate": jnp.mean(changed),
            "flipped_examples": jnp.mean(jnp.max(changed, axis=1)),
            "alive": jnp.mean((often > 0).astype(jnp.float32)),
            "least_active": jnp.min(often),
        }
        return record, now

    def _patterns(self, at: At) -> Bool[Array, "examples units"]:
        x, _ = at.examples("train", self.examples)
        found = at.run.model.intermediates(at.weights(""), at.state, x)
        layers = [found[module] for module in _hidden(at.layout)]
        return jnp.concatenate([layer.reshape(len(x), -1) > 0 for layer in layers], axis=1)


def _hidden(layout: Layout) -> tuple[str, ...]:
    """The modules with a kernel or a bias, but for the output layer."""
    used = {leaf.module for leaf in layout if leaf.kind in ("kernel", "bias") and not leaf.output}
    return tuple(module for module in layout.modules if module in used)


@functools.lru_cache(maxsize=64)
def _known(model: Model, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The modules whose outputs a model shows; nothing is computed."""
    key = jax.random.key(0, impl="threefry2x32")
    names: list[str] = []

    def look(x: Array) -> None:
        names.extend(model.intermediates(*model.init(key, x), x))

    jax.eval_shape(look, example(shape))
    return tuple(names)
