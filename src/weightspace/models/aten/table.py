"""The table of operators, and how an operator takes images.

PyTorch's images have their channels first, ours last (`convolution`, `pooling`). A value that came from an
operator on images is kept channels-last as `Image`; operators that work entry by entry leave it so, and only
those that know nothing of it see it transposed.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

Images = Literal["entries", "own", "none"]


@dataclasses.dataclass(frozen=True)
class Image:
    """What PyTorch knows as (batch, channels, space…), held as (batch, space…, channels)."""

    array: Array

    @property
    def plain(self) -> Array:
        """Channels first."""
        return jnp.moveaxis(self.array, -1, 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """As PyTorch knows it."""
        batch, *space, channels = self.array.shape
        return (batch, channels, *space)

    @classmethod
    def of(cls, value: Any) -> "Image":
        """An array with channels first, or an image, as an image."""
        return value if isinstance(value, Image) else cls(jnp.moveaxis(value, 1, -1))


@dataclasses.dataclass
class Context:
    """What an evaluation hands to the operators that ask for it.

    Attributes:
      dtype: The floating type that is computed in.
      key: From which all random numbers of this evaluation come.
    """

    dtype: Any
    key: Key[Array, ""]
    drawn: int = 0

    def draw(self) -> Key[Array, ""]:
        """A key for the next operator that draws."""
        self.drawn += 1
        return jax.random.fold_in(self.key, self.drawn)


@dataclasses.dataclass(frozen=True)
class Operator:
    """A function for an operator.

    Attributes:
      call: Takes what the operator takes.
      images: `entries`: it works entry by entry and may take images as they are held; `own`: it takes
        `Image`; `none`: it sees channels first.
      context: Whether it takes the `Context` first.
    """

    call: Callable[..., Any]
    images: Images = "none"
    context: bool = False


TABLE: dict[str, Operator] = {}
"""The operators by name."""


def operator(
    *names: str, images: Images = "none", context: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts a function into the table, under one or several names (`add.Tensor` for `aten.add.Tensor`)."""

    def put(call: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            TABLE[name if name.startswith("_operator.") else f"aten.{name}"] = Operator(call, images, context)
        return call

    return put


def put_all(calls: dict[str, Callable[..., Any]], *variants: str, images: Images = "none") -> None:
    """Puts functions into the table, each under its name with each of the variants."""
    for name, call in calls.items():
        operator(*(f"{name}.{variant}" for variant in variants), images=images)(call)


def by_entries(operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operator that works entry by entry, on images as they are held where all have the same axes."""
    given = [*args, *kwargs.values()]
    ranks = {value.array.ndim for value in given if isinstance(value, Image)}
    others = [value.ndim for value in given if isinstance(value, jax.Array)]
    if len(ranks) != 1 or any(rank > min(ranks) for rank in others):
        return operator.call(*map(plain, args), **{name: plain(value) for name, value in kwargs.items()})
    (rank,) = ranks

    def held(value: Any) -> Any:
        if isinstance(value, Image):
            return value.array
        if not isinstance(value, jax.Array) or value.ndim == 0:
            return value
        return jnp.moveaxis(value.reshape((1,) * (rank - value.ndim) + value.shape), 1, -1)

    return Image(operator.call(*map(held, args), **{name: held(value) for name, value in kwargs.items()}))


def plain(value: Any) -> Any:
    """A value, or the values in a tuple, with channels first."""
    if isinstance(value, Image):
        return value.plain
    return tuple(map(plain, value)) if isinstance(value, tuple) else value
