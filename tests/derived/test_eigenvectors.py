"""Leading eigenvectors against dense ones: of matrices, and of a small network's curvature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import train
from weightspace import tree
from weightspace.derived.curvature import examples_of, state_of
from weightspace.derived.eigenvectors import Eigenvectors, leading_eigenvectors
from weightspace.errors import InputError
from weightspace.measure.network import Network


def symmetric(values, seed=0):
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return (basis * values) @ basis.T


@pytest.mark.parametrize(
    "values",
    [
        np.r_[5.0, 4.0, 3.0, -9.0, np.linspace(-1, 1, 56)],
        np.r_[2.0, 2.0, 2.0, 1.0, np.zeros(36)],  # multiple ones, and a rank below the iterations
        np.r_[1.0, np.zeros(19)],
        np.zeros(10),
    ],
    ids=["spread", "multiple", "rank-1", "zero"],
)
def test_the_largest_eigenvalues_with_orthonormal_vectors(values):
    matrix = symmetric(values)
    found, vectors, residuals = leading_eigenvectors(lambda v: matrix @ v, len(values), 4, 50)
    np.testing.assert_allclose(found, np.sort(values)[::-1][:4], atol=1e-6)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(matrix @ vectors.T, vectors.T * found, atol=1e-5)
    assert residuals.max() < 1e-5


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_the_curvature_of_a_network(kind):
    run = small_run(model="fc:widths=2", length="20it")
    weights = train([run])[0][0]
    node = Eigenvectors(run.model, run.task, Network(weights, None), run.seeds, 3, kind, 100, 140)
    found = node.compute()
    x, y = examples_of(run.task, run.seeds, 100)
    assert len(x) == 100
    flat, back = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, weights))
    key = jax.random.key(0)
    state = state_of(run.model, run.task, node.network, run.seeds)

    def outputs(at):
        return run.model.apply(back(at), state, x, train=False, key=key)[0]

    if kind == "hessian":
        dense = jax.jit(jax.hessian(lambda at: jnp.mean(run.task.loss(outputs(at), y))))(flat)
    else:
        jacobian = np.asarray(jax.jit(jax.jacobian(outputs))(flat), np.float64)
        p = np.asarray(jax.nn.softmax(outputs(flat)), np.float64)
        inner = np.einsum("ni,ij->nij", p, np.eye(10)) - np.einsum("ni,nj->nij", p, p)
        dense = np.einsum("nia,nij,njb->ab", jacobian, inner, jacobian) / 100
    truth = np.linalg.eigvalsh(np.asarray(dense, np.float64))[::-1][:3]
    np.testing.assert_allclose(found["values"], truth, rtol=1e-3)
    assert found["columns"].shape == node.blank()["columns"].shape
    assert found["curvature_residual"] < 1e-2


def test_what_cannot_be_found_is_refused():
    run = small_run(model="fc:widths=2")
    with pytest.raises(InputError, match="hessian"):
        Eigenvectors(run.model, run.task, Network({}, None), run.seeds, 3, "hesian")
    with pytest.raises(InputError, match="another architecture"):
        Eigenvectors(run.model, run.task, Network({"a": np.ones(3)}, None), run.seeds, 3).compute()


def test_weights_without_their_statistics_are_refused():
    """A new network's running mean and variance say nothing of weights that were trained with others."""
    run = small_run(model="cresnet:depth=8,width=2")
    weights = tree.flat_dict(run.model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))[0])
    assert weights
    with pytest.raises(InputError, match=r"without the normalisation statistics .* give run\.network\(\)"):
        state_of(run.model, run.task, Network(weights, None), run.seeds)
