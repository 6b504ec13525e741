"""Optimisers: the direction of a step, as optax has it; the learning rate is applied by the training step.

`direction()` gives an optax transformation whose numbers may be traced, so that learning rates, momenta and
betas can differ from run to run in one compiled program.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from weightspace.errors import check_number, unknown
from weightspace.spec import Spec, spec, static


class Optimiser(Spec, abc.ABC):
    """A learning rate and the rule that turns a gradient into a direction.

    Attributes:
      lr: Learning rate before the schedule.
    """

    lr: float

    def validate(self) -> None:
        """Learning rates are not negative; betas lie in [0, 1); eps is positive."""
        check_number("lr", self.lr, least=0)
        for name in ("momentum", "b1", "b2", "decay"):
            check_number(name, getattr(self, name, None), least=0, below=1)
        check_number("eps", getattr(self, "eps", None), above=0)

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the optimiser is called on the command line and in tables."""

    @abc.abstractmethod
    def direction(self) -> optax.GradientTransformation:
        """Gradient -> direction; the step is `-lr * multiplier * direction`."""


@spec
class Sgd(Optimiser):
    """The gradient itself."""

    lr: float

    @property
    def name(self) -> str:
        """`sgd`."""
        return "sgd"

    def direction(self) -> optax.GradientTransformation:
        """The identity."""
        return optax.identity()


@spec
class Momentum(Optimiser):
    """Heavy ball: v ← β v + g; direction v, or g + β v with `nesterov`.

    Attributes:
      momentum: β.
      nesterov: Whether the gradient is added once more.
    """

    lr: float
    momentum: float = 0.9
    nesterov: bool = static(default=False)

    @property
    def name(self) -> str:
        """`momentum`."""
        return "momentum"

    def direction(self) -> optax.GradientTransformation:
        """Optax's trace."""
        return optax.trace(decay=self.momentum, nesterov=self.nesterov)


@spec
class Adam(Optimiser):
    """Kingma & Ba, 2015, with the bias correction 1 - βᵗ.

    Attributes:
      b1: β₁ of the gradient's mean.
      b2: β₂ of its square's.
      eps: Added to the root of the square's mean.
    """

    lr: float
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    @property
    def name(self) -> str:
        """`adam`."""
        return "adam"

    def direction(self) -> optax.GradientTransformation:
        """Moments over 1 - βᵗ."""
        return _by_moments(self.b1, self.b2, self.eps, lambda t: (1 - self.b1**t, 1 - self.b2**t))


@spec
class RmsProp(Optimiser):
    """g / √(running mean of g²).

    Attributes:
      decay: Of the mean, v ← decay · v + (1 - decay) · g².
      eps: Added to it under the root.
    """

    lr: float
    decay: float = 0.9
    eps: float = 1e-8

    @property
    def name(self) -> str:
        """`rmsprop`."""
        return "rmsprop"

    def direction(self) -> optax.GradientTransformation:
        """Optax's scaling by the root of the second moment."""
        return optax.scale_by_rms(decay=self.decay, eps=self.eps)


@spec
class AdamLegacy(Optimiser):
    """Adam with a constant bias correction, 1 - β in the place of 1 - βᵗ.

    The original code of Larsen et al. (2022) divides by these constants. Relative to `Adam` the step is
    multiplied by (1 - β₁ᵗ)/(1 - β₁) · √((1 - β₂)/(1 - β₂ᵗ)): 1 at t = 1, 2.06 at 10, 1.0 at 100, 0.316 in
    the end, a hidden warm-up and decay. Kept to reproduce its numbers, not to be preferred.

    Attributes:
      b1: β₁ of the gradient's mean.
      b2: β₂ of its square's.
      eps: Added to the root of the square's mean.
    """

    lr: float
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-7

    @property
    def name(self) -> str:
        """`adam-legacy`."""
        return "adam-legacy"

    def direction(self) -> optax.GradientTransformation:
        """Moments over 1 - β."""
        return _by_moments(self.b1, self.b2, self.eps, lambda _: (1 - self.b1, 1 - self.b2))


class Moments(NamedTuple):
    """Steps done, and running means of the gradient and of its square."""

    count: Any
    mean: Any
    square: Any


def _by_moments(
    b1: Any, b2: Any, eps: Any, corrections: Callable[[Any], tuple[Any, Any]]
) -> optax.GradientTransformation:
    """Direction (m / c₁) / (√(v / c₂) + ε), with corrections c₁, c₂ of the step's number t from 1.

    Optax's own Adam divides every entry by both corrections; their reciprocals, taken once, save a sixteenth
    of a small network's step.
    """

    def start(params: Any) -> Moments:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return Moments(jnp.int32(0), zeros, zeros)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Moments]:  # noqa: ARG001
        count = state.count + 1
        first, second = (1 / c for c in corrections(count.astype(jnp.float32)))
        mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mean, updates)
        square = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * (g * g), state.square, updates)
        direction = jax.tree.map(lambda m, v: (m * first) / (jnp.sqrt(v * second) + eps), mean, square)
        return direction, Moments(count, mean, square)

    return optax.GradientTransformation(start, update)


_BY_NAME = {
    "sgd": Sgd,
    "momentum": Momentum,
    "adam": Adam,
    "adam-legacy": AdamLegacy,
    "rmsprop": RmsProp,
}


def names() -> tuple[str, ...]:
    """The optimisers known by name; `adamw` is `adam` with decoupled decay."""
    return (*_BY_NAME, "adamw")


def make_optimiser(name: str, lr: float, **numbers: float) -> Optimiser:
    """An optimiser by name.

    Raises:
      InputError: If there is none of that name.
    """
    cls = _BY_NAME.get("adam" if name == "adamw" else name.replace("_", "-"))
    if cls is None:
        raise unknown("optimiser", name, names())
    return cls(lr=lr, **numbers)
