"""Optimisers: the direction of a step, by optax; the learning rate is applied by the training step.

`direction()` gives an optax transformation whose numbers may be traced, so that learning rates, momenta and
betas can differ from run to run in one compiled program.
"""

import abc
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
    """Heavy ball: v ← β v + g; direction v, or g + β v with `nesterov`."""

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
    """Kingma & Ba, 2015, with the bias correction 1 - βᵗ."""

    lr: float
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    @property
    def name(self) -> str:
        """`adam`."""
        return "adam"

    def direction(self) -> optax.GradientTransformation:
        """Optax's scaling by moments."""
        return optax.scale_by_adam(b1=self.b1, b2=self.b2, eps=self.eps)


@spec
class RmsProp(Optimiser):
    """g / √(running mean of g²)."""

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
        """Moments divided by constants."""
        return optax.GradientTransformation(_moments, self._update)

    def _update(self, updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        mean = jax.tree.map(lambda m, g: self.b1 * m + (1 - self.b1) * g, state.mean, updates)
        square = jax.tree.map(lambda v, g: self.b2 * v + (1 - self.b2) * g * g, state.square, updates)
        direction = jax.tree.map(
            lambda m, v: (m / (1 - self.b1)) / (jnp.sqrt(v / (1 - self.b2)) + self.eps), mean, square
        )
        return direction, Moments(mean, square)


class Moments(NamedTuple):
    """Running means of the gradient and of its square."""

    mean: Any
    square: Any


def _moments(params: Any) -> Moments:
    return Moments(jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))


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
