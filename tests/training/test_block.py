"""Bits, neighbours, lanes, devices and compilations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from tests.training.harness import block_of, flat, train
from weightspace.data import make_data
from weightspace.probes import Evaluation, PathLength
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.optimisers import Adam
from weightspace.recipes.schedules import Cosine

pytestmark = pytest.mark.optimised
MODELS = ["fc:widths=16", "conv2", "resnet20:blocks=1,widths=4,8"]


@pytest.mark.parametrize("lanes", [1, 4])
def test_bits_do_not_depend_on_neighbours_or_devices(lanes):
    alone = flat(train([small_run(0)], lanes=lanes)[0][0])
    sixteen = train([small_run(s) for s in range(16)], lanes=lanes, devices=2)[0]
    both = train([small_run(s) for s in range(2 * lanes)], lanes=lanes, devices=2)[0]
    assert flat(both[0]).tobytes() == alone.tobytes()
    last = flat(train([small_run(2 * lanes - 1)], lanes=lanes)[0][0])
    assert flat(both[-1]).tobytes() == last.tobytes()
    assert flat(sixteen[0]).tobytes() == alone.tobytes()
    assert flat(sixteen[2 * lanes - 1]).tobytes() == last.tobytes()


def test_across_lane_counts_results_agree_to_rounding():
    runs = [small_run(s, length="50it") for s in range(4)]
    one, four = train(runs[:1], lanes=1)[0][0], train(runs, lanes=4)[0][0]
    difference = np.linalg.norm(flat(one) - flat(four)) / np.linalg.norm(flat(one))
    assert difference < 1e-5


def test_bits_do_not_depend_on_how_a_training_is_cut():
    whole = train([small_run(0)], stretches=[20])[0][0]
    cut = train([small_run(0)], stretches=[1, 2, 0, 3, 5, 9])[0][0]
    assert flat(whole).tobytes() == flat(cut).tobytes()


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


def test_a_diverging_lane_is_a_result_and_harms_no_neighbour():
    runs = [small_run(0), small_run(1, lr=1e30), small_run(2)]
    weights, records, bad = train([*runs, runs[-1]], (EVALUATION,), lanes=4)
    assert bad[0] == bad[2] == -1
    assert 0 <= bad[1] < 20
    assert np.all(np.isfinite(flat(weights[1])))
    alone = train([runs[0]] * 4, (EVALUATION,), lanes=4)[0][0]
    assert flat(weights[0]).tobytes() == flat(alone).tobytes()
    assert np.all(np.isfinite(records["test_loss"][:, 0]))


def test_evaluation_is_the_weighted_mean_over_the_whole_split():
    run = small_run(0)
    (weights,), records, _ = train([run], (Evaluation(("train", "test")),))
    data = run.task.data
    arrays = data.arrays()
    for name, part in (("train", arrays.train), ("test", arrays.test)):
        x = data.decode(arrays, part.x, "float32")
        outputs, _ = run.model.apply(
            jax.tree.map(jnp.asarray, weights), {}, x, train=False, key=jax.random.key(0)
        )
        measured = run.task.measure(outputs, jnp.asarray(part.y))
        for metric, each in measured.items():
            assert records[f"{name}_{metric}"][-1, 0] == pytest.approx(float(np.mean(each)), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_zoo_models_agree_across_lanes(model):
    """Two lanes against one, 5 steps: the battery that the lane table rests on."""
    runs = [small_run(s, model=model, length="5it", batch=16, lr=0.01) for s in range(2)]
    one, two = train(runs[:1], lanes=1)[0][0], train(runs, lanes=2)[0][0]
    assert np.linalg.norm(flat(one) - flat(two)) / np.linalg.norm(flat(one)) < 1e-4


def test_probes_do_not_change_the_training():
    bare, watched = train([small_run(0)])[0][0], train([small_run(0)], (EVALUATION, PathLength()))[0][0]
    np.testing.assert_allclose(flat(bare), flat(watched), rtol=1e-6, atol=1e-6)
