"""The graph of a Flax NNX module: its arrays by what they are, and the module put together from arrays."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters.common import check_call, library_rules
from weightspace.models.adapters.keys import keys_for
from weightspace.models.adapters.modes import flags_of, in_training, is_yes_or_no, told
from weightspace.models.adapters.user import UserModel
from weightspace.models.base import State, Weights
from weightspace.streams import named

NnxPath = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Graph:
    """A module without its arrays, for training and for testing, and the paths of its arrays."""

    train: Any
    test: Any
    weights: tuple[NnxPath, ...]
    state: tuple[NnxPath, ...]
    random: tuple[tuple[NnxPath, jax.ShapeDtypeStruct], ...]

    @staticmethod
    def pick(flat: Mapping[NnxPath, Array], chosen: tuple[NnxPath, ...]) -> dict[str, Any]:
        """Some of a module's arrays as a nested dict with string keys."""
        return tree.nested_dict({name_of(path): flat[path] for path in chosen}) if chosen else {}

    def merge(self, weights: Weights, state: State, key: Key[Array, ""], *, train: bool) -> nnx.Module:
        """The module with these arrays, its random streams set from `key`."""
        arrays: dict[NnxPath, Any] = {}
        for paths, given, what in ((self.weights, weights, "weights"), (self.state, state, "state")):
            named_arrays = tree.flat_dict(given)
            for path in paths:
                if name_of(path) not in named_arrays:
                    raise InputError(f"the {what} of the model have no '{name_of(path)}'")
                arrays[path] = named_arrays[name_of(path)]
        arrays |= {path: _stream(key, path, like_) for path, like_ in self.random}
        graph = self.train if train else self.test
        return nnx.merge(graph, nnx.from_flat_state(arrays), copy=True)


def _stream(key: Key[Array, ""], path: NnxPath, shape: jax.ShapeDtypeStruct) -> Array:
    """A random variable before a call: a key of its own, or a count of zero."""
    if not jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jnp.zeros(shape.shape, shape.dtype)
    own = named(key, name_of(path))
    return jax.random.split(own, shape.shape) if shape.shape else own


@functools.lru_cache(maxsize=256)
def graph_of(model: Any) -> Graph:
    """The graph of an NNX model's module; found once."""
    try:
        with library_rules():
            module = nnx.eval_shape(lambda: model.module(nnx.Rngs(0)))
    except TypeError as error:
        if "not a valid JAX type" not in str(error):
            raise
        raise InputError(
            f"{model.name} holds a variable that is no array and no number; make it a plain attribute: "
            f"{str(error).partition(', which')[0]}"
        ) from error
    except ValueError as error:
        if "Invalid rng value: Rngs" not in str(error):
            raise
        raise InputError(
            f"{model.name} makes nnx.Rngs of what it is given, which is nnx.Rngs already; pass it on as it is"
        ) from error
    if isinstance(model, UserModel):
        call: Any = type(module).__call__
        check_call(call, flags_of(call), type(module).__name__)
    _set_mode(module, train=True)
    train, arrays = nnx.split(module)
    _set_mode(module, train=False)
    test, _ = nnx.split(module)
    kinds: dict[str, list[Any]] = {"weights": [], "state": [], "random": []}
    for path, variable in nnx.to_flat_state(arrays):
        shape = _value(variable)
        if isinstance(variable, nnx.RngState):
            kinds["random"].append((path, jax.ShapeDtypeStruct(shape.shape, shape.dtype)))
        elif isinstance(variable, nnx.Param) and jnp.issubdtype(shape.dtype, jnp.inexact):
            kinds["weights"].append(path)
        else:
            kinds["state"].append(path)
    tree.check_distinct(name_of(path) for path, _ in nnx.to_flat_state(arrays))
    if not kinds["weights"]:
        raise InputError(f"{model.name} has no weights: no nnx.Param with floating entries")
    return Graph(train, test, **{kind: tuple(found) for kind, found in kinds.items()})


def _set_mode(module: nnx.Module, *, train: bool) -> None:
    """The library's own flags, and those that users' modules hold under names that mean nothing else."""
    module.train() if train else module.eval()
    for part, name in held_flags(module):
        setattr(part, name, in_training(name, held=True) is train)


def held_flags(module: nnx.Module) -> list[tuple[Any, str]]:
    """The flags that a module and its parts hold, each with the part that holds it."""
    return [
        (part, name)
        for _, part in nnx.iter_modules(module)
        for name, value in vars(part).items()
        if is_yes_or_no(value) and in_training(name, held=True) is not None
    ]


def arguments_of_call(module: nnx.Module, key: Key[Array, ""], *, train: bool) -> dict[str, Any]:
    """What a module's call is given by name: flags, keys, and streams of random numbers as `rngs`."""
    call: Any = type(module).__call__
    flags = told(flags_of(call), train=train)
    knows = bool(flags or held_flags(module))
    keys = keys_for(call, named(key, "call"), train=train, told=knows)
    return flags | {name: nnx.Rngs(own) if name.endswith("rngs") else own for name, own in keys.items()}


def flat_arrays(module: nnx.Module) -> dict[NnxPath, Any]:
    """All arrays of a module by path."""
    return {path: _value(variable) for path, variable in nnx.to_flat_state(nnx.state(module))}


def _value(variable: Any) -> Any:
    value = variable.get_value() if isinstance(variable, nnx.Variable) else variable
    return jnp.asarray(value) if isinstance(value, bool | int | float) else value


def name_of(path: NnxPath) -> str:
    """The name of a variable: its keys joined by `/`."""
    return "/".join(str(part) for part in path)
