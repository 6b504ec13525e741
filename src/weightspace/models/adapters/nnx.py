"""Flax NNX: modules by split, merge and state only.

`weights` are the parameters, `state` all other variables but random ones: these are set anew from `key` at
each call, so that no random number is carried from step to step. The graph of a module is found once.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key

from weightspace import tree
from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.models.adapters.common import (
    Convention,
    Signature,
    UserModel,
    check_arguments,
    check_library,
    checked_outputs,
    chooses,
    convention,
    frozen_overrides,
    library_rules,
    like,
    prepared,
    strong,
)
from weightspace.models.adapters.record import Recorder
from weightspace.models.base import Model, State, Weights
from weightspace.spec import spec
from weightspace.streams import named

NnxPath = tuple[Any, ...]


class NnxModel(Model):
    """A model whose network is an NNX module: the zoo's models and users' own."""

    @abc.abstractmethod
    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with newly drawn weights; equal random streams give equal weights."""

    def check_inputs(self, x: Any) -> None:
        """Raise `InputError` for a batch (or its shape and type) that the model cannot take."""

    def init(self, key: Key[Array, ""], x: Any) -> tuple[Weights, State]:
        """Draw weights and the state before training."""
        self.check_inputs(x)
        graph = _graph(self)
        with library_rules():
            flat = _flat(self.module(nnx.Rngs(key)))
        return strong((graph.pick(flat, graph.weights), graph.pick(flat, graph.state)))

    def apply(
        self, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs for a batch, and the state after it."""
        self.check_inputs(x)
        graph = _graph(self)
        wide, inputs = prepared(weights, state, x)
        module: Any = graph.merge(weights, wide, key, train=train)
        with library_rules():
            outputs = module(inputs)
        after = like(graph.pick(_flat(module), graph.state), state)
        return checked_outputs(outputs, x, self.name), after

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order.

        Modules inside NNX's own loops and transformations (`nnx.scan`, `nnx.remat`) are not found.
        """
        self.check_inputs(x)
        key = jax.random.key(0, impl="threefry2x32")
        state, x = prepared(weights, state, x)
        module: Any = _graph(self).merge(weights, state, key, train=False)
        parts = {_name(path): part for path, part in nnx.iter_modules(module)}
        with Recorder(parts) as recorder, library_rules():
            module(x)
        return recorder.found

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """Flax's names: outputs come last."""
        return convention(path, shape)


@spec
class FromNnx(UserModel, NnxModel):
    """A user's NNX module."""

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """What the factory gives."""
        made: Any = _build(self.code, rngs)
        made = made(rngs=rngs) if chooses(made) else made
        check_library(made, "Flax NNX", self.code.identity["code"])
        return made


def from_nnx(
    factory: Callable[..., Any],
    name: str | None = None,
    version: int | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **arguments: Any,
) -> FromNnx:
    """A Flax NNX module as a model.

    >>> from_nnx(nnx.Linear, in_features=3, out_features=2).name
    'flax.nnx.nn.linear:Linear:in_features=3,out_features=2'

    Args:
      factory: A module class or a function, called as `factory(rngs=nnx.Rngs, **arguments)`; `rngs` may also
        be its only parameter, under another name.
      name: With `version`, the identity of the model in the place of the factory's name and source.
      version: To be raised whenever the model's numbers change.
      overrides: Selector -> fields of `Leaf`, where the layout is not what the names suggest.
      **arguments: Of the factory; they are part of the identity.

    Raises:
      InputError: If the factory does not give an NNX module, or does not take the arguments.
    """
    if isinstance(factory, nnx.Module):
        raise InputError(
            f"from_nnx takes a class or a function that builds a module, not a finished "
            f"{type(factory).__name__}: each run draws its own weights"
        )
    model = FromNnx(Code(factory, arguments, name=name, version=version), frozen_overrides(overrides))
    _graph(model)
    return model


def _build(code: Code, rngs: nnx.Rngs) -> Any:
    signature = Signature.of(code.call)
    if signature.takes("rngs"):
        check_arguments(code, supplied=("rngs",))
        return code(rngs=rngs)
    check_arguments(code, supplied=signature.required[:1])
    return code(rngs) if signature.required else code()


@dataclasses.dataclass(frozen=True)
class _Graph:
    """A module without its arrays, for training and for testing, and the paths of its arrays."""

    train: Any
    test: Any
    weights: tuple[NnxPath, ...]
    state: tuple[NnxPath, ...]
    random: tuple[tuple[NnxPath, jax.ShapeDtypeStruct], ...]

    @staticmethod
    def pick(flat: Mapping[NnxPath, Array], chosen: tuple[NnxPath, ...]) -> dict[str, Any]:
        """Some of a module's arrays as a nested dict with string keys."""
        return tree.nested_dict({_name(path): flat[path] for path in chosen}) if chosen else {}

    def merge(self, weights: Weights, state: State, key: Key[Array, ""], *, train: bool) -> nnx.Module:
        """The module with these arrays, its random streams set from `key`."""
        arrays: dict[NnxPath, Any] = {}
        for chosen, given, what in ((self.weights, weights, "weights"), (self.state, state, "state")):
            named_arrays = tree.flat_dict(given)
            for path in chosen:
                if _name(path) not in named_arrays:
                    raise InputError(f"the {what} of the model have no '{_name(path)}'")
                arrays[path] = named_arrays[_name(path)]
        arrays |= {path: _stream(key, path, like_) for path, like_ in self.random}
        graph = self.train if train else self.test
        return nnx.merge(graph, nnx.from_flat_state(arrays), copy=True)


def _stream(key: Key[Array, ""], path: NnxPath, shape: jax.ShapeDtypeStruct) -> Array:
    """A random variable before a call: a key of its own, or a count of zero."""
    if not jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jnp.zeros(shape.shape, shape.dtype)
    own = named(key, _name(path))
    return jax.random.split(own, shape.shape) if shape.shape else own


@functools.lru_cache(maxsize=256)
def _graph(model: NnxModel) -> _Graph:
    with library_rules():
        module = nnx.eval_shape(lambda: model.module(nnx.Rngs(0)))
    module.train()
    train, arrays = nnx.split(module)
    module.eval()
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
    if not kinds["weights"]:
        raise InputError(f"{model.name} has no weights: no nnx.Param with floating entries")
    return _Graph(train, test, **{kind: tuple(found) for kind, found in kinds.items()})


def _flat(module: nnx.Module) -> dict[NnxPath, Any]:
    return {path: _value(variable) for path, variable in nnx.to_flat_state(nnx.state(module))}


def _value(variable: Any) -> Any:
    return variable.get_value() if isinstance(variable, nnx.Variable) else variable


def _name(path: NnxPath) -> str:
    return "/".join(str(part) for part in path)
