"""What the adapters share: a user's code as a spec, library settings, naming conventions, checks."""

import contextlib
import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace import tree
from weightspace.code import Code
from weightspace.errors import InputError, nearest
from weightspace.models.adapters.keys import check_keys, keys_of
from weightspace.models.adapters.modes import flags_of, parameters, spoken
from weightspace.models.layout import Kind

Overrides = tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]
Convention = tuple[Kind, tuple[int, ...], int | None]

CHAIN = 3
"""How many factories may give factories."""
_LIBRARIES: dict[str, tuple[str, str]] = {
    "Flax NNX": ("flax.nnx", "from_nnx"),
    "Flax Linen": ("flax.linen", "from_linen"),
    "Equinox": ("equinox", "from_equinox"),
    "PyTorch": ("torch.nn", "from_torch"),
}


def frozen_overrides(overrides: Mapping[str, Mapping[str, Any]] | None) -> Overrides:
    """Overrides as an adapter takes them, in the form in which a spec holds them."""
    fields = {"kind", "module", "order", "fan_axes", "out_axis", "output", "fan"}
    for selector, changes in (overrides or {}).items():
        for name in changes.keys() - fields:
            raise InputError(
                f"the override for '{selector}' changes '{name}'; a leaf has {', '.join(sorted(fields))}"
            )
    frozen = {
        selector: tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in sorted(changes.items()))
        for selector, changes in (overrides or {}).items()
    }
    return tuple(frozen.items())


@contextlib.contextmanager
def library_rules() -> Iterator[None]:
    """Promotion as libraries expect it: their layers mix types and ranks, ours do not.

    Raises:
      InputError: If a dict has keys that cannot be sorted, such as 1 beside "1".
    """
    try:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            yield
    except ValueError as error:
        if "sorting pytree dictionary keys" not in str(error):
            raise
        raise InputError(
            "the keys of a dict of arrays are of several types, such as 1 and '1'; let all of them be text"
        ) from error


def prepared(weights: Any, state: Any, x: Array) -> tuple[Any, Array]:
    """State and inputs in the types that weights of this type go with.

    A model computes in the precision it is handed, so floating inputs take the type of the weights. Running
    statistics are kept in float32 at least: their small steps vanish in bfloat16.
    """
    own = inputs_type(weights, x)
    wide = own if jnp.finfo(own).bits > 32 else jnp.float32
    return tree.cast(state, wide), tree.cast(x, own)


def inputs_type(weights: Any, default: Any) -> Any:
    """The floating type of weights; without any, that of `default`."""
    types = [leaf.dtype for leaf in jax.tree.leaves(weights) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    other = default.dtype if jnp.issubdtype(default.dtype, jnp.floating) else jnp.dtype("float32")
    return types[0] if types else other


def strong(arrays: Any) -> Any:
    """The same arrays with types of their own: those of bare numbers would change at the first step."""

    def own(a: Any) -> Any:
        plain = not jnp.issubdtype(getattr(a, "dtype", bool), jax.dtypes.prng_key)
        return jax.lax.convert_element_type(a, jnp.asarray(a).dtype) if plain else a

    return jax.tree.map(own, arrays)


def like(after: Any, before: Any) -> Any:
    """The state after a batch in the types it had before, so that a loop can carry it."""

    def kept(new: Any, old: Any) -> Any:
        return new if new.dtype == old.dtype else new.astype(old.dtype)

    try:
        return jax.tree.map(lambda new, old: kept(jnp.asarray(new), old), after, before)
    except ValueError as error:
        raise InputError(f"the state has another structure after a batch than before it: {error}") from error


def checked_outputs(outputs: Any, x: Array, who: str) -> Array:
    """The outputs, if they are one array with an entry for each example.

    Raises:
      InputError: If they are not.
    """
    if not isinstance(outputs, jax.Array):
        raise InputError(f"{who} gives {type(outputs).__name__} as outputs, but must give one array")
    if outputs.ndim == 0 or outputs.shape[0] != x.shape[0]:
        raise InputError(
            f"{who} gives outputs of shape {outputs.shape} for a batch of {x.shape[0]}; their first axis "
            "must be the batch's"
        )
    return outputs


def convention(path: str, shape: tuple[int, ...], *, out_first: bool = False) -> Convention:
    """Kind, fan axes and output axis by the last key of a path, and by shape where that says nothing.

    `kernel` and `weight` mix activations, `bias` and `scale` are themselves, an `embedding` is looked up. A
    `weight` with one axis scales. Of other names, arrays with two or more axes are kernels, with one, biases.
    """
    name = path.rpartition("/")[2]
    axes = tuple(range(len(shape)))
    if name == "embedding":
        return "other", (), axes[-1]
    if name == "scale" or (name == "weight" and len(shape) < 2):
        return "scale", (), axes[-1] if shape else None
    if name == "bias":
        return "bias", (), (0 if out_first else axes[-1]) if shape else None
    if len(shape) >= 2:
        return ("kernel", axes[1:], 0) if out_first else ("kernel", axes[:-1], axes[-1])
    return ("bias", (), 0) if shape else ("other", (), None)


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a callable takes: its parameters by name, and which of them it must be given."""

    names: tuple[str, ...]
    required: tuple[str, ...]
    open: bool

    @classmethod
    def of(cls, call: Callable[..., Any]) -> "Signature":
        """The signature of a function, a class or an instance that can be called."""
        found = parameters(call)
        named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return cls(
            tuple(p.name for p in named),
            tuple(p.name for p in named if p.default is p.empty),
            any(p.kind == p.VAR_KEYWORD for p in found),
        )

    def takes(self, name: str) -> bool:
        """Whether the callable can be given a keyword of that name."""
        return self.open or name in self.names

    def given(self, **offered: Any) -> dict[str, Any]:
        """Those of the offered keywords that are named in the signature."""
        return {name: value for name, value in offered.items() if name in self.names}


def check_flags(code: Code, *, held: bool = True) -> None:
    """Raise if an argument fixes whether the network trains, or could only be told by a word.

    Args:
      code: A factory, or (not `held`) the network's call itself.
      held: Whether a module holds its arguments.
    """
    who = code.identity["code"]
    for name in flags_of(code.call, held=held):
        if isinstance(code.arguments.get(name), bool):
            raise InputError(
                f"'{name}' of {who} says whether the network trains and is set for training and for test; "
                "leave it out"
            )
    check_spoken(code.call, who)


def check_spoken(call: Callable[..., Any], who: str) -> None:
    """Raise if a function or class is told whether it trains by a word."""
    word = spoken(call)
    if word is not None:
        raise InputError(
            f"{who} is told by the word '{word}' whether it trains; let it take `train`, a yes or no"
        )


def check_call(call: Callable[..., Any], given: tuple[str, ...], who: str, places: int = 2) -> None:
    """Raise if a network's call needs more than the adapter gives.

    Args:
      call: The unbound method.
      given: What is given by name, beside random keys.
      who: The network.
      places: How many are given by place: the network itself, the inputs, and what more there may be.
    """
    check_spoken(call, who)
    check_keys(call, {}, who)
    known = (*given, *keys_of(call))
    missing = [name for name in Signature.of(call).required[places:] if name not in known]
    if missing:
        raise InputError(
            f"the call of {who} needs '{missing[0]}', but is given the inputs, flags such as `train` and "
            f"random keys such as `key` only; if '{missing[0]}' says whether it trains, call it `train`, if "
            "it takes a random key, call it `key`, else give it a default"
        )


def check_arguments(code: Code, *, supplied: tuple[str, ...] = ()) -> None:
    """Raise unless a factory takes the arguments that are bound to it and needs no others.

    Args:
      code: The factory and its arguments.
      supplied: Names that the adapter gives.
    """
    who, signature = code.identity["code"], Signature.of(code.call)
    for name in code.arguments:
        if name in supplied:
            raise InputError(f"'{name}' of {who} is given anew for each run or step; leave it out")
        if not signature.takes(name):
            guess = nearest(name, signature.names)
            hint = (
                f"; did you mean '{guess}'?"
                if guess
                else f"; it takes {', '.join(signature.names) or 'none'}"
            )
            raise InputError(f"{who} takes no argument '{name}'{hint}")
    missing = [n for n in signature.required if n not in code.arguments and n not in supplied]
    if missing:
        raise InputError(
            f"{who} needs the argument '{missing[0]}'; give it by keyword to the adapter (a random key of a "
            "call is called `key`, what says whether it trains `train`)"
        )


def library_of(value: Any) -> str | None:
    """The library of a module or module class; a library that was never imported made none."""
    for name, (module, _) in _LIBRARIES.items():
        base = getattr(sys.modules.get(module), "Module", None)
        if base is not None and (
            isinstance(value, base) or (inspect.isclass(value) and issubclass(value, base))
        ):
            return name
    return None


def taking(call: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameter of a factory that takes what its library needs to draw weights, if there is one.

    Args:
      call: The factory.
      name: How that parameter is called, unless it is the only one left open, under a name of its own.
      arguments: Those bound to the factory.
    """
    signature = Signature.of(call)
    if name and signature.takes(name):
        return (name,)
    left = [other for other in signature.required if other not in arguments]
    return tuple(left) if name and len(left) == 1 else ()


def chosen(made: Any, name: str, value: Any) -> Any:
    """What a factory's result gives where it is a factory itself: a class, or a function.

    Args:
      made: The result.
      name: How the parameter is called that is given `value`; none is if it is empty.
      value: What the library needs to draw weights.
    """
    for _ in range(CHAIN):
        if not callable(made) or not (inspect.isclass(made) or library_of(made) is None):
            break
        made = made(**dict.fromkeys(taking(made, name, {}), value))
    return made


def check_library(value: Any, wanted: str, who: str) -> None:
    """Raise unless `value` is a module of the wanted library, and say which adapter would take it."""
    found = library_of(value)
    if found == wanted:
        return
    adapter = _LIBRARIES[wanted][1]
    if found is None:
        raise InputError(
            f"{who} gives a value of type {type(value).__name__}, but {adapter} takes a module of {wanted}; "
            "plain functions are taken by from_function"
        )
    fitting = _LIBRARIES[found][1]
    advice = f"use {fitting}"
    if fitting == "from_nnx":
        advice += ", and let a factory for the command line take nnx.Rngs as `rngs`"
    raise InputError(f"{who} gives a module of {found}, but {adapter} takes one of {wanted}; {advice}")
