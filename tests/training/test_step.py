"""One step against its mathematics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.builders import small_run
from tests.training.harness import flat, train
from weightspace.data import make_data
from weightspace.precision import Precision
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.optimisers import Adam, Momentum, Sgd
from weightspace.streams import Seeds, Stream, key
from weightspace.training.order import batch_at, epoch_order

pytestmark = pytest.mark.optimised


def by_hand(run, steps):
    """The same training as a plain loop over optax, eagerly, without blocks, lanes or carries."""
    data = run.task.data
    arrays = data.arrays()
    blank = jnp.zeros((1, *data.shape))
    weights, state = run.model.init(jax.random.fold_in(key(run.seeds, Stream.INIT), 0), blank)
    tx = {"sgd": optax.sgd(0.1), "momentum": optax.sgd(0.1, 0.9), "adam": optax.adam(0.1)}[
        run.recipe.optimiser.name
    ]
    opt = tx.init(weights)
    per_epoch = run.recipe.steps_per_epoch(data.size)

    @jax.jit
    def gradient(weights, x, y, share):
        def loss(weights):
            outputs, _ = run.model.apply(weights, state, x, train=True, key=key(run.seeds, Stream.DROPOUT))
            return jnp.sum(run.task.loss(outputs, y) * share) / jnp.sum(share)

        return jax.grad(loss)(weights)

    for t in range(steps):
        order = epoch_order(run.seeds, jnp.int32(t // per_epoch), data.size, None)
        chosen, share = batch_at(order, jnp.int32(t % per_epoch), run.recipe.batch, run.recipe.remainder)
        x = data.decode(arrays, jnp.asarray(arrays.train.x)[chosen], jnp.float32)
        g = gradient(weights, x, jnp.asarray(arrays.train.y)[chosen], share)
        with jax.numpy_dtype_promotion("standard"):
            update, opt = tx.update(g, opt, weights)
        weights = optax.apply_updates(weights, update)
    return weights


@pytest.mark.parametrize("optimiser", [Sgd(0.1), Momentum(0.1), Adam(0.1)], ids=lambda o: o.name)
def test_training_is_the_plain_loop(optimiser):
    """25 steps cross an epoch with a short last batch (1,437 = 22 × 64 + 29)."""
    run = small_run(1, recipe=Recipe(optimiser, "25it", batch=64))
    (ours,), _, _ = train([run])
    np.testing.assert_allclose(flat(ours), flat(by_hand(run, 25)), rtol=2e-4, atol=3e-4)


def test_decoupled_decay_shrinks_and_coupled_decay_adds_to_the_gradient():
    def final(decay, select="*"):
        decay = Decay(0.5, select=select, decoupled=decay == "decoupled") if decay else None
        (w,), _, _ = train([small_run(0, recipe=Recipe(Sgd(0.1), "1it", batch=64, decay=decay))])
        return w

    (start,), _, _ = train([small_run(0, recipe=Recipe(Sgd(0.0), "1it", batch=64))])
    plain, coupled, decoupled, kernels = (
        final(None),
        final("coupled"),
        final("decoupled"),
        final("coupled", "kernel"),
    )
    expected = flat(plain) - 0.1 * 0.5 * flat(start)
    np.testing.assert_allclose(flat(coupled), expected, atol=1e-6)
    np.testing.assert_allclose(flat(decoupled), expected, atol=1e-6)
    leaves = zip(*(jax.tree_util.tree_leaves_with_path(t) for t in (kernels, plain, coupled)), strict=True)
    for (path, ours), (_, without), (_, with_) in leaves:
        np.testing.assert_allclose(ours, with_ if path[-1].key == "kernel" else without, atol=1e-7)


def test_clipping_bounds_the_step():
    runs = [small_run(0, recipe=Recipe(Sgd(1.0), "1it", batch=64, clip=c)) for c in (0.01, 1e9)]
    (start,), _, _ = train([small_run(0, recipe=Recipe(Sgd(0.0), "1it", batch=64))])
    norms = [np.linalg.norm(flat(w) - flat(start)) for w in train(runs, lanes=2)[0]]
    assert norms[0] == pytest.approx(0.01, rel=1e-3)
    assert norms[1] > 0.1


def test_a_batch_cut_into_samples_has_the_same_gradient_where_the_space_has_one_point():
    whole, cut = (small_run(0, recipe=Recipe(Sgd(0.1), "5it", batch=64, samples=s)) for s in (1, 4))
    np.testing.assert_allclose(flat(train([whole])[0][0]), flat(train([cut])[0][0]), atol=1e-6)


def test_noise_reaches_the_training_labels_only():
    clean, noisy = small_run(0), small_run(0, data=make_data("digits", noise=0.5))
    a, b = train([clean])[0][0], train([noisy])[0][0]
    assert np.abs(flat(a) - flat(b)).max() > 1e-3
    zero = small_run(0, data=make_data("digits", noise=0.0))
    np.testing.assert_array_equal(flat(a), flat(train([zero])[0][0]))


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_precisions_train_to_nearly_the_same_weights(dtype):
    reference = train([small_run(0, dim=8)])[0][0]
    other = train([small_run(0, dim=8, precision=Precision(dtype))])[0][0]
    expected = "float64" if dtype == "float64" else "float32"
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(other)} == {expected}
    difference = np.linalg.norm(flat(other) - flat(reference)) / np.linalg.norm(flat(reference))
    assert 0 < difference < {"float64": 1e-5, "bfloat16": 0.1}[dtype] * (1 if dtype == "bfloat16" else 100)


def test_validation_examples_are_never_trained_on():
    data = make_data("digits", validation=400)
    run = small_run(0, data=data)
    rows = data.partition(Seeds(0))
    seen = set(np.asarray(epoch_order(run.seeds, jnp.int32(0), data.size, rows.train)).tolist())
    assert len(seen) == data.size == 1437 - 400
    assert not seen & set(np.asarray(rows.validation).tolist())
