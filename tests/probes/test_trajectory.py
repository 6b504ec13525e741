"""What a trajectory records, against the weights of runs of those lengths and against its gradients."""

import jax
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import outputs_of, train
from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.probes.trajectory import Trajectory
from weightspace.spaces.simplex import Line


def flat(weights):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(weights)]).astype(np.float64)


def recorded(probe, run=None):
    return outputs_of(run or small_run(length="20it"), (probe,), [0, 20])[0]


def weights_after(steps, **options):
    return flat(train([small_run(length=f"{steps}it", **options)])[0][0])


def test_rows_are_the_steps_between_snapshots_and_sum_to_the_whole_way():
    steps = recorded(Trajectory(4))["steps"].astype(np.float64)
    start, one, end = weights_after(0), weights_after(5), weights_after(20)
    assert steps.shape == (4, start.size)
    np.testing.assert_allclose(steps[0], one - start, atol=2e-7)
    np.testing.assert_allclose(steps.sum(axis=0), end - start, atol=1e-6)


def test_the_original_counts_one_step_more_in_the_first_window():
    steps = recorded(Trajectory(2, extra=1))["steps"].astype(np.float64)
    start, one, two = (weights_after(t) for t in (0, 6, 11))
    np.testing.assert_allclose(steps, [one - start, two - one], atol=2e-7)


def test_what_comes_after_the_last_window_is_not_recorded():
    whole, part = recorded(Trajectory(4))["steps"], recorded(Trajectory(3))["steps"]
    np.testing.assert_array_equal(part, whole[:3])


def test_in_a_subspace_steps_are_those_of_the_weights():
    run = small_run(length="20it", dim=3)
    steps = recorded(Trajectory(4), run)["steps"]
    assert np.linalg.matrix_rank(steps.astype(np.float64), tol=1e-5 * np.linalg.norm(steps)) == 3


def test_gradients_of_plain_descent_are_its_steps_over_the_rate():
    from weightspace.recipes.base import Recipe
    from weightspace.recipes.optimisers import Sgd

    run = small_run(recipe=Recipe(Sgd(0.1), "20it", batch=64))
    steps, gradients = (recorded(Trajectory(4, recorded=kind), run)[kind] for kind in ("steps", "gradients"))
    np.testing.assert_allclose(steps, -0.1 * gradients, rtol=1e-4, atol=1e-7)


def test_a_run_shorter_than_the_trajectory_is_refused():
    run = small_run(length="20it")
    layout = layout_of(run.model, tuple(run.task.data.shape), "float32")
    with pytest.raises(InputError, match=r"5 windows of 5 steps needs 25 steps, but the run has 20.*most 4"):
        Trajectory(5).check(run, layout)
    Trajectory(4).check(run, layout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "windows"),
        ({"count": 2, "every": 0}, "window"),
        ({"count": 2, "recorded": "step"}, "step"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        Trajectory(**options)


def test_each_option_is_part_of_the_name():
    made = (
        Trajectory(4),
        Trajectory(5),
        Trajectory(4, 6),
        Trajectory(4, extra=1),
        Trajectory(4, 5, 0, "gradients"),
    )
    assert len({probe.key for probe in made}) == 5


def test_steps_that_do_not_lead_from_start_to_end_are_no_trajectory():
    run = small_run(length="20it", space=Line())
    with pytest.raises(InputError, match="each step is at a drawn point"):
        Trajectory(4).check(run, layout_of(run.model, tuple(run.task.data.shape), "float32"))
