"""What every probe must do, and what each one measures. A new probe is one row here."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from tests.training.harness import flat, outputs_of, train
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.models.zoo import make
from weightspace.probes import (
    Activations,
    Average,
    Best,
    BiasDistance,
    BiasPath,
    BiasVariance,
    CosineSimilarity,
    Distance,
    Ema,
    Evaluation,
    GradientNorm,
    Lipschitz,
    LipschitzSet,
    PathLength,
    Reached,
    Sharpness,
    SingularValues,
    Snapshot,
    Steadiness,
    Swag,
    describe,
    make_probe,
    names,
)
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import BinaryCrossEntropy
from weightspace.recipes.optimisers import Sgd

PROBES = {
    "activations": Activations(),
    "average": Average("0it", "25it"),
    "best": Best(),
    "bias-distance": BiasDistance(),
    "bias-variance": BiasVariance(layer=1),
    "cosine-similarity": CosineSimilarity(),
    "distance": Distance(),
    "ema": Ema(0.9),
    "evaluation": EVALUATION,
    "gradient-norm": GradientNorm(),
    "lipschitz": Lipschitz(),
    "lipschitz-set": LipschitzSet(examples=50),
    "path-length": PathLength(),
    "reached": Reached(level=0.05),
    "sharpness": Sharpness(examples=50),
    "singular-values": SingularValues(layer=-1),
    "snapshot": Snapshot("5it"),
    "steadiness": Steadiness(),
    "swag": Swag("0it", "25it", rank=2),
    "bias-path": BiasPath(),
}
MASKED = {"density"}
"""Probes of spaces that have masks."""
DATA = make_data("digits", validation=200)


def one_output_run(seed):
    """Digits 3 and 8, told apart by one output: what all probes can be asked of."""
    data = make_data("digits:classes=3,8", normalise="half", validation=50)
    run = small_run(seed, data=data, length="50it", batch=16)
    return dataclasses.replace(
        run, model=make("mlp:widths=16", data.shape, 1), task=Task(data, BinaryCrossEntropy(0.5))
    )


@functools.cache
def bare():
    return train([one_output_run(s) for s in range(2)], lanes=2, stretches=[0, 25, 25])[0]


def test_every_probe_has_a_row():
    assert set(names()) - set(PROBES) == MASKED


@pytest.mark.parametrize("name", PROBES)
def test_probes_leave_the_training_as_it_was(name):
    runs = [one_output_run(s) for s in range(2)]
    watched, records, _ = train(runs, (PROBES[name],), lanes=2, stretches=[0, 25, 25])
    for a, b in zip(bare(), watched, strict=True):
        np.testing.assert_allclose(flat(a), flat(b), rtol=1e-6, atol=1e-6)
    assert all(np.isfinite(column[-1]).all() for column in records.values())


@pytest.mark.parametrize("name", names())
def test_probes_by_name_have_a_line_of_description(name):
    assert make_probe(name)
    assert describe(name).endswith((".", "points"))


def test_unknown_probes_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'distance'"):
        make_probe("distanc")


def test_distance_is_that_of_the_weights():
    run = small_run(0)
    (end,), records, _ = train([run], (Distance(),))
    (start,), _, _ = train([small_run(0, lr=0.0)])
    assert records["distance"][0, 0] == 0
    assert records["distance"][-1, 0] == pytest.approx(np.linalg.norm(flat(end) - flat(start)), rel=1e-5)


def test_path_length_sums_the_steps_and_its_windows():
    stretches = [0, 1, 1, 1, 17]
    (_,), records, _ = train([small_run(0)], (PathLength(), Distance()), stretches=stretches)
    total, window = records["path_length"][:, 0], records["path_length_window"][:, 0]
    np.testing.assert_allclose(total, np.cumsum(window), rtol=1e-5)
    ends = [train([small_run(0)], stretches=[k])[0][0] for k in (0, 1, 2, 3)]
    steps = [np.linalg.norm(flat(b) - flat(a)) for a, b in itertools.pairwise(ends)]
    np.testing.assert_allclose(window[1:4], steps, rtol=1e-4)
    assert total[-1] >= records["distance"][-1, 0]


def test_best_keeps_the_point_of_least_validation_loss():
    """A rate so high that validation loss rises again: the best point is not the last."""
    run = small_run(0, data=DATA, lr=2.0, length="20it")
    stretches = [0, *[4] * 5]
    probes = (Evaluation(("validation",)), Best())
    _, records, _ = train([run], probes, stretches=stretches)
    losses = records["validation_loss"][:, 0]
    assert records["best_validation_loss"][-1, 0] == pytest.approx(losses.min(), rel=1e-6)
    assert records["best_step"][-1, 0] == np.cumsum(stretches)[int(np.argmin(losses))]


def test_reached_keeps_the_first_point_at_the_level():
    run = small_run(0, data=DATA, lr=0.5, length="20it")
    stretches = [0, *[2] * 10]
    probe = Reached("2it", level=0.5)
    _, records, _ = train([run], (Evaluation(("validation", "test")), probe), stretches=stretches)
    accuracies, at = records["validation_accuracy"][:, 0], np.cumsum(stretches)
    first = int(np.argmax(accuracies >= 0.5))
    assert 0 < first < len(at) - 1
    steps = records["reached_50_step"][:, 0]
    assert set(steps[:first]) == {-1}
    assert set(steps[first:]) == {at[first]}
    assert records["reached_50_test_accuracy"][-1, 0] == records["test_accuracy"][first, 0]
    (left,) = outputs_of(run, (probe,), stretches)
    (then,), _, _ = train([run], stretches=stretches[: first + 1])
    np.testing.assert_array_equal(flat(left["weights"]), flat(then))


def test_what_was_never_reached_has_no_weights():
    run, probe = small_run(0, data=DATA, length="4it"), Reached("2it", level=1.0)
    _, records, _ = train([run], (probe,))
    assert records["reached_100_step"][-1, 0] == -1
    assert np.isnan(records["reached_100_test_accuracy"][-1, 0])
    (left,) = outputs_of(run, (probe,), [0, 4])
    assert np.isnan(flat(left["weights"])).all()


def test_an_accuracy_to_reach_must_be_measured():
    run = small_run(0, data=DATA)
    run = dataclasses.replace(run, task=Task(DATA, run.task.loss, metrics=("loss",)))
    layout = layout_of(run.model, tuple(run.task.data.shape), "float32")
    with pytest.raises(
        InputError, match="'reached_50' needs the metric accuracy, but the task measures loss"
    ):
        Reached().check(run, layout)


def test_an_accuracy_to_reach_is_a_share():
    with pytest.raises(InputError, match=r"accuracy to reach is 50.0, but must lie in \(0, 1\]"):
        Reached(level=50.0)


def test_a_snapshot_after_the_end_is_refused():
    run = small_run(0, length="20it")
    layout = layout_of(run.model, tuple(run.task.data.shape), "float32")
    with pytest.raises(InputError, match=r"at 21it \(step 21\) cannot be had of a run of 20 steps"):
        Snapshot("21it").check(run, layout)


def test_evaluation_of_an_unknown_split_is_refused():
    with pytest.raises(InputError, match="did you mean 'test'"):
        Evaluation(("tets",))


def test_the_cosine_is_that_of_the_weights_with_their_start():
    (end,), records, _ = train([small_run(0)], (CosineSimilarity(),))
    (start,), _, _ = train([small_run(0, lr=0.0)])
    a, b = flat(end).astype(float), flat(start).astype(float)
    assert records["cosine_similarity"][0, 0] == pytest.approx(1, abs=1e-6)
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert records["cosine_similarity"][-1, 0] == pytest.approx(expected, rel=1e-5)


def test_gradient_norms_sum_to_the_path_of_plain_descent():
    """A step of gradient descent is the rate times the gradient: the path is the rate times the sum."""
    run = small_run(0, recipe=Recipe(Sgd(0.1), "20it", batch=64))
    _, records, _ = train([run], (GradientNorm(), PathLength()), stretches=[0, 1, 4, 15])
    norms, total = records["gradient_norm"][:, 0], records["gradient_norm_sum"][:, 0]
    assert np.isnan(norms[0])
    assert total[0] == 0
    assert norms[1] == pytest.approx(total[1], rel=1e-6)
    np.testing.assert_allclose(0.1 * total, records["path_length"][:, 0], rtol=1e-5)
