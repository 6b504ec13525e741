"""Flax NNX: modules by split, merge and state only.

`weights` are the parameters, `state` all other variables but random ones: these are set anew from `key` at
each call, so that no random number is carried from step to step. The graph of a module is found once.
"""

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Key

from weightspace import tree
from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.models.adapters.common import (
    Convention,
    check_arguments,
    check_flags,
    check_library,
    checked_outputs,
    chosen,
    convention,
    frozen_overrides,
    library_rules,
    like,
    prepared,
    strong,
    taking,
)
from weightspace.models.adapters.inspection import complain, listening
from weightspace.models.adapters.nnx_graph import (
    Graph,
    NnxPath,
    arguments_of_call,
    flat_arrays,
    graph_of,
    name_of,
)
from weightspace.models.adapters.record import FlagWatch, Recorder
from weightspace.models.adapters.user import PathModel
from weightspace.models.base import Model, State, Weights
from weightspace.spec import spec
from weightspace.tree import Tree


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
        return outputs, like(Graph.pick(flat, graph_of(self).state), state)

    def assembled(self, weights: Weights, state: State, x: Any) -> nnx.Module:
        """The module, in evaluation mode."""
        return merged(self, weights, state)

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
    graph = graph_of(model)
    with library_rules():
        flat = flat_arrays(model.module(nnx.Rngs(key)))
    return graph.pick(flat, graph.weights), graph.pick(flat, graph.state)


def merged(model: NnxModel, weights: Weights, state: State) -> nnx.Module:
    """A module of these arrays at test time; its random streams begin anew."""
    key = jax.random.key(0, impl="threefry2x32")
    return graph_of(model).merge(weights, state, key, train=False)


def ran(
    model: NnxModel, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
) -> tuple[Array, dict[NnxPath, Any]]:
    """Outputs of a module, and all its arrays after the call."""
    module: Any = graph_of(model).merge(weights, state, key, train=train)
    with library_rules():
        flags = arguments_of_call(module, key, train=train)
        if not listening():
            outputs = module(x, **flags)
        else:
            with FlagWatch(_parts(module), train=train):
                outputs = module(x, **flags)
            _check_sown(module, graph_of(model))
    return checked_outputs(outputs, x, model.name), flat_arrays(module)


def recorded(model: NnxModel, weights: Weights, state: State, x: Array) -> dict[str, Array]:
    """The outputs of all parts of a module at test time."""
    key = jax.random.key(0, impl="threefry2x32")
    module: Any = merged(model, weights, state)
    with Recorder(_parts(module)) as recorder, library_rules():
        module(x, **arguments_of_call(module, key, train=False))
    return recorder.found


def _parts(module: Any) -> dict[str, Any]:
    return {name_of(path): part for path, part in nnx.iter_modules(module)}


def _check_sown(module: Any, graph: "Graph") -> None:
    """What a module sows for others than onlookers is refused: no loss here would take it."""
    known = {*graph.weights, *graph.state, *(path for path, _ in graph.random)}
    for path, variable in nnx.to_flat_state(nnx.state(module)):
        if path not in known and not isinstance(variable, nnx.Intermediate):
            complain(
                f"its call makes the variable '{name_of(path)}' ({type(variable).__name__}), which nothing "
                "here takes up: make it in `__init__`, put it into the outputs, or sow an nnx.Intermediate "
                "if it is only for looking at"
            )


@spec
class FromNnx(PathModel, NnxModel):
    """A user's NNX module. Arrays that are no weights stand in the state by their paths, as variables do."""

    tying: ClassVar[str] = "let both places hold one nnx.Param"
    advice: ClassVar[str] = "let its `__call__` or an attribute say `train`, and pass that on"

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """What the factory gives."""
        made = chosen(_build(self.code, rngs), "rngs", rngs)
        check_library(made, "Flax NNX", self.code.identity["code"])
        return made

    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """Floating parameters, and all other variables but random ones."""
        return drawn(self, key)

    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs, and the variables after the call: parameters too, where it has set them."""
        outputs, flat = ran(self, arrays, state, x, train=train, key=key)
        graph, given = graph_of(self), tree.flat_dict(arrays)
        # Parameters that the call has set; the others stay as they are, whatever precision it was in.
        changed = tuple(path for path in graph.weights if flat[path] is not given[name_of(path)])
        return outputs, graph.pick(flat, graph.state + changed)

    def parameters(self, x: Any) -> frozenset[str]:
        """Those of the module."""
        del x
        return frozenset(name_of(path) for path in graph_of(self).weights)

    def assembled(self, weights: Weights, state: State, x: Any) -> nnx.Module:
        """The user's module, in evaluation mode."""
        arrays, own, _ = self.joined(weights, state, x)
        return merged(self, arrays, own)

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
    check_flags(model.code)
    graph_of(model)
    return model


def _build(code: Code, rngs: nnx.Rngs) -> Any:
    taken = taking(code.call, "rngs", code.arguments)
    check_arguments(code, supplied=taken)
    return code(**dict.fromkeys(taken, rngs))
