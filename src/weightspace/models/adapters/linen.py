"""Flax Linen: `weights` are the collection `params`, `state` all other collections.

Whether a module trains is told by the keyword that its `__call__` has: `train`, `training`, `deterministic`
or `use_running_average`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
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
    convention,
    frozen_overrides,
    library_rules,
    like,
    prepared,
    strong,
)
from weightspace.models.base import State, Weights
from weightspace.spec import spec
from weightspace.streams import named

PASSING = "intermediates"
"""The collection of activations: made by a call, not carried on."""


@spec
class FromLinen(UserModel):
    """A user's Linen module."""

    def module(self) -> Any:
        """What the factory gives."""
        check_arguments(self.code)
        made = self.code()
        check_library(made, "Flax Linen", self.code.identity["code"])
        return made

    def init(self, key: Key[Array, ""], x: Any) -> tuple[Weights, State]:
        """Draw weights and the state before training."""
        module = self.module()
        rngs = {"params": key, "dropout": named(key, "dropout")}
        with library_rules():
            variables = nn.unbox(module.init(rngs, x, **_mode(module, train=False)))
        state = {name: value for name, value in variables.items() if name not in ("params", PASSING)}
        if not jax.tree.leaves(variables.get("params", {})):
            raise InputError(f"{self.name} has no weights: its collection 'params' is empty")
        return strong((variables["params"], state))

    def apply(
        self, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs for a batch, and the state after it."""
        module = self.module()
        rngs = {"params": named(key, "params"), "dropout": named(key, "dropout")}
        wide, inputs = prepared(weights, state, x)
        with library_rules():
            outputs, after = module.apply(
                {"params": weights, **wide},
                inputs,
                rngs=rngs,
                mutable=list(state),
                **_mode(module, train=train),
            )
        after = {name: after.get(name, state[name]) for name in state}
        return checked_outputs(outputs, x, self.name), like(after, state)

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order."""
        module, order = self.module(), []
        state, x = prepared(weights, state, x)

        def note(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            outputs = call(*args, **kwargs)
            if context.method_name == "__call__":
                order.append("/".join(context.module.path))
            return outputs

        with library_rules(), nn.intercept_methods(note):
            _, captured = module.apply(
                {"params": weights, **state},
                x,
                capture_intermediates=True,
                mutable=[*state, PASSING],
                **_mode(module, train=False),
            )
        values = _outputs_of_calls(captured[PASSING])
        return {path: values[path] for path in _numbered(order) if path in values}

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """Flax's names: outputs come last."""
        return convention(path, shape)


def from_linen(
    module: nn.Module | Callable[..., Any],
    name: str | None = None,
    version: int | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **arguments: Any,
) -> FromLinen:
    """A Flax Linen module as a model.

    >>> from_linen(nn.Dense(2)).name
    'flax.linen.linear:Dense:features=2'

    Args:
      module: A module, a module class, or a function that gives a module.
      name: With `version`, the identity of the model in the place of its name and source.
      version: To be raised whenever the model's numbers change.
      overrides: Selector -> fields of `Leaf`, where the layout is not what the names suggest.
      **arguments: Of the class or function; they are part of the identity.

    Raises:
      InputError: If it is no Linen module, or does not take the arguments.
    """
    if isinstance(module, nn.Module):
        if arguments:
            raise InputError(f"a finished {type(module).__name__} takes no arguments; give its class instead")
        if name is None:
            module, arguments = type(module), _changed_fields(module)
        else:
            module = _constant(module)
    model = FromLinen(Code(module, arguments, name=name, version=version), frozen_overrides(overrides))
    model.module()
    return model


def _constant(module: nn.Module) -> Callable[[], nn.Module]:
    return lambda: module


def _changed_fields(module: nn.Module) -> dict[str, Any]:
    """The fields of a module that are not the defaults of its class."""
    fields = [f for f in dataclasses.fields(module) if f.init and f.name not in ("parent", "name")]
    values = {f.name: getattr(module, f.name) for f in fields}
    return {
        f.name: values[f.name]
        for f in fields
        if values[f.name] is not f.default and values[f.name] != f.default
    }


def _mode(module: nn.Module, *, train: bool) -> dict[str, bool]:
    signature = Signature.of(type(module).__call__)
    return signature.given(
        train=train, training=train, deterministic=not train, use_running_average=not train
    )


def _outputs_of_calls(captured: Any) -> dict[str, Array]:
    """`{path: output}`; the outputs of later calls of a module are `path#2` and so on."""
    found = {}
    for name, value in tree.flat_dict(captured).items():
        path, call, number = f"/{name}".partition("/__call__/")
        if call and isinstance(value, jax.Array):
            own, number = path.removeprefix("/"), int(number.partition("/")[0])
            found.setdefault(own if number == 0 else f"{own}#{number + 1}", value)
    return found


def _numbered(paths: list[str]) -> list[str]:
    """The same names, later ones of equal name as `path#2`."""
    seen: dict[str, int] = {}
    numbered = []
    for path in paths:
        seen[path] = seen.get(path, 0) + 1
        numbered.append(path if seen[path] == 1 else f"{path}#{seen[path]}")
    return numbered
