"""Flax NNX: modules by split, merge and state only.

`weights` are the parameters, `state` all other variables but random ones: these are set anew from `key` at
each call, so that no random number is carried from step to step. The graph of a module is found once.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

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
    check_arguments,
    check_call,
    check_flags,
    check_library,
    checked_outputs,
    chooses,
    convention,
    frozen_overrides,
    inputs_type,
    library_rules,
    like,
    prepared,
    strong,
)
from weightspace.models.adapters.inspection import complain, listening
from weightspace.models.adapters.modes import flags_of, in_training, told
from weightspace.models.adapters.record import FlagWatch, Recorder
from weightspace.models.adapters.user import UserModel
from weightspace.models.base import Model, State, Weights
from weightspace.spec import spec
from weightspace.streams import named
from weightspace.tree import Tree

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
        return strong(drawn(self, key))

    def apply(
        self, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs for a batch, and the state after it."""
        self.check_inputs(x)
        wide, inputs = prepared(weights, state, x)
        outputs, flat = ran(self, weights, wide, inputs, train=train, key=key)
        return outputs, like(_Graph.pick(flat, _graph(self).state), state)

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order.

        Modules inside NNX's own loops and transformations (`nnx.scan`, `nnx.remat`) are not found.
        """
        self.check_inputs(x)
        state, x = prepared(weights, state, x)
        return recorded(self, weights, state, x)

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """Flax's names: outputs come last."""
        return convention(path, shape)


def drawn(model: NnxModel, key: Key[Array, ""]) -> tuple[Weights, State]:
    """Parameters and other variables of a newly built module."""
    graph = _graph(model)
    with library_rules():
        flat = _flat(model.module(nnx.Rngs(key)))
    return graph.pick(flat, graph.weights), graph.pick(flat, graph.state)


def ran(
    model: NnxModel, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
) -> tuple[Array, dict[NnxPath, Any]]:
    """Outputs of a module, and all its arrays after the call."""
    module: Any = _graph(model).merge(weights, state, key, train=train)
    flags = told(flags_of(type(module).__call__), train=train)
    with library_rules():
        if not listening():
            outputs = module(x, **flags)
        else:
            with FlagWatch(_parts(module), train=train):
                outputs = module(x, **flags)
            _check_sown(module, _graph(model))
    return checked_outputs(outputs, x, model.name), _flat(module)


def recorded(model: NnxModel, weights: Weights, state: State, x: Array) -> dict[str, Array]:
    """The outputs of all parts of a module at test time."""
    key = jax.random.key(0, impl="threefry2x32")
    module: Any = _graph(model).merge(weights, state, key, train=False)
    with Recorder(_parts(module)) as recorder, library_rules():
        module(x, **told(flags_of(type(module).__call__), train=False))
    return recorder.found


def _parts(module: Any) -> dict[str, Any]:
    return {_name(path): part for path, part in nnx.iter_modules(module)}


def _check_sown(module: Any, graph: "_Graph") -> None:
    """What a module sows for others than onlookers is refused: no loss here would take it."""
    known = {*graph.weights, *graph.state, *(path for path, _ in graph.random)}
    for path, variable in nnx.to_flat_state(nnx.state(module)):
        if path not in known and not isinstance(variable, nnx.Intermediate):
            complain(
                f"makes the variable '{_name(path)}' ({type(variable).__name__}) in its call, which nothing "
                "here takes up; make it in `__init__`, put it into the outputs, or sow it as nnx.Intermediate "
                "if it is only for looking at"
            )


@spec
class FromNnx(UserModel, NnxModel):
    """A user's NNX module. Arrays that are no weights stand in the state by their paths, as variables do."""

    tying: ClassVar[str] = "let both places hold one nnx.Param"
    advice: ClassVar[str] = "let its `__call__` or an attribute say `train`, and pass that on"

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """What the factory gives."""
        made: Any = _build(self.code, rngs)
        made = made(rngs=rngs) if chooses(made) else made
        check_library(made, "Flax NNX", self.code.identity["code"])
        return made

    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """Floating parameters, and all other variables but random ones."""
        return drawn(self, key)

    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs, and all variables after the call, parameters too."""
        outputs, flat = ran(self, arrays, state, x, train=train, key=key)
        graph = _graph(self)
        return outputs, graph.pick(flat, graph.state + graph.weights)

    def stored(self, state: State, kept: dict[str, Array]) -> State:
        """By path."""
        return tree.nested_dict(tree.flat_dict(state) | kept)

    def joined(self, weights: Weights, state: State, x: Array) -> tuple[Tree, State, Array]:
        """By path."""
        own, inputs = prepared(weights, state, x)
        flat, parameters = tree.flat_dict(state), {_name(path) for path in _graph(self).weights}
        kept = {path: leaf for path, leaf in flat.items() if path in parameters}
        kept = tree.cast(kept, inputs_type(weights, x))
        return tree.nested_dict(tree.flat_dict(weights) | kept), own, inputs

    def parted(self, after: State, before: State) -> State:
        """By path: a parameter that no gradient reaches may still be set by the module."""
        flat = tree.flat_dict(after)
        return tree.map_named(lambda path, _: flat[path], before)

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order."""
        return recorded(self, *self.joined(weights, state, x))


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
      **arguments: Of the factory: numbers, strings, lists or dicts.

    Raises:
      InputError: If the factory does not give an NNX module, or does not take the arguments.
    """
    if isinstance(factory, nnx.Module):
        raise InputError(
            f"from_nnx takes a class or a function that builds a module, not a finished "
            f"{type(factory).__name__}: each run draws its own weights"
        )
    model = FromNnx(Code(factory, arguments, name=name, version=version), frozen_overrides(overrides))
    check_flags(model.code)
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
    if not kinds["weights"]:
        raise InputError(f"{model.name} has no weights: no nnx.Param with floating entries")
    return _Graph(train, test, **{kind: tuple(found) for kind, found in kinds.items()})


def _set_mode(module: nnx.Module, *, train: bool) -> None:
    """The library's own flags, and those that users' modules hold under names of theirs."""
    module.train() if train else module.eval()
    for _, part in nnx.iter_modules(module):
        for name, value in list(vars(part).items()):
            if isinstance(value, bool) and in_training(name) is not None:
                setattr(part, name, in_training(name) is train)


def _flat(module: nnx.Module) -> dict[NnxPath, Any]:
    return {path: _value(variable) for path, variable in nnx.to_flat_state(nnx.state(module))}


def _value(variable: Any) -> Any:
    return variable.get_value() if isinstance(variable, nnx.Variable) else variable


def _name(path: NnxPath) -> str:
    return "/".join(str(part) for part in path)
