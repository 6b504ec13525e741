"""Equinox: `weights` are a module's floating arrays, `state` its `eqx.nn.State` and its other arrays.

An Equinox module works on one example; it is mapped over the batch under the axis name `"batch"`, which
`eqx.nn.BatchNorm` then takes. Images come channels-last, as the data has them: a module whose convolutions
want channels first moves the axis itself.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
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
from weightspace.models.base import State, Weights
from weightspace.spec import spec

BATCH = "batch"
STATE, CONSTANTS = "state", "constants"


@spec
class FromEquinox(UserModel):
    """A user's Equinox module."""

    def init(self, key: Key[Array, ""], x: Any) -> tuple[Weights, State]:
        """Draw weights and the state before training."""
        skeleton = _skeleton(self)
        with library_rules():
            module, state = _build(self.code, key)
        return strong(skeleton.take(jax.tree.leaves(module), jax.tree.leaves(state)))

    def apply(
        self, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs for a batch, and the state after it."""
        skeleton = _skeleton(self)
        wide, inputs = prepared(weights, state, x)
        module, own = skeleton.fill(weights, wide)
        module = eqx.nn.inference_mode(module, value=not train)
        with library_rules():
            outputs, own, _ = _over_batch(module, own, inputs, key, {})
        after = state | skeleton.named_state(jax.tree.leaves(own))
        return checked_outputs(outputs, x, self.name), like(after, state)

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order.

        Modules are found in fields, lists, tuples and dicts of the module, at any depth.
        """
        state, x = prepared(weights, state, x)
        module, own = _skeleton(self).fill(weights, state)
        module = eqx.nn.inference_mode(module)
        key = jax.random.key(0, impl="threefry2x32")
        with library_rules():
            _, _, found = _over_batch(module, own, x, key, dict(_parts(module)))
        return found

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """Equinox's names: the outputs of a `weight` come first."""
        return convention(path, shape, out_first=True)


def from_equinox(
    factory: Callable[..., Any],
    name: str | None = None,
    version: int | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **arguments: Any,
) -> FromEquinox:
    """An Equinox module as a model.

    >>> from_equinox(eqx.nn.Linear, in_features=3, out_features=2).name
    'equinox.nn._linear:Linear:in_features=3,out_features=2'

    Args:
      factory: A module class or a function, called as `factory(key=key, **arguments)`; it gives a module, or
        a module and its state as `eqx.nn.make_with_state` does.
      name: With `version`, the identity of the model in the place of the factory's name and source.
      version: To be raised whenever the model's numbers change.
      overrides: Selector -> fields of `Leaf`, where the layout is not what the names suggest (an
        `eqx.nn.Embedding` has a `weight` that is taken for a kernel).
      **arguments: Of the factory; they are part of the identity.

    Raises:
      InputError: If the factory does not give an Equinox module, or does not take the arguments.
    """
    if isinstance(factory, eqx.Module):
        raise InputError(
            f"from_equinox takes a class or a function that builds a module, not a finished "
            f"{type(factory).__name__}: each run draws its own weights"
        )
    model = FromEquinox(Code(factory, arguments, name=name, version=version), frozen_overrides(overrides))
    _skeleton(model)
    return model


def _build(code: Code, key: Key[Array, ""]) -> tuple[Any, Any]:
    """A module and its state, which may be empty."""
    signature = Signature.of(code.call)
    check_arguments(code, supplied=("key", "model_key"))
    made = code(key=key) if signature.takes("key") else code()
    made = made(key=key) if chooses(made) else made
    module = made[0] if isinstance(made, tuple) and len(made) == 2 else made
    check_library(module, "Equinox", code.identity["code"])
    if isinstance(made, tuple):
        return made
    return eqx.nn.make_with_state(lambda: module)()


def _over_batch(
    module: Any, state: Any, x: Array, key: Key[Array, ""], parts: dict[str, Any]
) -> tuple[Array, Any, dict[str, Array]]:
    """Outputs, the state after the batch, and the outputs of `parts`."""
    signature = Signature.of(type(module).__call__)
    stateful = "state" in signature.required or bool(jax.tree.leaves(state))
    order: list[str] = []

    def one(x: Array, key: Key[Array, ""]) -> tuple[Array, Any, dict[str, Array]]:
        keyword = signature.given(key=key)
        with Recorder(parts) as recorder:
            made = module(x, state, **keyword) if stateful else (module(x, **keyword), state)
        order[:] = recorder.found
        return *made, recorder.found

    keys = jax.random.split(key, x.shape[0])
    outputs, state, found = jax.vmap(one, out_axes=(0, None, 0), axis_name=BATCH)(x, keys)
    return outputs, state, {path: found[path] for path in order}


@dataclasses.dataclass(frozen=True)
class _Skeleton:
    """A module without its arrays: leaves that are no arrays stand as they are, others as their shapes."""

    leaves: tuple[Any, ...]
    paths: tuple[str, ...]
    structure: Any
    state: tuple[Any, ...]
    state_structure: Any

    def take(self, leaves: list[Any], state: list[Any]) -> tuple[Weights, State]:
        """Weights and state of a module with this skeleton."""
        triples = list(zip(self.paths, self.leaves, leaves, strict=True))
        weights = {path: leaf for path, shape, leaf in triples if _is_weight(shape)}
        constants = {path: leaf for path, shape, leaf in triples if _is_constant(shape)}
        named_constants = {CONSTANTS: tree.nested_dict(constants)} if constants else {}
        return tree.nested_dict(weights), self.named_state(state) | named_constants

    def named_state(self, leaves: list[Any]) -> State:
        """The state as a dict."""
        return {STATE: {str(number): leaf for number, leaf in enumerate(leaves)}} if leaves else {}

    def fill(self, weights: Weights, state: State) -> tuple[Any, Any]:
        """The module and its state with these arrays."""
        flat = tree.flat_dict(weights) | tree.flat_dict(state.get(CONSTANTS, {}))
        absent = [p for p, s in zip(self.paths, self.leaves, strict=True) if _is_array(s) and p not in flat]
        if absent:
            raise InputError(f"the weights of the model have no '{absent[0]}'; they have {', '.join(flat)}")
        filled = [flat[p] if _is_array(s) else s for p, s in zip(self.paths, self.leaves, strict=True)]
        own = [state[STATE][str(number)] for number in range(len(self.state))]
        return jax.tree.unflatten(self.structure, filled), jax.tree.unflatten(self.state_structure, own)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _is_weight(leaf: Any) -> bool:
    return _is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _is_constant(leaf: Any) -> bool:
    return _is_array(leaf) and not jnp.issubdtype(leaf.dtype, jnp.inexact)


@functools.lru_cache(maxsize=256)
def _skeleton(model: FromEquinox) -> _Skeleton:
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    with library_rules():
        module, state = eqx.filter_eval_shape(functools.partial(_build, model.code), key)
    leaves = jax.tree_util.tree_leaves_with_path(module)
    skeleton = _Skeleton(
        tuple(leaf for _, leaf in leaves),
        tuple(tree.path_string(path) for path, _ in leaves),
        jax.tree.structure(module),
        tuple(jax.tree.leaves(state)),
        jax.tree.structure(state),
    )
    if not any(_is_weight(leaf) for leaf in skeleton.leaves):
        raise InputError(f"{model.name} has no weights: no floating arrays")
    return skeleton


def _parts(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """The modules within a module that can be called, by path."""
    if isinstance(value, eqx.Module):
        children = [(f.name, getattr(value, f.name, None)) for f in dataclasses.fields(value)]
    elif isinstance(value, list | tuple):
        children = list(enumerate(value))
    elif isinstance(value, dict):
        children = list(value.items())
    else:
        return []
    own = [(path, value)] if isinstance(value, eqx.Module) and callable(value) else []
    inner = [_parts(child, f"{path}/{name}" if path else str(name)) for name, child in children]
    return own + [part for group in inner for part in group]
