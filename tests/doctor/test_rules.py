"""The reference: JAX's operations in NumPy, one by one, and only those that are asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from weightspace.doctor import rules
from weightspace.doctor.walk import evaluate
from weightspace.models.convolution import convolution
from weightspace.models.convolution_cpu import LAYOUT

draw = np.random.default_rng(3)
X = draw.normal(size=(5, 7, 3)).astype(np.float32)
Y = draw.normal(size=(5, 3, 2)).astype(np.float32)
P = np.abs(X) + 1
PADS = (((0, 0, 0), (1, 2, 0), (0, 0, 3)), ((-1, 0, 0), (-2, 3, 1), (1, -1, 2)))

FUNCTIONS = {
    "elementwise": lambda: (jnp.exp(-X), jnp.log(P), jnp.tanh(X), lax.rsqrt(P), jnp.sqrt(P), X**3),
    "more of them": lambda: (jax.nn.sigmoid(X), jnp.log1p(P), jnp.sign(X), jnp.abs(X), jax.nn.relu(X)),
    "choices": lambda: (jnp.where((X >= 1) | ~(X != 0), X, 2 * P), jnp.minimum(X, P), X <= P, X < 0),
    "reductions": lambda: (jnp.sum(X, 1), jnp.max(X, (0, 2)), jnp.min(X), jnp.mean(X), jax.nn.softmax(X)),
    "shapes": lambda: (X[None], X.reshape(7, 15), X.T, X[::-1], jnp.squeeze(X[:1])),
    "broadcasts": lambda: (jnp.broadcast_to(X, (2, 5, 7, 3)), jnp.broadcast_to(X[:, :1], (5, 4, 3))),
    "pieces": lambda: (
        lax.slice(X, (1, 3, 0), (5, 7, 3), (2, 1, 1)),
        jnp.concatenate([X, P], 1),
        jnp.arange(7),
    ),
    "types": lambda: (jnp.int32(X), jnp.float32(X > 0), jax.nn.one_hot(jnp.array([2, 0]), 3)),
    "products": lambda: (jnp.matmul(X, Y), jnp.einsum("bij,bjk->kbi", X, Y), jnp.einsum("bij,cij->cb", X, P)),
    "pad": lambda: [lax.pad(X, jnp.float32(9), config) for config in PADS],
    "calls": lambda: (jax.jit(lambda x: jnp.sum(x * 2))(X), jax.nn.silu(X)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations_are_those_of_jax(name):
    traced = jax.make_jaxpr(FUNCTIONS[name])()
    assert traced.jaxpr.eqns
    found = evaluate(traced, [], rules.apply)
    expected = jax.tree.leaves(FUNCTIONS[name]())
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.shape(ours) == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions_and_their_gradients(strides, padding):
    """Ours by the rules, against JAX's own."""
    x = draw.normal(size=(3, 6, 7, 2)).astype(np.float32)
    kernel = draw.normal(size=(3, 3, 2, 4)).astype(np.float32)

    def all_of(function):
        def made(x, kernel):
            return function(x, kernel, strides, padding, dimension_numbers=LAYOUT)

        def whole(x, kernel):
            return made(x, kernel), *jax.grad(lambda x, k: jnp.sum(made(x, k) ** 2), (0, 1))(x, kernel)

        return whole

    found = evaluate(jax.make_jaxpr(all_of(convolution))(x, kernel), [x, kernel], rules.apply)
    for ours, theirs in zip(found, all_of(lax.conv_general_dilated)(x, kernel), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_it_computes_in_float64():
    """1/3 summed 3,000 times: float32 loses the fourth digit after the point."""
    traced = jax.make_jaxpr(lambda x: jnp.sum(x / 3))(jnp.ones(3_000, jnp.float32))
    (found,) = evaluate(traced, [np.ones(3_000, np.float32)], rules.apply)
    assert found == pytest.approx(1_000, abs=1e-9)
    assert rules.precise(np.float32(1)).dtype == np.float64
    assert rules.precise(np.int8(1)).dtype == np.int64


def test_only_what_is_asked_for_is_carried_out():
    row = X[0, 0]

    def function(x):
        _ = jnp.sort(x)  # there is no rule for it
        return jax.jit(lambda x: (x + 1, jnp.sort(x)))(x)[0]

    np.testing.assert_allclose(evaluate(jax.make_jaxpr(function)(row), [row], rules.apply)[0], row + 1)
    with pytest.raises(NotImplementedError, match="no rule for the operation sort"):
        evaluate(jax.make_jaxpr(jnp.sort)(row), [row], rules.apply)
