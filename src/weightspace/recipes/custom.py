"""A user's own loss, and the check that a user's function gives one number an example."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.named import resolve
from weightspace.recipes.losses import Loss, PerExample, most_likely
from weightspace.spec import spec, static

if TYPE_CHECKING:
    from weightspace.data.examples import Examples


@spec
class CustomLoss(Loss):
    """A user's function `(outputs, y) -> one loss an example`, on jax arrays.

    Attributes:
      code: The function; its name, source and arguments are its identity.
    """

    code: Code = static()

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.code.identity["code"].rpartition(":")[2]

    def __call__(self, outputs: Array, y: Array) -> PerExample:
        """As the user wrote it."""
        return self.code(outputs, y)

    def width(self, data: "Examples") -> int:
        """As many outputs as classes or targets."""
        return data.outputs

    def check(self, data: "Examples", outputs_shape: tuple[int, ...]) -> None:
        """It must give one float an example; tried on shapes only."""
        check_per_example(self.code, f"loss {self.name}", data, outputs_shape)

    def right(self, outputs: Array, y: Array) -> Array | None:
        """As for cross-entropy, where targets are classes with an output each."""
        classes = jnp.issubdtype(y.dtype, jnp.integer) and outputs.ndim == 2 and outputs.shape[1] > 1
        return most_likely(outputs, y) if classes else None


def example_shapes(data: "Examples", outputs_shape: tuple[int, ...], batch: int = 3) -> tuple[Any, Any]:
    """Shapes and types of a batch of outputs and of targets."""
    y = data.arrays().train.y
    outputs = jax.ShapeDtypeStruct((batch, *outputs_shape), jnp.float32)
    return outputs, jax.ShapeDtypeStruct((batch, *y.shape[1:]), jax.dtypes.canonicalize_dtype(y.dtype))


def check_per_example(code: Code, what: str, data: "Examples", outputs_shape: tuple[int, ...]) -> None:
    """Raise unless a user's function gives one float an example, found from shapes alone.

    Raises:
      InputError: If it fails or gives something else.
    """
    outputs, targets = example_shapes(data, outputs_shape)
    try:
        found = jax.eval_shape(code, outputs, targets)
    except Exception as error:
        raise InputError(
            f"{what} fails on outputs {outputs.shape} and targets {targets.shape}: {error}"
        ) from error
    array = isinstance(found, jax.ShapeDtypeStruct)
    if not array or found.shape != outputs.shape[:1] or not jnp.issubdtype(found.dtype, jnp.floating):
        given = f"{found.dtype} {list(found.shape)}" if array else type(found).__name__
        raise InputError(
            f"{what} must give one float an example, [batch], and take no mean, but for a batch of "
            f"{outputs.shape[0]} it gives {given}"
        )


def custom_loss(
    target: str | Callable[..., Any],
    arguments: dict[str, Any] | None = None,
    *,
    name: str | None = None,
    version: int | None = None,
) -> Loss:
    """A loss from a user's function, or from `package.module:name`.

    Args:
      target: `(outputs, y, **arguments) -> [batch]`.
      arguments: Keyword arguments of each call, part of the identity.
      name: With `version`, an identity for code whose source cannot be found.
      version: To be raised when the function's numbers change.

    Raises:
      InputError: If there is no such function, or its identity cannot be told.
    """
    call = resolve(target) if isinstance(target, str) else target
    return CustomLoss(Code(call, arguments, name=name, version=version))
