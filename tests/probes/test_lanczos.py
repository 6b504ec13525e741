"""The largest eigenvalue, not the largest magnitude: against dense eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.harness import train
from weightspace.data.base import Data
from weightspace.data.sources.arrays import from_arrays
from weightspace.data.task import Task
from weightspace.models.adapters import from_function
from weightspace.probes import Sharpness
from weightspace.probes.lanczos import largest_eigenvalue
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import SquaredError
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds

RNG = np.random.default_rng(0)


def found(matrix, iterations):
    h = jnp.asarray(matrix, jnp.float32)
    start = {"a": jax.random.normal(jax.random.key(1), (h.shape[0],), jnp.float32)}
    method = jax.jit(lambda v: largest_eigenvalue(lambda v: {"a": h @ v["a"]}, v, iterations))
    return float(method(start))


def turned(eigenvalues):
    """A dense matrix with these eigenvalues."""
    q = np.linalg.qr(RNG.normal(size=(len(eigenvalues),) * 2))[0]
    return q @ np.diag(eigenvalues) @ q.T


@pytest.mark.parametrize(
    ("eigenvalues", "iterations"),
    [
        ([-30.0, -2.0, 1.0, 3.0], 200),  # the most negative is the largest in magnitude
        ([-30.0, -20.0, -17.0], 200),  # all are negative
        ([5.0] * 6, 50),  # one distinct eigenvalue: a breakdown at the first product
        ([-5.0] * 6, 50),  # so that a filling of zeros would be taken for the largest
        ([-4.0, -4.0, -4.0, 2.0, 2.0], 30),
        ([1.0, -0.999, 0.5, 0.1, -0.3], 40),  # magnitudes next to each other
        ([7.0], 5),
        ([-7.0], 1),
        ([1e8, -1e9, 3e7], 20),
        ([1e-8, -1e-9, 3e-9], 20),
        (list(np.linspace(-50, 10, 300)), 120),
    ],
)
def test_the_largest_eigenvalue_of_a_dense_matrix(eigenvalues, iterations):
    scale = max(map(abs, eigenvalues))
    assert found(turned(eigenvalues), iterations) == pytest.approx(max(eigenvalues), abs=3e-6 * scale)


def test_nothing_has_eigenvalue_zero_and_nan_stays():
    assert found(np.zeros((4, 4)), 20) == 0
    assert np.isnan(found(np.full((3, 3), np.nan), 5))
    assert np.isnan(found(np.diag([1.0, np.inf, 2.0]), 5))


def test_where_the_largest_is_positive_and_dominates_power_iteration_finds_the_same():
    matrix = turned([9.0, 2.0, -1.0, 0.5, -3.0])
    v = np.ones(5)
    for _ in range(100):
        v = matrix @ v / np.linalg.norm(matrix @ v)
    assert found(matrix, 20) == pytest.approx(v @ matrix @ v, rel=1e-5)


def tiny_init(key, x):
    return {"kernel": 1e-3 * jax.random.normal(key, (4, 1))}


def square(p, x):
    return jnp.square(x @ p["kernel"])


@pytest.mark.parametrize("target", [5.0, -5.0, 0.0])
def test_sharpness_is_that_of_the_dense_hessian_at_a_saddle_too(target):
    """Near w = 0 the Hessian is -4 y times the inputs' covariance: concave in all directions for y = 5."""
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    y = np.full(200, target, np.float32)
    task = Task(Data(from_arrays(x, y, x, y), normalise="none"), SquaredError())
    model = from_function(tiny_init, square)
    run = Run(model, task, Full(), Recipe(Sgd(0.0), "1it", batch=20), Seeds(0))

    def loss(w):
        return jnp.mean((jnp.square(x @ w.reshape(4, 1))[:, 0] - y) ** 2)

    (weights,), records, _ = train([run], (Sharpness(iterations=200),), stretches=[1])
    dense = np.linalg.eigvalsh(np.asarray(jax.hessian(loss)(jnp.asarray(weights["kernel"].reshape(-1)))))
    assert records["sharpness"][0, 0] == pytest.approx(dense[-1], rel=1e-4, abs=1e-9)
    if target == 5.0:
        assert dense[-1] == pytest.approx(-17.78, abs=0.01)
