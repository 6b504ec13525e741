"""Model: the contract between a network of any library and everything else.

The core knows no neural-network library. A model is a spec that draws its weights, applies them and says
what they are; adapters make one of an NNX, Linen or Equinox module or of two plain functions.
"""

import abc
import functools
from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Key

from weightspace.errors import InputError
from weightspace.models.layout import Kind, Layout, build_layout
from weightspace.spec import Spec
from weightspace.tree import Tree

Weights = Tree
State = Tree


class Model(Spec, abc.ABC):
    """A network: pure functions of its weights, its state and its inputs.

    `weights` is a nested dict of arrays with string keys. `state` holds what training updates without a
    gradient (normalisation statistics), never random numbers: those come from `key`.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the model is called in tables."""

    @abc.abstractmethod
    def init(self, key: Key[Array, ""], x: Array) -> tuple[Weights, State]:
        """Draw weights and the state before training.

        Args:
          key: A single key; equal keys give equal weights.
          x: A batch of inputs, leading axis batch; only its shape and type matter.
        """

    @abc.abstractmethod
    def apply(
        self, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs for a batch, and the state after it.

        Args:
          weights: As `init` gives them, or any tree of their structure.
          state: As `init` gives it.
          x: A batch of inputs.
          train: Whether dropout acts and normalisation uses and updates batch statistics.
          key: For dropout and the like; unused if `train` is false.
        """

    def assembled(self, weights: Weights, state: State, x: Any) -> Any:
        """The network as its own library knows it, for inputs like `x`; here the weights and the state."""
        del x
        return weights, state

    def as_checkpoint(self, weights: Weights, state: State) -> dict[str, Any] | None:
        """Weights and state as its own library's checkpoint, by name; None for a library without one."""
        del weights, state

    def from_checkpoint(
        self, arrays: Mapping[str, Any], shape: tuple[int, ...], who: str
    ) -> tuple[Weights, State] | None:
        """Weights and state from its own library's checkpoint; None for a library without one.

        Args:
          arrays: By name.
          shape: Of one example.
          who: The checkpoint, as the user knows it.
        """
        del arrays, shape, who

    @abc.abstractmethod
    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order."""

    @abc.abstractmethod
    def convention(self, path: str, shape: tuple[int, ...]) -> tuple[Kind, tuple[int, ...], int | None]:
        """Kind, fan axes and output axis of a leaf by the naming convention of the model's library."""

    def layout(self, x: Any) -> Layout:
        """What each leaf of the weights is; `x` is a batch of inputs or its shape and type."""
        key = jax.random.key(0, impl="threefry2x32")
        weights, state = jax.eval_shape(self.init, key, x)

        def forward(weights: Weights, state: State, x: Array) -> Array:
            return self.apply(weights, state, x, train=False, key=key)[0]

        return build_layout(weights, self.convention, forward, state, x)


def example(shape: tuple[int, ...], dtype: Any = "float32") -> jax.ShapeDtypeStruct:
    """The shape and type of a batch of one input, for `init` under `eval_shape` and for `layout`.

    Raises:
      InputError: If an input has no entries.
    """
    if 0 in shape:
        raise InputError(
            f"inputs of shape {tuple(shape)} have no features: no axis of an example may be empty"
        )
    return jax.ShapeDtypeStruct((1, *shape), dtype)


@functools.lru_cache(maxsize=256)
def layout_of(model: Model, shape: tuple[int, ...], dtype: str) -> Layout:
    """The layout of a model for inputs of a shape and type; traced once.

    It is the same for all types of inputs, so a model that takes whole numbers alone is given such.
    """
    with jax.enable_x64(dtype == "float64"):
        try:
            return model.layout(example(shape, dtype))
        except (TypeError, ValueError, IndexError) as error:
            if _refused(error):
                raise
            try:
                return model.layout(example(shape, "int32"))
            except InputError as other:
                if _refused(other):
                    raise
            except Exception:
                raise error from None  # which says more
            raise


def _refused(error: Exception) -> bool:
    """Whether a model is refused for what it is, rather than that it cannot take such inputs."""
    return isinstance(error, InputError) and error.__cause__ is None


@functools.lru_cache(maxsize=256)
def input_dtype_of(model: Model, shape: tuple[int, ...]) -> str:
    """`float32`, or `int32` for a model that takes whole numbers alone, where no data set says it."""
    for dtype in ("float32", "int32"):
        try:
            output_shape_of(model, shape, dtype)
        except (TypeError, ValueError, IndexError) as error:
            if _refused(error):
                break
        else:
            return dtype
    return "float32"


@functools.lru_cache(maxsize=256)
def output_shape_of(model: Model, shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """Shape of a model's outputs for one example; nothing is computed."""
    key = jax.random.key(0, impl="threefry2x32")
    x = example(shape, dtype)
    with jax.enable_x64(dtype == "float64"):
        weights, state = jax.eval_shape(model.init, key, x)
        outputs, _ = jax.eval_shape(functools.partial(model.apply, train=False, key=key), weights, state, x)
    return tuple(outputs.shape[1:])
