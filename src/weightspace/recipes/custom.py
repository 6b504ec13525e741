"""A user's own loss, and the check that a user's function gives each example one number of its own."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.models.mixing import rows_apart
from weightspace.named import resolve
from weightspace.recipes.losses import Loss, PerExample, most_likely
from weightspace.recipes.mixing import cached_depends, cached_mixes
from weightspace.recipes.targets import Targets
from weightspace.spec import spec, static

_TARGETS = 8
"""Targets of each sort that a function is tried on, at the most."""
_LOOKED_AT = 2_000
"""Targets of which those that are spread are chosen."""


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

    def width(self, data: Targets) -> int:
        """As many outputs as classes or targets."""
        return data.outputs

    def check(self, data: Targets, outputs_shape: tuple[int, ...]) -> None:
        """It must give one float an example, of that example alone; tried on shapes, then on a few values."""
        check_per_example(self.code, f"loss {self.name}", data, outputs_shape)

    def right(self, outputs: Array, y: Array) -> Array | None:
        """As for cross-entropy, where targets are classes with an output each."""
        classes = jnp.issubdtype(y.dtype, jnp.integer) and outputs.ndim == 2 and outputs.shape[1] > 1
        return most_likely(outputs, y) if classes else None


def example_shapes(data: Targets, outputs_shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Shapes and types of a batch of outputs and of targets; its size is no other axis of theirs."""
    y = data.arrays().train.y
    batch = rows_apart(outputs_shape, y.shape[1:], least=3)
    outputs = jax.ShapeDtypeStruct((batch, *outputs_shape), jnp.float32)
    return outputs, jax.ShapeDtypeStruct((batch, *y.shape[1:]), jax.dtypes.canonicalize_dtype(y.dtype))


def check_per_example(
    function: Callable[..., Any],
    what: str,
    data: Targets,
    outputs_shape: tuple[int, ...],
    sizes: Iterable[int] = (),
) -> None:
    """Raise unless a user's function gives one float an example, and that of this example alone.

    Args:
      function: `(outputs, y) -> [batch]`, hashable by what it is.
      what: What it is called.
      data: Whose targets it takes.
      outputs_shape: The shape of a model's outputs for one example.
      sizes: Of batches that it is given, beside the few rows on which it is tried.

    Raises:
      InputError: If it fails, gives something else, or mixes examples (`mixing.mixes`).
    """
    outputs, targets = example_shapes(data, outputs_shape)
    try:
        found = jax.eval_shape(function, outputs, targets)
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
    y = _targets(data, targets.dtype)
    known = (function, outputs_shape, y.tobytes(), y.dtype.str, y.shape[1:])
    mixed = cached_mixes(*known) or cached_depends(*known, tuple(sorted(set(sizes))))
    if mixed:
        raise InputError(f"{what} mixes examples: {mixed}; {_advice(function, outputs, targets)}")


def _advice(function: Callable[..., Any], outputs: Any, targets: Any) -> str:
    if (
        outputs.ndim != targets.ndim
        and outputs.size == targets.size
        and _broadcasts(function, outputs, targets)
    ):
        one, other = ("[batch]" if each.ndim == 1 else "[batch, 1]" for each in (outputs, targets))
        return (
            f"outputs are {one} and targets {other}, which broadcast to [batch, batch]: give both one shape, "
            f"as {'outputs' if outputs.ndim > targets.ndim else 'y'}[:, 0]"
        )
    return "each must have a number of its own, without sums, means, sorts or norms over the batch"


def _broadcasts(function: Callable[..., Any], outputs: Any, targets: Any) -> bool:
    """Whether it joins arrays of different ranks."""
    try:
        with jax.numpy_rank_promotion("raise"):
            jax.eval_shape(functools.partial(function), outputs, targets)
    except (TypeError, ValueError):
        return True
    return False


def _targets(data: Targets, dtype: Any) -> np.ndarray:
    """Targets of the data's own kind: some that are spread over all, the extreme and the rarest ones."""
    y = np.asarray(data.arrays().train.y)
    if data.classes is not None:
        found, counts = np.unique(y, return_counts=True)
        rarest = found[np.argsort(counts, kind="stable")[:_TARGETS]]
        chosen = [*range(min(data.classes, 2 * _TARGETS)), data.classes - 1, *rarest]
        return np.unique(np.asarray(chosen)).astype(dtype)
    found = np.unique(y[:: max(1, len(y) // _LOOKED_AT)], axis=0)
    if len(found) < 2:
        # Constant, or not yet drawn.
        found = found + np.linspace(0, 1, _TARGETS).reshape(-1, *[1] * (y.ndim - 1))
    spread = found[np.linspace(0, len(found) - 1, _TARGETS).astype(int)]
    return np.concatenate([spread, *(_special(y, column) for column in range(_columns(y)))]).astype(dtype)


def _columns(y: np.ndarray) -> int:
    return min(_TARGETS, 1 if y.ndim == 1 else y.shape[1])


def _special(y: np.ndarray, column: int) -> np.ndarray:
    """The rows that hold the extremes of a column, its rarest value and its most frequent one."""
    values = y if y.ndim == 1 else y[:, column]
    found, first, counts = np.unique(values, return_index=True, return_counts=True)
    chosen = [0, len(found) - 1, int(counts.argmin()), int(counts.argmax())]
    return y[first[chosen]]


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
