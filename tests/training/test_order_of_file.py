"""What is normalised by batches is the same number for any order of the data's file."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models import nets
from tests.training.harness import train
from weightspace import tree
from weightspace.data.base import Data
from weightspace.data.order import content_order
from weightspace.data.sources.arrays import from_arrays
from weightspace.data.task import Task
from weightspace.derived.at_init import MasksAtInit
from weightspace.derived.barrier import Barrier
from weightspace.errors import InputError
from weightspace.measure.host import keeps_statistics, measure, stacked
from weightspace.measure.network import STATISTICS, Network, Subject
from weightspace.models.adapters import from_function
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Run
from weightspace.spaces.full import Full
from weightspace.streams import Keys, Seeds, Stream

TRAIN, TEST = 1_100, 1_203
MODEL = from_function(nets.function_init, nets.function_apply, width=nets.WIDTH)
ORDERS = ("as drawn", "sorted", "shuffled")


@functools.cache
def arrays():
    """Classes apart from each other, so that a batch of one class is normalised very differently."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, nets.OUTPUTS, TRAIN + TEST)
    x = rng.normal(size=(TRAIN + TEST, nets.INPUTS)) + 4 * (y[:, None] == np.arange(nets.INPUTS)[None, :])
    return x.astype(np.float32), y


def task(order):
    x, y = arrays()
    parts = []
    for rows in (np.arange(TRAIN), np.arange(TRAIN, TRAIN + TEST)):
        if order == "sorted":
            rows = rows[np.argsort(y[rows], kind="stable")]
        if order == "shuffled":
            rows = np.random.default_rng(1).permutation(rows)
        parts += [x[rows], y[rows]]
    return Task(Data(from_arrays(*parts), normalise="none"), CrossEntropy())


def run_of(order):
    """Its weights rest, so that only the order of what is measured matters."""
    return Run(MODEL, task(order), Full(), Recipe(Sgd(0.0), "1it", batch=50), Seeds(0))


def weights(seed=0):
    return MODEL.init(Keys(Seeds(seed))(Stream.INIT), jnp.zeros((1, nets.INPUTS)))[0]


@pytest.mark.parametrize("statistics", ["batch", "recalibrated"])
def test_evaluation_goes_by_content(statistics):
    """Train metrics are on 700 of the examples and, at the end, on all of them."""
    probe = Evaluation(("train", "test"), train_examples=700, statistics=statistics)
    first, *others = (train([run_of(order)], (probe,), stretches=[0, 1])[1] for order in ORDERS)
    for other in others:
        for name, value in first.items():
            if statistics == "batch":
                assert other[name].tobytes() == value.tobytes(), name
            elif name.startswith("test"):  # the 700 are spread over the file, sums go by it
                np.testing.assert_allclose(other[name], value, rtol=1e-6)


def test_the_last_batch_is_filled_with_the_first_examples_which_count_once():
    """1,203 test examples: three batches of 500, the last with 297 of the first batch's."""
    run = run_of("sorted")
    (w,), records, _ = train([run], (Evaluation(("test",), statistics="batch"),), stretches=[1])
    flat = {path: np.asarray(leaf, np.float64) for path, leaf in tree.flat_dict(w).items()}
    loaded = run.task.data.source.loaded
    order = np.asarray(content_order(loaded.test.x, loaded.test.y))
    losses = []
    for start in (0, 500, 1000):
        rows = order[np.arange(start, start + 500) % TEST]
        hidden = loaded.test.x[rows] @ flat["first/0"] + flat["first/1"]
        hidden = np.tanh((hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5))
        outputs = hidden @ flat["last/0"] + flat["last/1"]
        each = np.log(np.exp(outputs).sum(1)) - outputs[np.arange(500), loaded.test.y[rows]]
        losses += each[: TEST - start].tolist()
    assert len(losses) == TEST
    assert records["test_loss"][0, 0] == pytest.approx(np.mean(losses), rel=1e-5)


def test_few_train_examples_make_one_batch_of_their_own():
    run = run_of("sorted")
    probe = Evaluation(("train",), train_examples=90, statistics="batch")
    before, end = train([run], (probe,), stretches=[0, 1])[1]["train_loss"][:, 0]
    assert before == pytest.approx(end, rel=0.15)
    assert before != end


def test_lines_and_masks_between_networks_go_by_content():
    lines, masks = [], []
    for order in ORDERS[:2]:
        lines.append(Barrier(MODEL, task(order), weights(0), weights(1), Seeds(0), 2).compute())
        masks.append(MasksAtInit(MODEL, task(order), "large_final", *(weights(),) * 2, Seeds(0), powers=2))
    masks = [node.compute() for node in masks]
    for found in (lines, masks):
        for other in found[1:]:
            for name, value in found[0].items():
                np.testing.assert_array_equal(other[name], value, err_msg=name)
    (measured,) = measured_at(MODEL, task("sorted"), weights(), None, "batch")["test_loss"]
    assert masks[0]["test_loss_0"] == pytest.approx(measured, rel=1e-6)


def measured_at(model, task_, weights_, state, statistics="running"):
    network = stacked([Network(weights_, state)])
    return measure(Subject(model, task_, Seeds(0)), network, {"test": None}, statistics)


def test_the_state_of_a_run_is_used_where_it_is_given():
    state = [np.full(nets.WIDTH, 0.5, np.float32), np.full(nets.WIDTH, 9.0, np.float32)]
    state = dict(zip("01", state, strict=True))
    x, y = task("sorted").data.arrays().test
    key = jax.random.key(0)
    outputs, _ = MODEL.apply(weights(), state, jnp.asarray(x), train=False, key=key)
    expected = np.mean(CrossEntropy()(outputs, jnp.asarray(y)))
    found = measured_at(MODEL, task("sorted"), weights(), state)["test_loss"]
    assert found.tolist() == [pytest.approx(float(expected), rel=1e-5)]


def buffer_init(key, x):
    return {"w": jnp.ones((nets.INPUTS, nets.OUTPUTS))}, {
        "shift": jnp.full(nets.INPUTS, 7.0),
        "n": jnp.int32(0),
    }


def buffer_apply(weights, x, *, train, key, state):
    """Dropout, a buffer that nothing changes, and a counter: no statistics."""
    if train:
        x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x, 0)
    return (x - state["shift"][None]) @ weights["w"], {"shift": state["shift"], "n": state["n"] + 1}


def test_a_buffer_makes_no_statistics_and_dropout_rests():
    model = from_function(buffer_init, buffer_apply)
    assert keeps_statistics(MODEL, (nets.INPUTS,))
    assert not keeps_statistics(model, (nets.INPUTS,))
    given = {"w": jax.random.normal(jax.random.key(0), (nets.INPUTS, nets.OUTPUTS))}
    x, y = task("as drawn").data.arrays().test
    expected = CrossEntropy()((jnp.asarray(x) - 7.0) @ given["w"], jnp.asarray(y))
    for statistics in STATISTICS:
        found = measured_at(model, task("as drawn"), given, None, statistics)["test_loss"]
        assert found.tolist() == [pytest.approx(float(jnp.mean(expected)), rel=1e-5)]


def test_versions_are_raised_where_numbers_change_and_nowhere_else():
    assert [Evaluation(statistics=s).version for s in STATISTICS] == [1, 2, 3, 3]
    plain = from_function(buffer_init, buffer_apply)
    line = [Barrier(m, task("as drawn"), 0.0, 0.0, Seeds(0)) for m in (plain, MODEL)]
    assert [node.canonical["version"] for node in line] == [3, 3]
    masks = [MasksAtInit(m, task("as drawn"), "random", 0.0, 0.0, Seeds(0)) for m in (plain, MODEL)]
    assert [node.canonical["version"] for node in masks] == [4, 4]


def test_the_ends_of_a_line_are_finite():
    broken = weights() | {"last": jax.tree.map(lambda w: w.at[0].set(jnp.nan), weights()["last"])}
    with pytest.raises(InputError, match="the end 'b' of a line is not finite in last/0"):
        Barrier(MODEL, task("as drawn"), weights(), broken, Seeds(0), 3).compute()
