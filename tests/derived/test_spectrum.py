"""The spectrum of a small network's Gauss-Newton matrix against the dense one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import flat, train
from weightspace.derived.curvature import Curved, examples_of, state_of
from weightspace.derived.spectrum import Spectrum
from weightspace.errors import InputError
from weightspace.measure.network import Network
from weightspace.platform import arithmetic
from weightspace.theory.well import closed_form, quadrature, self_consistent, well

EXAMPLES = 100


@pytest.fixture(scope="module")
def trained():
    """A run, its weights after 2 and 30 steps, and the dense matrix at the latter."""
    run, short = (small_run(model="fc:widths=2", length=f"{steps}it") for steps in (30, 2))
    end, start = train([run])[0][0], train([short])[0][0]
    x, y = examples_of(run.task, run.seeds, EXAMPLES)
    weights, back = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, end))
    state, key = state_of(run.model, run.task, Network(end, None), run.seeds), jax.random.key(0)

    def outputs(at):
        return run.model.apply(back(at), state, x, train=False, key=key)[0]

    jacobian = np.asarray(jax.jit(jax.jacobian(outputs))(weights), np.float64)
    p = np.asarray(jax.nn.softmax(outputs(weights)), np.float64)
    inner = np.einsum("ni,ij->nij", p, np.eye(10)) - np.einsum("ni,nj->nij", p, p)
    dense = np.einsum("nia,nij,njb->ab", jacobian, inner, jacobian) / EXAMPLES
    loss = float(np.mean(np.asarray(run.task.loss(outputs(weights), y))))
    return run, Network(start, None), Network(end, None), dense, loss


def spectrum(trained, **more):
    run, start, end, _, _ = trained
    settings = {"examples": EXAMPLES, "batch": 32, "iterations": 60, "draws": 6} | more
    return Spectrum(run.model, run.task, start, end, run.seeds, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_batches_are_the_dense_matrix(trained, dtype):
    """Batches of 32, 32, 32 and 4 are weighted by examples."""
    run, _, end, dense, loss = trained
    v = np.random.default_rng(0).standard_normal(len(dense))
    with arithmetic(dtype, "highest"):
        examples = examples_of(run.task, run.seeds, EXAMPLES, dtype)
        at = Curved(run.model, run.task, end, run.seeds, examples, batch=32, dtype=dtype)
        np.testing.assert_allclose(at.product(v), dense @ v, atol=2e-5 * np.abs(dense @ v).max())
        assert at.loss == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_measures_are_those_of_the_dense_matrix(trained, dtype):
    _, start, end, dense, loss = trained
    found = spectrum(trained, dtype=dtype, draws=24).compute()
    values, vectors = np.linalg.eigh(dense)
    p = flat(end.weights).astype(float) - flat(start.weights)
    truth = well(np.maximum(values, 0), vectors.T @ p)
    made = quadrature(*(found[name] for name in ("eigenvalues", "counts", "nodes", "masses")))
    assert found["curvature_top"] == pytest.approx(values[-1], rel=1e-4)
    assert found["curvature_trace"] == pytest.approx(values.sum(), rel=0.2)
    participation = values.sum() ** 2 / (values**2).sum()
    assert found["curvature_participation"] == pytest.approx(participation, rel=0.25)
    assert found["displacement"] == pytest.approx(np.linalg.norm(p), rel=1e-6)
    assert made.masses.sum() == pytest.approx(found["displacement"] ** 2)
    assert made.counts.sum() == pytest.approx(len(dense))
    assert found["well_loss"] == pytest.approx(truth.loss, rel=1e-4)
    assert found["loss_end"] == pytest.approx(loss, rel=1e-5)
    assert found["loss_start"] > found["loss_end"]
    parts = (vectors.T @ p) ** 2
    names = ("curvatures", "stiffer", "stiffer_share")
    for share, tail, inside in zip(*(found[name] for name in names), strict=True):
        stiff = values >= share * values[-1]
        assert tail == pytest.approx(stiff.sum(), abs=0.1 * len(dense))
        assert inside == pytest.approx(parts[stiff].sum() / parts.sum(), abs=0.1)
    for method in (closed_form, self_consistent):
        for share in (0.5, 0.1, 0.01):
            eps = share * truth.loss
            assert method(made, eps) == pytest.approx(method(truth, eps), rel=0.15)


def test_the_curvature_may_be_taken_at_the_start(trained):
    """The displacement is the same, the curvature that of the other end."""
    run, start, end, _, _ = trained
    swapped = Spectrum(run.model, run.task, end, start, run.seeds, "end", EXAMPLES, 32, 60, 6)
    own, other = spectrum(trained, at="start").compute(), swapped.compute()
    assert own["well_loss"] == pytest.approx(other["well_loss"], rel=1e-4)
    assert own["loss_end"] == other["loss_start"]
    assert own["curvature_top"] == pytest.approx(other["curvature_top"], rel=1e-6)


def test_what_is_no_well_is_refused(trained):
    run, start, end, _, _ = trained
    with pytest.raises(InputError, match="same weights"):
        Spectrum(run.model, run.task, end, end, run.seeds).compute()
    gone = Network(jax.tree.map(lambda w: w * np.nan, end.weights), None)
    with pytest.raises(InputError, match="end of a spectrum"):
        Spectrum(run.model, run.task, start, gone, run.seeds).compute()
    with pytest.raises(InputError, match=r"start of a spectrum.*another architecture"):
        Spectrum(run.model, run.task, Network({"a": np.ones(3)}, None), end, run.seeds).compute()
    for more, message in (
        ({"at": "ends"}, "did you mean 'end'"),
        ({"dtype": "float16"}, "float16"),
        ({"draws": 0}, "normal starts"),
        ({"batch": 0}, "examples of a product"),
    ):
        with pytest.raises(InputError, match=message):
            spectrum(trained, **more)
