"""An accelerator trains to the CPU's numbers, up to rounding."""

import jax
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import flat, train
from tests.training.test_step import by_hand
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Sgd

pytestmark = pytest.mark.optimised


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["fc:widths=16", "conv2"])
def test_an_accelerator_agrees_with_a_plain_loop_on_the_cpu(model):
    run = small_run(0, model=model, recipe=Recipe(Sgd(0.1), "5it", batch=64))
    here = flat(train([run])[0][0])
    with jax.default_device(jax.devices("cpu")[0]):
        there = flat(by_hand(run, 5))
    assert np.linalg.norm(here - there) / np.linalg.norm(there) < 1e-4


@pytest.mark.gpu
def test_lanes_agree_with_one_on_an_accelerator():
    runs = [small_run(s, length="50it") for s in range(8)]
    one, eight = train(runs[:1], lanes=1)[0][0], train(runs, lanes=8)[0][0]
    assert np.linalg.norm(flat(one) - flat(eight)) / np.linalg.norm(flat(one)) < 1e-4
