"""Modes that nobody tells: a network is traced with each of its open options changed.

An option is a mode that was not told if, changed, it brings random numbers into the outputs in training that
were not there, and at test time too: then nothing but this option says when they shall act, so that as it
stands they never do. The same holds for a state that then follows the data. An option beside a mode that
is told (`use_dropout` and `train`) brings nothing at test time and is left alone, as is one that changes
what comes out in any other way. Nothing is computed.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from weightspace import tree
from weightspace.models.adapters.modes import parameters
from weightspace.models.adapters.trial import A_KEY, Option, trying
from weightspace.models.reach import reached

Given = tuple[Any, Any, Any, Any]
"""Weights by path, state, key and inputs."""


@dataclasses.dataclass(frozen=True)
class _Behaviour:
    """What a network does in one mode.

    Attributes:
      random: Whether its outputs depend on the key.
      draws: How many times random numbers are drawn for its outputs and its state.
      following: The floating arrays of the state that depend on the data.
    """

    random: bool
    draws: int
    following: frozenset[int]


def untold(model: Any, options: Iterable[Option], given: Given) -> str | None:
    """What is wrong with a network that has an option that is an untold mode, in words; else None.

    Args:
      model: The user's model.
      options: Found by a survey.
      given: Shapes of what it runs on.
    """
    plain = None
    for option in options:
        for which, value in enumerate(next(iter(option.values.values()))):
            plain = plain or _behaviour(model, given, None, 0, train=True)
            if plain is None:
                return None
            if isinstance(value, dict) and _adds(plain, _behaviour(model, given, option, which, train=True)):
                return (
                    f"it draws random numbers if {' and '.join(value)} came by `**{option.shown}`, where "
                    "nothing passes them: name `train` and `key` among the arguments of the call"
                )
            if value is A_KEY and _adds(plain, _behaviour(model, given, option, which, train=True)):
                return (
                    f"'{option.shown}' draws random numbers once it is given a random key, which nothing "
                    "does: call it `key`, and pass it on from the outermost call"
                )
            if (
                not isinstance(value, dict)
                and value is not A_KEY
                and _is_mode(model, given, plain, option, which)
            ):
                kind = "a field" if option.field else "an argument of a call"
                return (
                    f"'{option.shown}' is {kind} that switches random numbers or statistics of the batch "
                    "on for training and for test alike, and which nothing sets, so that they never act: "
                    f"if it says whether the network trains, call it `train` ({model.advice}); "
                    f"{_otherwise(model, option)}"
                )
    return None


def _otherwise(model: Any, option: Option) -> str:
    named = any(p.name == option.name for p in parameters(model.code.call))
    to_do = f"say so by giving '{option.name}' to the adapter" if named else "leave it out"
    return f"if they shall never act, {to_do}"


def _is_mode(model: Any, given: Given, plain: _Behaviour, option: Option, which: int) -> bool:
    training = _behaviour(model, given, option, which, train=True)
    follows = training is not None and bool(training.following - plain.following)
    if not follows and not _adds(plain, training):
        return False
    test = _behaviour(model, given, option, which, train=False)
    return test is not None and (test.random or (follows and bool(test.following)))


def _adds(plain: _Behaviour, changed: _Behaviour | None) -> bool:
    """Whether a change brings random numbers into the outputs."""
    return changed is not None and changed.random and (not plain.random or changed.draws > plain.draws)


def _behaviour(
    model: Any, given: Given, option: Option | None, which: int, *, train: bool
) -> _Behaviour | None:
    """What a network does with an option changed; None if it then cannot run."""

    def run(weights: Any, state: Any, key: Any, x: Any) -> Any:
        with trying(option, which, key):
            return model.run(tree.nested_dict(weights), state, x, train=train, key=key)

    try:
        closed, (_, after) = jax.make_jaxpr(run, return_shape=True)(*given)
    except Exception:
        return None
    by_key, by_data = (
        reached(closed, [at == place for at, part in enumerate(given) for _ in jax.tree.leaves(part)])
        for place in (2, 3)
    )
    floating = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(after)]
    following = (at for at, hit in enumerate(by_data[1:]) if hit and floating[at])
    live, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return _Behaviour(by_key[0], _draws(live), frozenset(following))


def _draws(jaxpr: Any) -> int:
    count = 0
    for equation in jaxpr.eqns:
        count += equation.primitive.name == "random_bits"
        for value in jax.tree.leaves(tuple(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")):
            inner = getattr(value, "jaxpr", value)
            count += _draws(inner) if hasattr(inner, "eqns") else 0
    return count
