"""Random keys in a user's call: which of its arguments take one, and what they are given.

An argument takes a key if its name says so (`key`, `rng`, `rngs`, `dropout_rng`), or if its default is a key,
which would be the same at every step. A network that nothing tells whether it trains, but whose key may be
left out, is told by the key: it gets one in training only.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from weightspace.errors import InputError
from weightspace.models.adapters.modes import parameters, words_of
from weightspace.streams import named

_KEYS = {"key", "rng", "rngs", "prng", "prngkey", "prngs"}
_OF = {"random", "rand", "jax", "dropout", "noise", "sample", "sampling", "step", "call", "apply"}
_ATTENTION = {"query", "queries", "q", "value", "values"}


def is_key(name: str) -> bool:
    """Whether an argument of this name takes a random key.

    >>> is_key("rng"), is_key("dropoutKey"), is_key("key_size"), is_key("wrong")
    (True, True, False, False)
    """
    words = words_of(name)
    return bool(words) and words[-1] in _KEYS and _KEYS.union(_OF).issuperset(words)


def is_random_key(value: Any) -> bool:
    """Whether a value is a random key: typed, or the bare numbers of one."""
    if not isinstance(value, jax.Array):
        return False
    bare = value.dtype == np.uint32 and value.shape == (2,)
    return bare or jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)


def keys_of(call: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of a network's call that take a random key."""
    found = parameters(call)
    # The key of an attention is data.
    data = bool(_ATTENTION.intersection(p.name for p in found))
    return tuple(
        p.name
        for p in found
        if p.kind not in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and (is_random_key(p.default) or (is_key(p.name) and not data and _is_open(p)))
    )


def _is_open(parameter: Any) -> bool:
    return parameter.default is None or parameter.default is parameter.empty


def keys_for(
    call: Callable[..., Any], key: Key[Array, ""], *, train: bool, told: bool
) -> dict[str, Key[Array, ""]]:
    """What those parameters are given: a lone one the key, of several each a key of its own.

    Args:
      call: The network's call.
      key: Of the step, or of the example.
      train: Whether the call is one of training.
      told: Whether anything else tells the network so.
    """
    names = keys_of(call)
    left = [] if train or told else [p.name for p in parameters(call) if p.default is None]
    lone = len(names) == 1
    return {name: key if lone or name == "key" else named(key, name) for name in names if name not in left}


def check_keys(call: Callable[..., Any], arguments: Mapping[str, Any], who: str) -> None:
    """Raise if random numbers of a network's call would be the same at every step.

    Args:
      call: The network's call.
      arguments: Those that are bound to it.
      who: The network.

    Raises:
      InputError: If an argument is fixed to one key, or to the seed of one.
    """
    keys = keys_of(call)
    for name, value in arguments.items():
        if name in keys:
            raise InputError(f"'{name}' of {who} is given a new random key at each step; leave it out")
        if is_random_key(value):
            raise InputError(
                f"'{name}' of {who} is a random key, which would be the same at every step; call the "
                "argument `key`, and it is given a new one"
            )
    for p in parameters(call):
        value = arguments.get(p.name, p.default)
        if type(value) is int and (is_key(p.name) or p.name == "seed"):
            raise InputError(
                f"'{p.name}' of {who} is {value} at every step, and so would be the random numbers drawn "
                "from it; take a random key as `key`, or call it otherwise if constants are made of it"
            )
