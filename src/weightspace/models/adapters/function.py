"""Plain functions: `init` and `apply` over a pytree of arrays of any structure.

`apply` is given what its signature names: a flag such as `train`, a random key as `key` or `rng`, and
`state`; with `state`, `init` gives weights and state and `apply` gives outputs and state.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Key

from weightspace import tree
from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.models.adapters.common import (
    Convention,
    Signature,
    check_arguments,
    check_flags,
    checked_outputs,
    convention,
    frozen_overrides,
    library_of,
    library_rules,
)
from weightspace.models.adapters.inspection import listening
from weightspace.models.adapters.keys import check_keys, keys_for, keys_of
from weightspace.models.adapters.modes import flags_of, told
from weightspace.models.adapters.trial import consulted
from weightspace.models.adapters.user import UserModel
from weightspace.models.base import State, Weights
from weightspace.spec import spec, static
from weightspace.tree import Tree


@spec
class FromFunction(UserModel):
    """A user's pair of functions; `code` is `apply`.

    Attributes:
      start: `init(key, x)`.
      activations: `intermediates(weights, x)`, or None.
    """

    start: Code = static()
    activations: Code | None = static(default=None)

    tying: ClassVar[str] = "hold it once and use it twice"
    advice: ClassVar[str] = "let apply take `train`"

    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """What the user's `init` gives, under string keys."""
        with library_rules():
            weights, state = _split(self, self.start(key, x))
            state = _named(state) if jax.tree.leaves(state) else {}
            weights = _named(weights)
        if self.place in state:
            raise InputError(
                f"the state of {self.name} has a part '{self.place}', where arrays without a gradient stand; "
                "give it another name"
            )
        return weights, state

    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """What the user's `apply` gives."""
        structure, call = _structure(self, x), self.code.call
        offered = _offered(call, structure.state(state), train=train, key=key)
        if listening():
            offered |= consulted("", call, (None, x), offered)
        with library_rules():
            made = self.code(structure.weights(arrays), x, **offered)
        outputs, after = _split(self, made)
        return checked_outputs(outputs, x, self.name), _named(after) if _stateful(self) else {}

    def assembled(self, weights: Weights, state: State, x: Any) -> Any:
        """The weights as `apply` takes them; with the state where it takes one."""
        arrays, own, inputs = self.joined(weights, state, x)
        structure = _structure(self, inputs)
        return (
            (structure.weights(arrays), structure.state(own))
            if _stateful(self)
            else structure.weights(arrays)
        )

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """What the user's function gives, or nothing."""
        if self.activations is None:
            return {}
        structure, call = _structure(self, x), self.activations.call
        arrays, own, inputs = self.joined(weights, state, x)
        key = jax.random.key(0, impl="threefry2x32")
        offered = _offered(call, structure.state(own), train=False, key=key)
        with library_rules():
            return self.activations(structure.weights(arrays), inputs, **offered)

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """Outputs come last; arrays with two or more axes are kernels, with one, biases."""
        return convention(path, shape)


def _offered(call: Any, state: Any, *, train: bool, key: Key[Array, ""]) -> dict[str, Any]:
    """What a user's function is given by name."""
    flags = told(flags_of(call), train=train)
    keys = keys_for(call, key, train=train, told=bool(flags))
    return flags | keys | Signature.of(call).given(state=state)


def from_function(
    init: Callable[..., Any],
    apply: Callable[..., Any],
    intermediates: Callable[..., Any] | None = None,
    name: str | None = None,
    version: int | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **arguments: Any,
) -> FromFunction:
    """A pair of functions as a model.

    Args:
      init: `init(key, x) -> weights`, or `-> (weights, state)` if `apply` takes `state`.
      apply: `apply(weights, x) -> outputs`; it may also take `train`, `key` (or `rng`) and `state` by
        keyword, and gives `(outputs, state)` if it takes `state`.
      intermediates: `intermediates(weights, x) -> {name: array}`, the activations in forward order.
      name: With `version`, the identity of the model in the place of the functions' names and source.
      version: To be raised whenever the model's numbers change.
      overrides: Selector -> fields of `Leaf`, where the layout is not what the names suggest.
      **arguments: Given by keyword to those functions that name them; part of the identity.

    Raises:
      InputError: If something else than functions is given.
    """
    calls = {"init": init, "apply": apply, "intermediates": intermediates}
    calls = {what: call for what, call in calls.items() if call is not None}
    for what, call in calls.items():
        _check_plain(what, call)
    for argument in arguments:
        if not any(Signature.of(call).takes(argument) for call in calls.values()):
            raise InputError(f"{' and '.join(calls)}: none of them takes an argument '{argument}'")
    codes = {what: _code(call, what, arguments, name, version) for what, call in calls.items()}
    return FromFunction(
        codes["apply"], frozen_overrides(overrides), codes["init"], codes.get("intermediates")
    )


def _check_plain(what: str, call: Any) -> None:
    library = library_of(call)
    if library is not None or not callable(call):
        kind = f"a module of {library}" if library else f"a value of type {type(call).__name__}"
        raise InputError(f"{what} is {kind}, but from_function takes plain functions")


def _code(call: Any, what: str, arguments: dict[str, Any], name: str | None, version: int | None) -> Code:
    signature = Signature.of(call)
    code = Code(
        call,
        {key: value for key, value in arguments.items() if signature.takes(key)},
        name=None if name is None else f"{name}.{what}",
        version=version,
    )
    if what == "init":
        check_arguments(code, supplied=signature.required[:2])
        return code
    check_flags(code, held=False)
    check_keys(call, code.arguments, code.identity["code"])
    check_arguments(code, supplied=(*signature.required[:2], *flags_of(call), *keys_of(call), "state"))
    return code


def _split(model: FromFunction, made: Any) -> tuple[Any, Any]:
    if not _stateful(model):
        return made, {}
    if not isinstance(made, tuple) or len(made) != 2:
        raise InputError(
            f"{model.name} takes a state, so init must give (weights, state) and apply (outputs, state)"
        )
    return made


def _stateful(model: FromFunction) -> bool:
    return "state" in Signature.of(model.code.call).names


def _named(arrays: Any) -> dict[str, Any]:
    """Any pytree as a nested dict with string keys."""
    flat = dict(zip(tree.check_distinct(tree.paths(arrays)), jax.tree.leaves(arrays), strict=True))
    if "" in flat:
        raise InputError("weights must be a dict, list or other tree of arrays, not a lone array")
    return tree.nested_dict(flat)


@dataclasses.dataclass(frozen=True)
class _Structure:
    """The trees that the user's functions know."""

    weights_tree: Any
    state_tree: Any

    def weights(self, named: Any) -> Any:
        """The user's tree of the weights."""
        return _as(self.weights_tree, named)

    def state(self, named: Any) -> Any:
        """The user's tree of the state."""
        return _as(self.state_tree, named)


def _as(wanted: Any, named: Any) -> Any:
    flat = tree.flat_dict(named)
    absent = [path for path in tree.paths(wanted) if path not in flat]
    if absent:
        raise InputError(f"the model's arrays have no '{absent[0]}'; it has {', '.join(flat)}")
    return tree.map_named(lambda path, _: flat[path], wanted)


def _structure(model: FromFunction, x: Array) -> _Structure:
    return _structure_of(model, x.shape, str(x.dtype))


@functools.lru_cache(maxsize=256)
def _structure_of(model: FromFunction, shape: tuple[int, ...], dtype: str) -> _Structure:
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    with library_rules():
        made = jax.eval_shape(model.start, key, jax.ShapeDtypeStruct(shape, dtype))
    return _Structure(*_split(model, made))
