"""The gradient that pruning before training looks at, against JAX's own on the same examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import flat, outputs_of, train
from weightspace.data.order import spread_order
from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.probes.initial_gradient import InitialGradient
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Sgd
from weightspace.streams import Stream, key


def test_it_is_the_gradient_of_the_mean_loss_of_a_random_batch_at_the_start():
    run = small_run(3, recipe=Recipe(Sgd(0.1), "2it", batch=64))
    (start,), _, _ = train([small_run(3, recipe=Recipe(Sgd(0.0), "1it", batch=64))])
    (found,) = outputs_of(run, (InitialGradient(100),), [0, 2])
    data = run.task.data
    arrays = data.arrays()
    order = jax.random.permutation(key(run.seeds, Stream.PROBE), jnp.arange(data.size, dtype=jnp.int32))
    rows = spread_order(data.size)[np.asarray(order[:100])]
    x, y = data.decode(arrays, arrays.train.x[rows], "float32"), jnp.asarray(arrays.train.y[rows])
    still = jax.random.key(0, impl="threefry2x32")

    def loss(weights):
        return jnp.mean(run.task.loss(run.model.apply(weights, {}, x, train=False, key=still)[0], y))

    np.testing.assert_allclose(flat(found["gradient"]), flat(jax.grad(loss)(start)), atol=1e-6)
    assert np.linalg.norm(flat(found["gradient"])) > 0.1


def test_more_examples_than_there_are_are_refused():
    run = small_run(0)
    layout = layout_of(run.model, tuple(run.task.data.shape), "float32")
    with pytest.raises(InputError, match=r"is 2000, but must lie in \[1, 1437\]. There are 1437 training"):
        InitialGradient(2000).check(run, layout)
