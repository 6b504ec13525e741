"""Reachability through every nested part of a computation, each against what is differentiated or known."""

import functools

import jax
import jax.numpy as jnp
import pytest

from weightspace.models.reach import reached


@jax.custom_vjp
def blocked(x, y):
    return x * y


blocked.defvjp(lambda x, y: (x * y, y), lambda y, g: (g * y, None))


def looped(x, y):
    return jax.lax.scan(
        lambda carry, _: ((carry[0] + carry[1], carry[1] * y, carry[2]), None), (x, x, x), None, 3
    )


CASES = {
    "jit": (jax.jit(lambda a, b: (a + 1, b)), [True, False]),
    "branch": (lambda x, y: jax.lax.cond(y > 0, lambda: x, lambda: 2 * x), [True]),
    "branch by": (lambda x, y: jax.lax.cond(x > 0, lambda: y, lambda: 2 * y), [True]),
    "loop": (lambda x, y: looped(x, y)[0], [True, True, True]),
    "loop of others": (lambda x, y: looped(y, x)[0], [True, True, False]),
    "through a carry": (
        lambda x, y: jax.lax.fori_loop(0, 3, lambda _, c: (c[1], c[2], x, c[3]), (y, y, y, y)),
        [True, True, True, False],
    ),
    "while by": (lambda x, y: jax.lax.while_loop(lambda c: c < x, lambda c: c + y, y), [True]),
    "none": (lambda _, y: (y * 2, jnp.ones(2)), [False, False]),
}  # fmt: skip


@pytest.mark.parametrize(("function", "expected"), CASES.values(), ids=CASES)
def test_what_an_argument_reaches(function, expected):
    assert reached(jax.make_jaxpr(function)(1.0, 2.0), [True, False]) == expected


def test_gradients_of_own_rules_and_of_stopped_values_are_seen():
    def function(w):
        return blocked(w[0], w[1]) + jax.lax.stop_gradient(w[2]) * w[3] + jnp.floor(w[4])

    closed = jax.make_jaxpr(lambda w, g: jax.vjp(function, w)[1](g))([1.0] * 5, 1.0)
    assert reached(closed, [False] * 5 + [True]) == [True, False, False, True, False]


SWITCHED = {
    "select": jnp.where,
    "array": lambda on, x, y: jnp.where(jnp.full((), on), x, y),
    "branch": lambda on, x, y: jax.lax.cond(on, lambda: x, lambda: y),
    "numbered": lambda on, x, y: jax.lax.switch(int(on), [lambda: y, lambda: x]),
    "factor": lambda on, x, y: y + float(on) * x,
    "difference": lambda on, x, y: y + (1.0 - (not on)) * x,
    "loop": lambda on, x, y: jax.lax.fori_loop(0, int(on), lambda _, c: c + x, y),
    "while": lambda on, x, y: jax.lax.while_loop(lambda c: (c < x) & on, lambda c: c + y, y),
    "both": lambda on, x, y: jnp.where((x > 0) & on, x, y),
}


@pytest.mark.parametrize("function", SWITCHED.values(), ids=SWITCHED)
def test_what_a_constant_switches_off_is_not_reached(function):
    for on in (True, False):
        closed = jax.make_jaxpr(functools.partial(function, on))(1.0, 2.0)
        assert reached(closed, [True, False]) == [on]
    assert reached(closed, [True, False], constants=False) == [function is not SWITCHED["loop"]]
