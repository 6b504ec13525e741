"""What a user's network is, found once by tracing it: which arrays are weights, and what is refused.

Weights are the floating arrays that the gradient of the outputs reaches in training. Others (behind a
`stop_gradient`, unused, of whole numbers) are kept as state. Found from the computation, not from numbers: a
layer that starts at zero has zero gradients and is a layer. Everything is refused here that no later part
could tell from a network that is right: complex numbers, one array in two places, a mode that is not told.
"""

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters.modes import in_training, yes_or_no
from weightspace.models.adapters.shapes import other_shapes
from weightspace.models.adapters.trial import Option, surveying
from weightspace.models.adapters.untold import untold
from weightspace.models.mixing import network_mixes, rows_apart
from weightspace.models.reach import reached
from weightspace.models.rows import apart

BATCH = 2
_BRANCH = "and let it choose in Python, by `if train:`, where a product or a probability of it does not tell"


class _Complaints(threading.local):
    """What is wrong with the networks that this thread is inspecting, the innermost last."""

    def __init__(self) -> None:
        self.lists: list[list[tuple[str, bool]]] = []


_COMPLAINTS = _Complaints()


def listening() -> bool:
    """Whether a network is being inspected, so that its parts shall be watched."""
    return bool(_COMPLAINTS.lists)


def complain(text: str, *, of_mode: bool = False) -> None:
    """Note what is wrong with the network under inspection, and whether it is that a mode was not told."""
    if _COMPLAINTS.lists:
        _COMPLAINTS.lists[-1].append((text, of_mode))


@contextlib.contextmanager
def _listening() -> Iterator[list[tuple[str, bool]]]:
    _COMPLAINTS.lists.append([])
    try:
        yield _COMPLAINTS.lists[-1]
    finally:
        _COMPLAINTS.lists.pop()


def buffers_of(model: Any, x: Any) -> frozenset[str]:
    """The paths of a user model's arrays that are no weights, for inputs like `x`; inspected once.

    Raises:
      InputError: If the network is not one that can be trained as it is; with the change to the examples
        that mends it, where one does.
    """
    kind, shape = "float32" if jnp.issubdtype(x.dtype, jnp.floating) else str(x.dtype), tuple(x.shape[1:])
    try:
        return _inspected(model, shape, kind)
    except InputError as error:
        for other, change in other_shapes(shape):
            if _takes(model, other, kind):
                raise InputError(
                    f"{model.name} takes examples of shape {other}, but is given {shape}: {change} ({error})"
                ) from error
        if len(shape) == 2 and not _takes(model, (*shape, 1), kind):
            # A factory that is told the shape builds another network for each: no other shape fits this one.
            raise InputError(
                f"{error}; if examples are images without an axis of channels, give x[..., None]"
            ) from error
        raise


def _takes(model: Any, shape: tuple[int, ...], kind: str) -> bool:
    """Whether a network has nothing against examples of a shape."""
    try:
        _inspected(model, shape, kind)
    except InputError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _inspected(model: Any, shape: tuple[int, ...], dtype: str) -> frozenset[str]:
    x = jax.ShapeDtypeStruct((BATCH, *shape), dtype)
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise InputError(f"inputs are {dtype}; give their real and imaginary part as two channels")
    when = ""
    try:
        weights, state, twins = _drawn(model, key, x)
        fixed = {path for path, leaf in weights.items() if not jnp.issubdtype(leaf.dtype, jnp.floating)}
        when = " in training"
        still = _unmoved(model, weights, fixed, state, key, x)
        when = " at test time"
        with surveying(model.code) as options:
            _check_test(model, weights, state, key, x)
        _check_untold(model, options, (weights, state, key, x))
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).strip().split("\n")[0].split())
        raise InputError(
            f"{model.name} cannot take examples of shape {shape} and type {dtype}{when}: "
            f"{type(error).__name__}: {reason}"
        ) from error
    buffers = frozenset(fixed | still)
    if len(buffers) == len(weights):
        raise InputError(
            f"{model.name} has no weights: no gradient reaches {', '.join(weights) or 'anything'}"
        )
    for first, second in twins:
        if not {first, second} & buffers:
            raise InputError(
                f"the leaves '{first}' and '{second}' of {model.name} are one array, but would be trained "
                f"apart; {model.tying}, or draw an array for each"
            )
    return buffers


def _drawn(model: Any, key: Any, x: Any) -> tuple[dict[str, Any], Any, list[tuple[str, str]]]:
    """Shapes of the arrays and the state, and pairs of paths that hold one array."""
    twins: list[tuple[str, str]] = []

    def draw(key: Any, x: Any) -> Any:
        weights, state = model.draw(key, x)
        seen: dict[int, str] = {}
        for path, leaf in tree.flat_dict(weights).items():
            first = seen.setdefault(id(leaf), path)
            if first != path:
                twins.append((first, path))
        _check_real(weights, state)
        return weights, state

    with _listening() as complaints:
        closed, (weights, state) = jax.make_jaxpr(draw, return_shape=True)(key, x)
    _refuse(model, complaints)
    paths = [tree.path_string(path) for path, _ in jax.tree_util.tree_leaves_with_path((weights, state))]
    for path, hit in zip(paths, reached(closed, [False, True]), strict=True):
        if hit:
            raise InputError(
                f"{model.name} makes '{path.partition('/')[2]}' from the values of its inputs, but is drawn "
                "before it sees data, for zeros of their shape: give the statistics of the data as an "
                "argument of the factory, or normalise in Data"
            )
    return tree.flat_dict(weights), state, twins


def _check_real(weights: Any, state: Any) -> None:
    for what, arrays in (("leaf", weights), ("state", state)):
        for path, leaf in tree.flat_dict(arrays).items():
            if not hasattr(leaf, "dtype"):
                raise InputError(
                    f"{what} '{path}' is a value of type {type(leaf).__name__}, but must be an array"
                )
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                raise InputError(
                    f"{what} '{path}' is a random key, which would be the same at every step; let the call "
                    "take one"
                )
            if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
                raise InputError(
                    f"{what} '{path}' is {leaf.dtype}; give its real and imaginary part as two arrays"
                )


def _unmoved(model: Any, weights: dict[str, Any], fixed: set[str], state: Any, key: Any, x: Any) -> set[str]:
    """The floating arrays that no gradient of the outputs reaches in training."""
    moving = {path: leaf for path, leaf in weights.items() if path not in fixed}
    resting = {path: weights[path] for path in fixed}

    def pulled(moving: Any, resting: Any, state: Any, key: Any, x: Any, one: Any) -> Any:
        def outputs(moving: Any) -> Any:
            both = tree.nested_dict(moving | resting)
            made, _ = model.run(both, state, x, train=True, key=key)
            _check_outputs(model, made)
            return made

        made, pull = jax.vjp(outputs, moving)
        with jax.numpy_dtype_promotion("standard"):
            return pull(jnp.broadcast_to(one, made.shape).astype(made.dtype))[0]

    given = (moving, resting, state, key, x, jax.ShapeDtypeStruct((), "float32"))
    with _listening() as complaints:
        closed = jax.make_jaxpr(pulled)(*given)
    _refuse(model, complaints)
    marked = [False] * (len(jax.tree.leaves(given)) - 1) + [True]
    # What a factor of zero switches off is a weight all the same: factors may be given by the user.
    touched = reached(closed, marked, constants=False)
    return {path for path, hit in zip(sorted(moving), touched, strict=True) if not hit}


def _check_outputs(model: Any, made: Any) -> None:
    if jnp.issubdtype(made.dtype, jnp.complexfloating):
        raise InputError(
            f"the outputs of {model.name} are {made.dtype}; give their absolute value, or their real and "
            "imaginary part as two outputs"
        )
    if not jnp.issubdtype(made.dtype, jnp.floating):
        raise InputError(f"the outputs of {model.name} are {made.dtype}, but must be floating numbers")


def _check_test(model: Any, weights: dict[str, Any], state: Any, key: Any, x: Any) -> None:
    """Raise if outputs at test time are random, a state follows the test data, or examples mix."""
    rows = rows_apart(x.shape[1:], *(leaf.shape for leaf in jax.tree.leaves((weights, state))))
    x = jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype)

    def test(weights: Any, state: Any, key: Any, x: Any) -> Any:
        return model.run(tree.nested_dict(weights), state, x, train=False, key=key)

    given = (weights, state, key, x)
    with _listening() as complaints:
        closed, (_, after) = jax.make_jaxpr(test, return_shape=True)(*given)
    _refuse(model, complaints)
    by_key, by_data = (
        [at == place for at, part in enumerate(given) for _ in jax.tree.leaves(part)] for place in (2, 3)
    )
    if reached(closed, by_key)[0]:
        raise InputError(
            f"the outputs of {model.name} are random at test time (a dropout that is not switched off?): "
            f"{_advice(model)}; {_BRANCH}"
        )
    followed = [
        tree.path_string(path)
        for (path, leaf), hit in zip(
            jax.tree_util.tree_leaves_with_path(after), reached(closed, by_data)[1:], strict=True
        )
        if hit and jnp.issubdtype(leaf.dtype, jnp.floating)
    ]
    if followed:
        raise InputError(
            f"{model.name} changes its state '{followed[0]}' by the data at test time (a normalisation that "
            f"goes by the batch?): {_advice(model)}; {_BRANCH}"
        )
    if not apart(closed, by_data):
        _check_apart(model, weights, x)


def _check_apart(model: Any, weights: dict[str, Any], x: Any) -> None:
    """Raise if, by numbers, the outputs for one example depend on the others at test time."""
    floating = {path: leaf for path, leaf in weights.items() if jnp.issubdtype(leaf.dtype, jnp.floating)}

    def network(floating: Any, key: Any, batches: Any) -> Any:
        arrays, state = model.draw(key, jnp.zeros(x.shape, x.dtype))
        arrays = tree.nested_dict(tree.flat_dict(arrays) | floating)
        return jax.lax.map(lambda x: model.run(arrays, state, x, train=False, key=key)[0], batches)

    how = network_mixes(network, floating, x.shape, x.dtype)
    if how:
        raise InputError(
            f"the outputs of {model.name} for one example change {how} at test time (a normalisation or an "
            "attention that goes by the batch, axes of a reshape in the wrong order?): its test numbers "
            f"would depend on how the data are cut into batches. Keep the examples apart, the first axis; to "
            f"normalise by the batch in training alone, {_advice(model)}, and keep running averages"
        )


def _check_untold(model: Any, options: dict[Any, Option], given: Any) -> None:
    with _listening():
        found = untold(model, options.values(), given)
    if found:
        raise InputError(f"{model.name}: {found}")


def _refuse(model: Any, complaints: list[tuple[str, bool]]) -> None:
    if complaints:
        text, of_mode = complaints[0]
        raise InputError(f"{model.name}: {text}" + (f"; {_advice(model)}" if of_mode else ""))


def _advice(model: Any) -> str:
    """How the network can be told whether it trains, with what may have been meant for it."""
    others = [name for name in yes_or_no(model.code.call) if in_training(name) is None]
    meant = f" (if '{others[0]}' says whether it trains, call it `train`)" if others else ""
    return f"{model.advice}{meant}"
