"""Randomness: one key for each seed, stream and step, named explicitly.

A key is made by folding a stream's fixed number and a step into a threefry key of the seed. It never depends
on a digest, so that runs with one seed share their initialisation and data order and comparisons are paired;
and no key is carried from step to step, so that step t is the same after any restart.
"""

import dataclasses
import enum
import zlib
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from weightspace.errors import check_number
from weightspace.spec import Spec, spec

KeyArray = Key[Array, ""]
LARGEST_SEED = 2**32 - 1


class Stream(enum.IntEnum):
    """The independent sources of randomness. The numbers are part of every result: never change them."""

    INIT = 0
    ORDER = 1
    AUGMENT = 2
    NOISE = 3
    SPLIT = 4
    BASIS = 5
    MASK = 6
    POINT = 7
    DROPOUT = 8
    PROBE = 9


@spec
class Seeds(Spec):
    """A seed for each stream; a stream without one of its own takes `base`.

    >>> Seeds(3, order=7).order, Seeds(3, order=7).init
    (7, 3)

    Attributes:
      base: Of all streams that are not named here.
      init: Initial weights.
      order: In which order examples come.
      augment: Crops and flips.
      noise: Labels that are made wrong.
      split: Which examples are set aside for validation, and those that a source draws.
      basis: Directions of a random subspace.
      mask: Masks, and what is drawn anew under them.
      point: Points of lines, curves and simplexes, and masks that a step draws.
      dropout: Dropout.
      probe: What probes draw, as the start of a power iteration.
    """

    base: int
    init: int | None = None
    order: int | None = None
    augment: int | None = None
    noise: int | None = None
    split: int | None = None
    basis: int | None = None
    mask: int | None = None
    point: int | None = None
    dropout: int | None = None
    probe: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        # Resolved at once: the digest and the compiled program see numbers only, whoever gave them.
        base = self.base
        check_number("seed base", base, least=0, most=LARGEST_SEED)
        for name in _STREAMS:
            given = getattr(self, name)
            if given is None:
                object.__setattr__(self, name, base)
            else:
                check_number(f"seed {name}", given, least=0, most=LARGEST_SEED)


_STREAMS = tuple(field.name for field in dataclasses.fields(Seeds)[1:])


def key(seeds: Seeds, stream: Stream, step: Any = 0) -> KeyArray:
    """The key of a stream at a step.

    Args:
      seeds: The run's seeds, plain or traced.
      stream: Which source of randomness.
      step: A count (training step, epoch, column): plain or traced.
    """
    seed = jnp.asarray(getattr(seeds, stream.name.lower()), jnp.uint32)
    # The implementation is pinned: others draw different numbers alone and under vmap.
    base = jax.random.key(seed, impl="threefry2x32")
    return jax.random.fold_in(jax.random.fold_in(base, int(stream)), jnp.asarray(step, jnp.uint32))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Keys:
    """What a space is given: the keys of all streams, and children of them for its parts."""

    seeds: Seeds
    salt: Any = 0

    def __call__(self, stream: Stream, step: Any = 0) -> KeyArray:
        """The key of a stream at a step."""
        return jax.random.fold_in(key(self.seeds, stream, step), jnp.asarray(self.salt, jnp.uint32))

    def child(self, number: Any) -> "Keys":
        """Independent keys for part number `number` (plain or traced, below 999,983)."""
        # A polynomial in a large prime: distinct for all short chains of small numbers.
        mixed = jnp.asarray(self.salt, jnp.uint32) * jnp.uint32(999_983)
        return Keys(self.seeds, mixed + jnp.asarray(number, jnp.uint32) + jnp.uint32(1))


def named(key_: KeyArray, name: str) -> KeyArray:
    """The key of a leaf or module by name, so that it does not depend on the order of its neighbours."""
    return jax.random.fold_in(key_, jnp.uint32(zlib.crc32(name.encode())))
