"""One place measures: all roads to a network's metrics give one number, for each kind of statistics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.at_init import MasksAtInit
from weightspace.derived.barrier import Barrier
from weightspace.derived.measured import Measured
from weightspace.errors import InputError
from weightspace.measure.host import measure, stacked
from weightspace.measure.network import STATISTICS, Network, Subject
from weightspace.probes import Best, Evaluation, Snapshot
from weightspace.recipes.metrics import CalibrationError
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep

RESNET = "resnet20:widths=4,8,blocks=1"
DATA = {"normalise": "unit", "validation": 100, "subset": 230, "noise": 0.2}


@functools.cache
def subject():
    run = small_run(3, model=RESNET, data=make_data("digits", **DATA), length="3it", batch=32)
    return run, Subject(run.model, run.task, run.seeds)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A residual network of three steps, evaluated by each kind of statistics in a folder of its own."""
    run, _ = subject()
    lines, out = {}, None
    for statistics in STATISTICS:
        out = tmp_path_factory.mktemp(statistics)
        probes = (Evaluation(statistics=statistics), Snapshot("end"))
        lines[statistics] = sweep([Row({}, run, Watch("end", probes))], out).to_dict("records")[0]
    store = Store(out)
    names = [output.key for output in run.network()]
    return lines, Network(*(store.output(run.digest, name) for name in names))


def near(value):
    return pytest.approx(float(value), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_all_roads_lead_to_one_number(trained, statistics):
    """`Evaluation`, ends of a `Barrier`, a mask that keeps all, `Measured`, and equal points together."""
    lines, network = trained
    run, own = subject()
    line = lines[statistics]
    points = stacked([network] * 21)
    many = measure(own, points, {"train": None, "validation": None, "test": None}, statistics)
    for name, values in many.items():
        np.testing.assert_allclose(values, line[name], rtol=1e-6, atol=1e-6)
    states = (network.state, network.state)
    barrier = Barrier(
        run.model, run.task, network.weights, network.weights, run.seeds, 3, statistics, states
    ).compute()
    assert [barrier["loss_a"], barrier["loss_b"]] == [near(line["test_loss"])] * 2
    assert barrier["error_a"] == near(1 - line["test_accuracy"])
    whole = MasksAtInit(
        run.model, run.task, "large_final", network.weights, network.weights, run.seeds, powers=1,
        statistics=statistics, state=network.state,
    ).compute()  # fmt: skip
    assert whole["test_loss_0"] == near(line["test_loss"])
    alone = Measured(run.model, run.task, network, run.seeds, ("test", "train"), statistics, None).compute()
    assert alone == {name: near(line[name]) for name in alone}
    assert set(alone) == {f"{split}_{name}" for split in ("test", "train") for name in ("loss", "accuracy")}


def test_kinds_of_statistics_differ_where_running_ones_are_young(trained):
    lines, _ = trained
    losses = [lines[statistics]["test_loss"] for statistics in STATISTICS]
    assert min(np.diff(sorted(losses[:3]))) > 1e-5
    assert losses[3] == near(losses[2])  # 130 examples are one batch: nothing lies between batches


def test_what_is_measured_of_one_network_does_not_depend_on_the_others(trained):
    _, network = trained
    _, own = subject()
    other = network._replace(weights=jax.tree.map(lambda w: 1.5 * w, network.weights))
    both = measure(own, stacked([network, other]), {"test": None}, "recalibrated")["test_loss"]
    each = [
        measure(own, stacked([n]), {"test": None}, "recalibrated")["test_loss"][0] for n in (network, other)
    ]
    np.testing.assert_allclose(both, each, rtol=1e-6)
    assert both[0] != both[1]


def test_weights_without_a_state_are_measured_by_batch_or_anew_or_not_at_all(trained):
    _, network = trained
    _, own = subject()
    bare = stacked([Network(network.weights, None)])
    with pytest.raises(InputError, match="without normalisation statistics; give the state"):
        measure(own, bare, {"test": None})
    for statistics in ("batch", "recalibrated"):
        found = measure(own, bare, {"test": None}, statistics)["test_loss"]
        full = measure(own, stacked([network]), {"test": None}, statistics)["test_loss"]
        np.testing.assert_allclose(found, full, rtol=1e-5)


def test_a_limit_takes_examples_spread_over_the_split():
    run = small_run(0)
    own = Subject(run.model, run.task, run.seeds)
    weights = run.model.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, 8, 8, 1)))[0]
    network = stacked([Network(weights, None)])
    whole, part, more, one = (measure(own, network, {"train": limit}) for limit in (None, 400, 10**6, 1))
    assert whole["train_loss"] != part["train_loss"]
    assert part["train_loss"] == pytest.approx(whole["train_loss"], rel=0.1)
    assert more == whole
    assert one["train_accuracy"] in (0.0, 1.0)


@pytest.mark.parametrize(
    ("splits", "statistics", "nearest"),
    [({"validaton": None}, "running", "validation"), ({"test": None}, "recalibratd", "recalibrated")],
)
def test_unknown_names(splits, statistics, nearest):
    run = small_run(0)
    weights = run.model.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, 8, 8, 1)))[0]
    with pytest.raises(InputError, match=f"did you mean '{nearest}'"):
        measure(
            Subject(run.model, run.task, run.seeds), stacked([Network(weights, None)]), splits, statistics
        )


def test_another_set_is_measured_by_the_statistics_of_the_runs_own(trained):
    _, network = trained
    _, own = subject()
    other = make_data("digits", normalise="unit", subset=50)
    found = measure(own, stacked([network]), {"train": None}, "recalibrated", data=other)
    state = measure(own, stacked([network]), {"test": None}, "recalibrated")
    assert np.isfinite(found["train_loss"]).all()
    theirs = measure(own, stacked([network]), {"test": None}, "recalibrated", data=other)
    np.testing.assert_allclose(
        theirs["test_loss"], state["test_loss"], rtol=1e-6
    )  # the test part is the same


def test_the_weights_kept_at_the_best_moment_are_measured_alike(tmp_path):
    run, _ = subject()
    best = Best(every="3it")
    (line,) = sweep([Row({}, run, Watch("end", (Evaluation(("test",)), best)))], tmp_path).to_dict("records")
    store = Store(tmp_path)
    assert line["best_test_loss"] == pytest.approx(line["test_loss"], rel=1e-6) or line["best_step"] == 0
    assert store.record(run.digest).status == "ok"


def test_a_new_metric_costs_an_evaluation_and_no_training(tmp_path):
    run, _ = subject()
    watch = Watch("end", (Evaluation(("test",)), Snapshot("end")))
    (first,) = sweep([Row({}, run, watch)], tmp_path).to_dict("records")
    before = Store(tmp_path).record(run.digest)
    task = Task(run.task.data, run.task.loss, ("accuracy", CalibrationError()))
    value = Measured(run.model, task, run.network(), run.seeds, ("test",))
    plain = Measured(run.model, run.task, run.network(), run.seeds, ("test",))
    assert value.digest != plain.digest
    (line,) = sweep([Row({"what": "calibration"}, value)], tmp_path).to_dict("records")
    assert line["status"] == "ok"
    assert 0 < line["test_ece"] < 1
    assert line["test_accuracy"] == near(first["test_accuracy"])
    assert Store(tmp_path).record(run.digest) == before


def test_each_task_is_measured_by_its_own_metrics(trained):
    """Tasks that differ in metrics alone are one task to a training, and not here."""
    _, network = trained
    run, own = subject()
    plain = measure(own, stacked([network]), {"test": None})
    task = Task(run.task.data, run.task.loss, (CalibrationError(),))
    other = measure(Subject(run.model, task, run.seeds), stacked([network]), {"test": None})
    assert set(plain) == {"test_loss", "test_accuracy"}
    assert set(other) == {"test_loss", "test_ece"}
    line = Barrier(run.model, task, network.weights, network.weights, run.seeds, 2).compute()
    assert "error_a" in line  # whatever the task records


def test_examples_that_are_not_set_aside_are_not_measured():
    run = small_run(0)
    weights = run.model.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, 8, 8, 1)))[0]
    value = Measured(run.model, run.task, Network(weights, None), run.seeds, ("validation",))
    with pytest.raises(InputError, match="no examples are set aside for validation"):
        value.compute()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (lambda: make_data("digits:classes=0,1"), r"2 outputs .2 classes., but the network learnt 'digits'"),
        (lambda: "digits", "Measured.data is of type str"),
    ],
)
def test_a_set_of_another_kind_is_refused(data, match):
    run = small_run(0)
    weights = run.model.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, 8, 8, 1)))[0]
    value = Measured(run.model, run.task, Network(weights, None), run.seeds, data=data())
    with pytest.raises(InputError, match=match):
        value.compute()
