"""Flax Linen: `weights` are the collection `params`, `state` all other collections.

Whether a module trains is told by the flag that its `__call__` or, as a field, the module has: `train`,
`is_training`, `deterministic`, `use_running_average` (`modes`). Random streams other than `params` and
`dropout` are derived from `params`, so from the run's key.
"""

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
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
    chosen,
    convention,
    frozen_overrides,
    library_rules,
)
from weightspace.models.adapters.inspection import complain, listening
from weightspace.models.adapters.keys import keys_for, keys_of
from weightspace.models.adapters.linen_collections import (
    JOINT,
    PASSING,
    joined,
    numbered,
    outputs_of_calls,
    renamed,
)
from weightspace.models.adapters.modes import flags_of, in_training, is_yes_or_no, told
from weightspace.models.adapters.record import LOCK, complain_of_flags, fields_of
from weightspace.models.adapters.trial import consulted
from weightspace.models.adapters.user import UserModel
from weightspace.models.base import State, Weights
from weightspace.spec import spec
from weightspace.streams import named
from weightspace.tree import Tree


@spec
class FromLinen(UserModel):
    """A user's Linen module."""

    place: ClassVar[str] = "params"
    tying: ClassVar[str] = "call one submodule in both places"
    advice: ClassVar[str] = "let its `__call__` take `train`, or give it a field `train`, and pass that on"

    def module(self, *, train: bool = False) -> Any:
        """What the factory gives, its flags set."""
        flags = told(_flags_of_factory(self.code.call), train=train)
        check_arguments(self.code, supplied=tuple(flags))
        made = chosen(self.code(**flags), "", None)
        check_library(made, "Flax Linen", self.code.identity["code"])
        return made.clone(**told(_flags(made), train=train)) if _flags(made) else made

    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """The collection `params`, and all others but those that are only looked at.

        As made at test time, with what is made in training alone.
        """
        with _sowing():
            variables = self._made(key, x, train=False)
            if _grows(self, tuple(x.shape), str(x.dtype)):
                variables = joined(variables, self._made(key, x, train=True))
        if not jax.tree.leaves(variables.get("params", {})):
            raise InputError(f"{self.name} has no weights: its collection 'params' is empty")
        named_arrays = {
            name: renamed(part, "/", JOINT) for name, part in variables.items() if name != PASSING
        }
        return named_arrays.pop("params"), named_arrays

    def _made(self, key: Key[Array, ""], x: Any, *, train: bool) -> Any:
        """All variables, of nested dicts, in one mode."""
        module = self.module(train=train)
        rngs = {"params": key, "dropout": named(key, "dropout")}
        with library_rules():
            return nn.unbox(module.init(rngs, x, **_offered(module, key, train=train)))

    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """The module applied to its collections; all but `params` may change."""
        module = self.module(train=train)
        rngs = {"params": named(key, "params"), "dropout": named(key, "dropout")}
        with library_rules(), _watched(train=train):
            outputs, after = module.apply(
                renamed({"params": arrays, **state}, JOINT, "/"),
                x,
                rngs=rngs,
                mutable=list(state),
                **_offered(module, key, train=train),
            )
        after = {name: renamed(after[name], "/", JOINT) if name in after else state[name] for name in state}
        return checked_outputs(outputs, x, self.name), after

    def assembled(self, weights: Weights, state: State, x: Any) -> Any:
        """The user's module, its flags set to evaluation, and its variables, as `module.apply` takes them."""
        arrays, own, _ = self.joined(weights, state, x)
        return self.module(), renamed({"params": arrays, **own}, JOINT, "/")

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order."""
        module, order = self.module(), []
        arrays, state, x = self.joined(weights, state, x)

        def note(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            outputs = call(*args, **kwargs)
            if context.method_name == "__call__":
                order.append("/".join(context.module.path))
            return outputs

        with library_rules(), nn.intercept_methods(note):
            _, captured = module.apply(
                renamed({"params": arrays, **state}, JOINT, "/"),
                x,
                capture_intermediates=True,
                mutable=[*state, PASSING],
                **_offered(module, jax.random.key(0, impl="threefry2x32"), train=False),
            )
        values = outputs_of_calls(captured[PASSING])
        return {path: values[path] for path in numbered(order) if path in values}

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """Flax's names: outputs come last."""
        return convention(path.replace(JOINT, "/"), shape)


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
    check_flags(model.code)
    _mode(model.module(), train=False)
    return model


@functools.lru_cache(maxsize=256)
def _grows(model: FromLinen, shape: tuple[int, ...], dtype: str) -> bool:
    """Whether a module makes arrays in training that it does not make at test time."""
    found: list[set[str]] = []

    def made(key: Key[Array, ""], x: Any) -> None:
        for train in (False, True):
            arrays = {
                name: part for name, part in model._made(key, x, train=train).items() if name != PASSING
            }
            found.append(set(tree.flat_dict(arrays)))

    jax.eval_shape(
        made,
        jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32")),
        jax.ShapeDtypeStruct(shape, dtype),
    )
    test, train = found
    return bool(train - test)


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


def _flags_of_factory(call: Callable[..., Any]) -> tuple[str, ...]:
    """The flags that a factory is given; fields of a class that have defaults are set afterwards."""
    required = Signature.of(call).required
    flags = flags_of(call, held=True)
    return tuple(name for name in flags if name in required or not inspect.isclass(call))


def _flags(module: nn.Module) -> tuple[str, ...]:
    """The fields of a module that are flags and are given by nothing else."""
    call = flags_of(type(module).__call__)
    fields = [f.name for f in dataclasses.fields(module) if f.init and f.name not in ("parent", "name")]
    flags = [name for name in fields if in_training(name, held=True) is not None and name not in call]
    values = {name: getattr(module, name) for name in flags}
    return tuple(name for name, value in values.items() if value is None or is_yes_or_no(value))


def _mode(module: nn.Module, *, train: bool) -> dict[str, bool]:
    call = type(module).__call__
    flags = flags_of(call)
    check_call(call, flags, type(module).__name__)
    if "rngs" in keys_of(call):
        raise InputError(
            f"the call of {type(module).__name__} takes 'rngs', which Linen's own `apply` takes away; call a "
            "random key `key`"
        )
    return told(flags, train=train)


def _offered(module: nn.Module, key: Key[Array, ""], *, train: bool) -> dict[str, Any]:
    """What the call is given by name: flags, and random keys."""
    flags = _mode(module, train=train)
    called, own = type(module).__call__, named(key, "call")
    return flags | keys_for(called, own, train=train, told=bool(flags or _flags(module)))


@contextlib.contextmanager
def _watched(*, train: bool) -> Iterator[None]:
    """An inspection is told of modules whose flags have the wrong value."""
    if not listening():
        yield
        return

    def note(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        if context.method_name == "__call__":
            path = "/".join(module.path)
            kwargs = kwargs | consulted(path, module, args, kwargs, fields_of(module))
            complain_of_flags(path, module, fields_of(module), args, kwargs, train=train)
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        yield


@contextlib.contextmanager
def _sowing() -> Iterator[None]:
    """What a module sows for others than onlookers is refused: no loss here would take it."""
    original = nn.Module.sow

    def sow(module: Any, collection: str, name: str, *args: Any, **kwargs: Any) -> Any:
        if collection != PASSING:
            complain(
                f"it sows '{name}' into the collection '{collection}', which nothing here takes up: put it "
                f"into the outputs, or into '{PASSING}' if it is only for looking at"
            )
        return original(module, collection, name, *args, **kwargs)

    if not listening():
        yield
        return
    with LOCK:
        setattr(nn.Module, "sow", sow)  # noqa: B010 (its type is that of overloads)
        try:
            yield
        finally:
            nn.Module.sow = original
