"""What makes a program of its own and what does not; what a program evaluates."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from tests.training.harness import block_of, train
from weightspace.data import make_data
from weightspace.probes import Evaluation, PathLength
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.optimisers import Adam
from weightspace.recipes.schedules import Cosine


def test_one_program_serves_seeds_rates_noise_lengths_and_readings_of():
    def run(seed, lr, noise, length, decay):
        recipe = Recipe(Adam(lr), length, batch=64, schedule=Cosine(warmup=3.0), decay=Decay(decay))
        return small_run(seed, recipe=recipe, data=make_data("digits", noise=noise))

    probes = (EVALUATION, PathLength())
    first, _ = block_of([run(0, 0.1, 0.0, "7it", 0.1)], probes, 1, 1)
    for changed in [
        run(5, 0.1, 0.2, "7it", 0.1),
        run(0, 0.3, 0.0, "90it", 0.2),
        run(1, 0.1, 0.9, "2ep", 0.0),
    ]:
        block, _ = block_of([changed], probes, 1, 1)
        assert block is first
    train([run(0, 0.1, 0.0, "7it", 0.1)], probes)
    compiled = block_of([run(0, 0.1, 0.0, "7it", 0.1)], (*probes,), 1, 1)[0].compile_seconds
    train([run(3, 0.2, 0.5, "11it", 0.3)], probes, stretches=[0, 4, 4, 3])
    assert block_of([run(0, 0.1, 0.0, "7it", 0.1)], (*probes,), 1, 1)[0].compile_seconds == compiled


def test_structure_makes_programs_of_its_own():
    base = block_of([small_run(0, dim=8)], (EVALUATION,), 1, 1)[0]
    others = [
        small_run(0, dim=9),
        small_run(0, dim=8, batch=32),
        small_run(0, dim=8, model="fc:widths=17"),
        dataclasses.replace(small_run(0, dim=8), recipe=Recipe(Adam(0.1), "20it", batch=64)),
    ]
    assert all(block_of([other], (EVALUATION,), 1, 1)[0] is not base for other in others)


def test_evaluation_is_the_weighted_mean_over_the_whole_split():
    run = small_run(0)
    (weights,), records, _ = train([run], (Evaluation(("train", "test")),))
    data = run.task.data
    arrays = data.arrays()
    for name, part in (("train", arrays.train), ("test", arrays.test)):
        x = data.decode(arrays, part.x, "float32")
        outputs, _ = jax.jit(functools.partial(run.model.apply, train=False))(
            jax.tree.map(jnp.asarray, weights), {}, x, key=jax.random.key(0)
        )
        measured = jax.jit(run.task.measure)(outputs, jnp.asarray(part.y))
        for metric, each in measured.items():
            assert records[f"{name}_{metric}"][-1, 0] == pytest.approx(float(np.mean(each)), rel=1e-5)
