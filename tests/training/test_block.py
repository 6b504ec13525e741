"""Bits, neighbours, lanes and devices, in programs compiled as users' are."""

import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from tests.training.harness import flat, train
from weightspace.probes import PathLength

pytestmark = pytest.mark.optimised
MODELS = [("fc:widths=16", 64), ("conv2", 16), ("resnet20:blocks=1,widths=4,8", 16)]


@pytest.mark.parametrize(("lanes", "probes"), [(1, ()), (4, (EVALUATION,))], ids=["1", "4"])
def test_bits_do_not_depend_on_neighbours_or_devices(lanes, probes):
    alone = flat(train([small_run(0)], probes, lanes=lanes)[0][0])
    sixteen = train([small_run(s) for s in range(16)], probes, lanes=lanes, devices=2)[0]
    both = train([small_run(s) for s in range(2 * lanes)], probes, lanes=lanes, devices=2)[0]
    assert flat(both[0]).tobytes() == alone.tobytes()
    last = flat(train([small_run(2 * lanes - 1)], probes, lanes=lanes)[0][0])
    assert flat(both[-1]).tobytes() == last.tobytes()
    assert flat(sixteen[0]).tobytes() == alone.tobytes()
    assert flat(sixteen[2 * lanes - 1]).tobytes() == last.tobytes()


def test_across_lane_counts_results_agree_to_rounding():
    runs = [small_run(s, length="50it") for s in range(4)]
    one, four = train(runs[:1], lanes=1)[0][0], train(runs, (EVALUATION,), lanes=4)[0][0]
    difference = np.linalg.norm(flat(one) - flat(four)) / np.linalg.norm(flat(one))
    assert difference < 1e-5


def test_bits_do_not_depend_on_how_a_training_is_cut():
    whole = train([small_run(0)], stretches=[20])[0][0]
    cut = train([small_run(0)], stretches=[1, 2, 0, 3, 5, 9])[0][0]
    assert flat(whole).tobytes() == flat(cut).tobytes()


def test_a_diverging_lane_is_a_result_and_harms_no_neighbour():
    runs = [small_run(0), small_run(1, lr=1e30), small_run(2)]
    weights, records, bad = train([*runs, runs[-1]], (EVALUATION,), lanes=4)
    assert bad[0] == bad[2] == -1
    assert 0 <= bad[1] < 20
    assert np.all(np.isfinite(flat(weights[1])))
    alone = train([runs[0]] * 4, (EVALUATION,), lanes=4)[0][0]
    assert flat(weights[0]).tobytes() == flat(alone).tobytes()
    assert np.all(np.isfinite(records["test_loss"][:, 0]))


@pytest.mark.parametrize(("model", "batch"), MODELS, ids=[model for model, _ in MODELS])
def test_zoo_models_agree_across_lanes(model, batch):
    """Two lanes against one, 5 steps: the battery that the lane table rests on."""
    runs = [small_run(s, model=model, length="5it", batch=batch, lr=0.01) for s in range(2)]
    one, two = train(runs[:1], lanes=1)[0][0], train(runs, lanes=2)[0][0]
    assert np.linalg.norm(flat(one) - flat(two)) / np.linalg.norm(flat(one)) < 1e-4


def test_probes_do_not_change_the_training():
    bare, watched = train([small_run(0)])[0][0], train([small_run(0)], (EVALUATION, PathLength()))[0][0]
    np.testing.assert_allclose(flat(bare), flat(watched), rtol=1e-6, atol=1e-6)
