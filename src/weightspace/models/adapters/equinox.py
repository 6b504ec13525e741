"""Equinox: `weights` are a module's floating arrays, `state` its `eqx.nn.State` and its other arrays.

An Equinox module works on one example; it is mapped over the batch under the axis name `"batch"`, which
`eqx.nn.BatchNorm` then takes. Images come channels-last, as the data has them: a module whose convolutions
want channels first moves the axis itself.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

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
    check_arguments,
    check_call,
    check_flags,
    check_library,
    checked_outputs,
    chosen,
    convention,
    frozen_overrides,
    library_rules,
    taking,
)
from weightspace.models.adapters.equinox_parts import held_flags, parts
from weightspace.models.adapters.equinox_skeleton import CONSTANTS, Skeleton, is_array, is_floating
from weightspace.models.adapters.inspection import listening
from weightspace.models.adapters.keys import keys_for
from weightspace.models.adapters.modes import flags_of, in_training, told
from weightspace.models.adapters.record import LOCK, FlagWatch, Recorder
from weightspace.models.adapters.user import UserModel
from weightspace.models.base import State, Weights
from weightspace.spec import spec
from weightspace.tree import Tree

BATCH = "batch"


@spec
class FromEquinox(UserModel):
    """A user's Equinox module."""

    place: ClassVar[str] = CONSTANTS
    tying: ClassVar[str] = "tie them by eqx.nn.Shared"
    advice: ClassVar[str] = "let a field `inference`, or an argument of its `__call__`, switch it off"

    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """The module's arrays, and its own state."""
        skeleton = _skeleton(self)
        with library_rules():
            module, state = _build(self.code, key)
        return skeleton.take(jax.tree.leaves(module)), skeleton.named_state(jax.tree.leaves(state))

    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """The module mapped over the batch."""
        skeleton = _skeleton(self)
        module, own = skeleton.fill(arrays, state)
        module, flags = _in_mode(module, train=train)
        if train and jnp.issubdtype(x.dtype, jnp.floating) and jnp.finfo(x.dtype).bits < 32:
            _check_coarse(module, x.dtype)
        watch = FlagWatch(dict(parts(module)), train=train) if listening() else None
        with library_rules():
            outputs, own, _ = _over_batch(module, own, x, key, flags, watch, train=train)
        return checked_outputs(outputs, x, self.name), skeleton.named_state(jax.tree.leaves(own))

    def assembled(self, weights: Weights, state: State, x: Any) -> Any:
        """The user's module in inference mode; with its `eqx.nn.State` where it takes one."""
        arrays, own, _ = self.joined(weights, state, x)
        module, own = _skeleton(self).fill(arrays, own)
        module, _ = _in_mode(module, train=False)
        return (module, own) if _takes_state(module, own) else module

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order.

        Modules are found in fields, lists, tuples and dicts of the module, at any depth.
        """
        arrays, state, x = self.joined(weights, state, x)
        module, own = _skeleton(self).fill(arrays, state)
        module, flags = _in_mode(module, train=False)
        key = jax.random.key(0, impl="threefry2x32")
        with library_rules():
            recorder = _PartsRecorder(dict(parts(module)))
            _, _, found = _over_batch(module, own, x, key, flags, recorder, train=False)
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
    check_flags(model.code)
    _skeleton(model)
    return model


def _build(code: Code, key: Key[Array, ""]) -> tuple[Any, Any]:
    """A module and its state, which may be empty."""
    taken = taking(code.call, "key", code.arguments)
    check_arguments(code, supplied=taken)
    made = chosen(code(**dict.fromkeys(taken, key)), "key", key)
    module = made[0] if isinstance(made, tuple) and len(made) == 2 else made
    check_library(module, "Equinox", code.identity["code"])
    if isinstance(made, tuple):
        return made
    return eqx.nn.make_with_state(lambda: module)()


def _in_mode(module: Any, *, train: bool) -> tuple[Any, dict[str, bool]]:
    """A module whose flags, the library's and those under users' names, say the mode; those of its call."""
    try:
        module = eqx.nn.inference_mode(module, value=not train)
    except TypeError:  # The library's function sets no static field `inference`.
        module = jax.tree.map(lambda leaf: leaf, module)
    for part, name in held_flags(module):
        # The parts were made anew above, so none of a user's is changed.
        object.__setattr__(part, name, in_training(name, held=True) is train)
    return module, told(flags_of(type(module).__call__), train=train)


def _check_coarse(module: Any, dtype: Any) -> None:
    """Raise for a layer that cannot mix a batch's statistics with the finer ones of its state."""
    for path, part in parts(module):
        if isinstance(part, eqx.nn.BatchNorm) and part.mode == "ema":
            raise InputError(
                f"the BatchNorm '{path}' has the mode 'ema', which does not train in {dtype}; make it with "
                "mode='batch', or train in float32"
            )


def _over_batch(
    module: Any,
    state: Any,
    x: Array,
    key: Key[Array, ""],
    flags: dict[str, bool],
    recorder: Recorder | None,
    *,
    train: bool,
) -> tuple[Array, Any, dict[str, Array]]:
    """Outputs, the state after the batch, and what a recorder has found."""
    call, stateful = type(module).__call__, _takes_state(module, state)
    knows = bool(flags or held_flags(module))
    order: list[str] = []

    def one(x: Array, key: Key[Array, ""]) -> tuple[Array, Any, dict[str, Array]]:
        given = {**keys_for(call, key, train=train, told=knows), **flags}
        with recorder or contextlib.nullcontext(), _plain_state():
            made = module(x, state, **given) if stateful else (module(x, **given), state)
        found = recorder.found if recorder else {}
        order[:] = found
        return *made, found

    keys = jax.random.split(key, x.shape[0])
    with _of_the_batch(type(module).__name__, stateful=stateful):
        outputs, state, found = jax.vmap(one, out_axes=(0, None, 0), axis_name=BATCH)(x, keys)
    return outputs, state, {path: found[path] for path in order}


@contextlib.contextmanager
def _of_the_batch(who: str, *, stateful: bool) -> Iterator[None]:
    """Errors about the axis of the batch, which is ours, say what it is called and what goes over it."""
    try:
        yield
    except NameError as error:
        if "unbound axis name" not in str(error):
            raise
        name = str(error).partition("unbound axis name:")[2].strip().split(".")[0]
        raise InputError(
            f"{who} goes over an axis called '{name}', but the axis of the examples is called "
            f"'{BATCH}': give axis_name=\"{BATCH}\""
        ) from None
    except ValueError as error:
        if not stateful or "out_axes" not in str(error):
            raise
        raise InputError(
            f"{who} sets a state to a value of one example, but a state is one for the whole batch: set "
            f'it to jax.lax.pmean(value, "{BATCH}")'
        ) from None


def _takes_state(module: Any, state: Any) -> bool:
    return "state" in Signature.of(type(module).__call__).required or bool(jax.tree.leaves(state))


@contextlib.contextmanager
def _plain_state() -> Iterator[None]:
    """`State.set` compares structures, shapes and types, and keeps the types there were.

    The library's own compares shardings too, by which constants and carried values differ within a compiled
    `shard_map`, and weak types, which a loop does not carry.
    """
    original = eqx.nn.State.set
    with LOCK:
        setattr(eqx.nn.State, "set", _set)  # noqa: B010 (parameters of other names)
        try:
            yield
        finally:
            eqx.nn.State.set = original


def _set(state: Any, item: Any, value: Any) -> Any:
    before, value = state.get(item), jax.tree.map(jnp.asarray, value)
    old, new = (jax.tree.map(lambda a: a.shape, tree) for tree in (before, value))
    if jax.tree.structure(before) != jax.tree.structure(value) or old != new:
        raise InputError(f"a state of shapes {old} is set to one of shapes {new}; a state keeps its shapes")
    values, markers = state.tree_flatten()
    kept = jax.tree.map(lambda a, b: a if a.dtype == b.dtype else a.astype(b.dtype), value, before)
    replaced = [kept if m is item.marker else v for m, v in zip(markers, values, strict=True)]
    return type(state).tree_unflatten(markers, replaced)


class _PartsRecorder(Recorder):
    """Knows the parts of `eqx.nn.Shared`, which makes its modules anew at each call."""

    def parts_of(self, path: str, module: Any, outputs: Any) -> dict[str, Any]:
        """The modules that a shared part gives."""
        return dict(parts(outputs, f"{path}/pytree")) if isinstance(module, eqx.nn.Shared) else {}


@functools.lru_cache(maxsize=256)
def _skeleton(model: FromEquinox) -> Skeleton:
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    with library_rules():
        module, state = eqx.filter_eval_shape(functools.partial(_build, model.code), key)
    leaves = jax.tree_util.tree_leaves_with_path(module)
    skeleton = Skeleton(
        tuple(leaf for _, leaf in leaves),
        tree.check_distinct([tree.path_string(path) for path, _ in leaves]),
        jax.tree.structure(module),
        tuple(jax.tree.leaves(state)),
        jax.tree.structure(state),
    )
    floating = [leaf for leaf in skeleton.leaves if is_array(leaf) and is_floating(leaf)]
    if not floating:
        raise InputError(f"{model.name} has no weights: no floating arrays")
    call: Any = type(module).__call__
    places = 3 if _takes_state(module, state) else 2
    check_call(call, ("state", *flags_of(call)), type(module).__name__, places)
    return skeleton
