"""Losses: what is minimised, example by example; means, weighted by example, are the caller's.

A loss maps outputs and targets of a batch to one number an example, so that padded examples can count zero
and a probe can ask for ε = |∂ℓ/∂ŷ| of each. It says what a model must put out for a data set, refuses what
does not fit before anything is traced, and brings the metrics that its targets allow. Losses are computed in
float32 at least, whatever the precision of the outputs.
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Shaped

from weightspace.errors import InputError, check_number, unknown
from weightspace.recipes import targets
from weightspace.recipes.targets import Targets
from weightspace.spec import Spec, spec

PerExample = Float[Array, " batch"]


class Loss(Spec, abc.ABC):
    """One number an example, to be made small."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the loss is called on the command line and in tables."""

    @abc.abstractmethod
    def __call__(self, outputs: Array, y: Array) -> PerExample:
        """The loss of each example.

        Args:
          outputs: Of the model [batch, k], or [batch] for one output.
          y: Class numbers [batch] or targets [batch] or [batch, k].
        """

    @abc.abstractmethod
    def width(self, data: Targets) -> int:
        """How many outputs a model needs for a data set."""

    @abc.abstractmethod
    def check(self, data: Targets, outputs_shape: tuple[int, ...]) -> None:
        """Refuse targets and outputs that do not fit.

        Args:
          data: The data set.
          outputs_shape: The shape of a model's outputs for one example, without the batch.

        Raises:
          InputError: Says which outputs or targets the loss takes.
        """

    def predicted(self, outputs: Array) -> Array:
        """ŷ, what is compared with the targets: the outputs themselves unless a loss turns them first."""
        return outputs

    def derivative(self, outputs: Array, y: Array) -> PerExample:
        """ε = ‖∂ℓ/∂ŷ‖₂ of each example."""
        gradient = jax.grad(lambda outputs: jnp.sum(self(outputs, y)))(outputs)
        return jnp.sqrt(jnp.sum(jnp.square(gradient.reshape(gradient.shape[0], -1)), axis=1))

    def metrics(self, outputs: Array, y: Array) -> dict[str, PerExample]:
        """Values whose weighted means are metrics: `loss`, and `accuracy` where targets are classes."""
        found = {"loss": self(outputs, y)}
        right = self.right(outputs, y)
        return found if right is None else found | {"accuracy": right.astype(found["loss"].dtype)}

    def right(self, outputs: Array, y: Array) -> Array | None:
        """Which examples are classified correctly; None where that has no meaning."""
        return None


def _wide(outputs: Array) -> Array:
    return outputs.astype(jnp.float64 if outputs.dtype == jnp.float64 else jnp.float32)


def _column(values: Array, dtype: Any) -> Shaped[Array, " batch"]:
    """One value an example: [batch] or [batch, 1] as [batch]."""
    return values.reshape(values.shape[0]).astype(dtype)


def _check_one_output(name: str, outputs_shape: tuple[int, ...]) -> None:
    if outputs_shape not in ((), (1,)):
        raise InputError(
            f"{name} takes one output an example, but the model's have shape {list(outputs_shape)}"
        )


def most_likely(outputs: Array, y: Array) -> Array:
    """Whether the largest output is that of the label's class."""
    return jnp.argmax(outputs, axis=-1).astype(jnp.int32) == y


@spec
class CrossEntropy(Loss):
    """Softmax cross-entropy: -Σ q_c log softmax(outputs)_c, q = (1 - smoothing) · onehot(y) + smoothing / k.

    Attributes:
      smoothing: Label smoothing (Szegedy et al., 2016), in [0, 1].
    """

    smoothing: float = 0.0

    def validate(self) -> None:
        """A share."""
        check_number("label smoothing", self.smoothing, least=0, most=1)

    @property
    def name(self) -> str:
        """`cross-entropy`."""
        return "cross-entropy"

    def __call__(self, outputs: Array, y: Array) -> PerExample:
        """By optax, on log-softmax."""
        logits = _wide(outputs)
        hard = jax.nn.one_hot(y, logits.shape[-1], dtype=logits.dtype)
        soft = optax.smooth_labels(hard, jnp.asarray(self.smoothing).astype(logits.dtype))
        return optax.softmax_cross_entropy(logits, soft)

    def width(self, data: Targets) -> int:
        """One output a class."""
        return data.outputs

    def check(self, data: Targets, outputs_shape: tuple[int, ...]) -> None:
        """Classes, and one output for each."""
        if data.classes is None:
            raise InputError(
                f"cross-entropy needs class numbers, but {data.name} {targets.instead_of_classes(data)}"
            )
        if outputs_shape != (data.classes,):
            why = targets.unlike_outputs(data, outputs_shape[0]) if len(outputs_shape) == 1 else ""
            raise InputError(
                f"cross-entropy on {data.name} takes {data.classes} outputs, one a class, but the model's "
                f"have shape {list(outputs_shape)}{why}"
            )

    def right(self, outputs: Array, y: Array) -> Array | None:
        """Whether the largest output is the label's."""
        return most_likely(outputs, y)


@spec
class BinaryCrossEntropy(Loss):
    """Cross-entropy of one output's sigmoid: -factor · (y log σ(f) + (1 - y) log(1 - σ(f))).

    Attributes:
      factor: What multiplies it; 1/2 for the BCE/2 of training complexity.
    """

    factor: float = 1.0

    def validate(self) -> None:
        """A positive factor."""
        check_number("factor of bce", self.factor, above=0)

    @property
    def name(self) -> str:
        """`bce`."""
        return "bce"

    def __call__(self, outputs: Array, y: Array) -> PerExample:
        """By optax, from the output before the sigmoid."""
        logits = _wide(outputs)
        logits = _column(logits, logits.dtype)
        values = optax.sigmoid_binary_cross_entropy(logits, _column(y, logits.dtype))
        return jnp.asarray(self.factor).astype(logits.dtype) * values

    def predicted(self, outputs: Array) -> Array:
        """The probability σ(f)."""
        return jax.nn.sigmoid(outputs)

    def derivative(self, outputs: Array, y: Array) -> PerExample:
        """By the probability p given to the true label: factor / p = factor · (1 + exp(∓f))."""
        logits = _wide(outputs)
        logits = _column(logits, logits.dtype)
        sign = 1 - 2 * _column(y, logits.dtype)
        return jnp.asarray(self.factor).astype(logits.dtype) * (1 + jnp.exp(sign * logits))

    def width(self, data: Targets) -> int:
        """One."""
        return 1

    def check(self, data: Targets, outputs_shape: tuple[int, ...]) -> None:
        """Targets 0 and 1, one output."""
        _check_one_output("bce", outputs_shape)
        arrays = data.arrays()
        for part in (arrays.train, arrays.test):
            y = np.asarray(part.y)
            if y.size != len(y) or not np.isin(y, (0, 1)).all() or data.classes not in (None, 2):
                raise InputError(
                    f"bce needs two classes, 0 and 1, but {data.name} {targets.instead_of_bits(data)}"
                )

    def right(self, outputs: Array, y: Array) -> Array | None:
        """Whether the output's sign is the label's."""
        return (_column(outputs, outputs.dtype) > 0) == (_column(y, jnp.float32) > 0.5)


@spec
class SquaredError(Loss):
    """factor · mean over the outputs of (f - y)²; two classes count as the targets 0 and 1.

    Attributes:
      factor: What multiplies it; 1/2 for MSE/2.
    """

    factor: float = 1.0

    def validate(self) -> None:
        """A positive factor."""
        check_number("factor of mse", self.factor, above=0)

    @property
    def name(self) -> str:
        """`mse`."""
        return "mse"

    def __call__(self, outputs: Array, y: Array) -> PerExample:
        """By optax."""
        wide = _wide(outputs).reshape(outputs.shape[0], -1)
        errors = optax.squared_error(wide, y.astype(wide.dtype).reshape(wide.shape))
        return jnp.asarray(self.factor).astype(wide.dtype) * jnp.mean(errors, axis=1)

    def width(self, data: Targets) -> int:
        """One output a target; one for two classes."""
        return 1 if data.classes == 2 else data.outputs

    def check(self, data: Targets, outputs_shape: tuple[int, ...]) -> None:
        """As many outputs as targets."""
        if data.classes is not None:
            if data.classes != 2:
                raise InputError(
                    f"mse needs real targets, but {data.name} {targets.instead_of_amounts(data)}"
                )
            return _check_one_output("mse on two classes", outputs_shape)
        wanted = ((), (1,)) if data.outputs == 1 else ((data.outputs,),)
        if outputs_shape not in wanted:
            raise InputError(
                f"mse on {data.name} takes {data.outputs} outputs, one a target, but the model's have shape "
                f"{list(outputs_shape)}"
            )
        return None

    def right(self, outputs: Array, y: Array) -> Array | None:
        """For two classes, whether the output is nearer to the label's target."""
        if not jnp.issubdtype(y.dtype, jnp.integer):
            return None
        return (_column(outputs, outputs.dtype) > 0.5) == (_column(y, jnp.int32) == 1)


_BY_NAME: dict[str, type[Loss]] = {
    "bce": BinaryCrossEntropy,
    "cross-entropy": CrossEntropy,
    "mse": SquaredError,
}


def names() -> tuple[str, ...]:
    """The losses known by name."""
    return tuple(_BY_NAME)


def make_loss(name: str, **numbers: float) -> Loss:
    """A loss by name, or a user's by `package.module:name`.

    Args:
      name: `cross-entropy`, `bce`, `mse`, or a qualified name.
      numbers: Of the loss: `smoothing`, `factor`; keyword arguments of a user's function.

    Raises:
      InputError: If there is none of that name, or it does not take one of the numbers.
    """
    if ":" in name:
        from weightspace.recipes.custom import custom_loss

        return custom_loss(name, dict(numbers) or None)
    cls = _BY_NAME.get(name.replace("_", "-"))
    if cls is None:
        raise unknown("loss", name, names())
    for number in numbers:
        if number not in cls.__annotations__:
            raise unknown(f"number of {name}", number, cls.__annotations__)
    return cls(**numbers)
