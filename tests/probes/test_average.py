"""Averages of one run's weights: against the weights of the run at each moment, in double precision."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from tests.builders import small_run
from tests.derived.test_region import Normed
from tests.edits.runs import sparse_run
from tests.training.harness import flat, outputs_of, train
from weightspace.data import make_data
from weightspace.derived.averages import Averaged
from weightspace.derived.compared import Compared
from weightspace.edits.gradual import Gradual
from weightspace.errors import InputError
from weightspace.measure.network import Network
from weightspace.models.adapters import from_nnx
from weightspace.models.base import layout_of
from weightspace.probes import Average, Best, Ema, Snapshot, Swag, make_probe
from weightspace.run import Row, Watch
from weightspace.spaces.simplex import Line
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep

STRETCHES = [0, 8, 4, 4, 4]
LATE = (8, 12, 16, 20)


@functools.cache
def weights_at(step):
    (found,), _, _ = train([small_run(0)], stretches=[step])
    return flat(found).astype(np.float64)


def checked(run, probe):
    probe.check(run, layout_of(run.model, tuple(run.task.data.shape), "float32"))


def test_an_average_is_the_mean_of_the_weights_at_its_moments():
    left, counted = outputs_of(
        small_run(0), (Average("8it", "4it", last=()), Average("8it", "4it", count=3, last=())), STRETCHES
    )
    each = [weights_at(step) for step in LATE]
    np.testing.assert_allclose(flat(left["weights"]), np.mean(each, 0), rtol=1e-5, atol=1e-7)
    # A third of the way of three is no whole moment: it is rounded down.
    three = [each[0], each[1], each[3]]
    assert Average("8it", "4it", count=3).moments(20, 29) == (8, 12, 20)
    np.testing.assert_allclose(flat(counted["weights"]), np.mean(three, 0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("options", [{"space": Line()}, {"dim": 5}], ids=["line", "subspace"])
def test_in_other_spaces_it_is_the_weights_at_the_point_that_are_averaged(options):
    run = small_run(1, length="8it", **options)
    (left,) = outputs_of(run, (Average("4it", "4it", last=()),), [0, 4, 4])
    each = [flat(train([run], stretches=[k])[0][0]).astype(np.float64) for k in (4, 8)]
    np.testing.assert_allclose(flat(left["weights"]), np.mean(each, 0), rtol=1e-5, atol=1e-7)
    assert np.abs(each[0] - each[1]).max() > 1e-3


def test_names_of_the_command_line_take_lengths_and_counts():
    assert make_probe("average:since=50%,every=5it,count=3") == Average("50%", "5it", count=3)
    assert make_probe("swag:since=8ep,rank=5,centre=final") == Swag("8ep", rank=5, centre="final")
    assert make_probe("ema:decay=0.99") == Ema(0.99)
    assert make_probe("best:every=10it") == Best("10it")
    with pytest.raises(InputError, match="option 'since' is 'late', but must be a length, such as 3ep"):
        make_probe("average:since=late")
    with pytest.raises(InputError, match="'every' is '1ep,2ep', but must be a length"):
        make_probe("average:every=1ep,2ep")


def test_readings_of_others_add_nothing():
    (plain,) = outputs_of(small_run(0), (Average("8it", "4it", last=()),), STRETCHES)
    (often,) = outputs_of(small_run(0), (Average("8it", "4it", last=()),), [0, *[2] * 10])
    np.testing.assert_array_equal(flat(plain["weights"]), flat(often["weights"]))


@pytest.mark.parametrize(
    ("given", "moments"),
    [
        (("75%", "1ep"), (70, 80, 90, 100)),
        (("60%", "1ep"), (60, 70, 80, 90, 100)),
        (("75%", "5it"), (75, 80, 85, 90, 95, 100)),
        (("9ep", "4it"), (88, 92, 96, 100)),
        (("0it", "50it"), (0, 50, 100)),
        (("end", "30it"), (90,)),
    ],
)
def test_moments_are_multiples_from_the_last_before_the_beginning(given, moments):
    assert Average(*given).moments(100, 10) == moments


def test_a_moving_average_is_the_recursion_over_all_steps():
    whole, later = outputs_of(small_run(0), (Ema(0.8, last=()), Ema(0.8, "3it", last=())), [0, 5])
    (start,), _, _ = train([small_run(0, lr=0.0)], stretches=[1])
    path = [flat(start).astype(np.float64), *(weights_at(step) for step in range(1, 6))]
    for left, first in ((whole, 0), (later, 3)):
        expected = path[first]
        for weights in path[first + 1 :]:
            expected = 0.8 * expected + 0.2 * weights
        np.testing.assert_allclose(flat(left["weights"]), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("centre", ["running", "final"])
@pytest.mark.parametrize("rank", [3, 6])
def test_swag_keeps_mean_variance_and_the_last_deviations(centre, rank):
    (left,) = outputs_of(small_run(0), (Swag("8it", "4it", rank=rank, centre=centre, last=()),), STRETCHES)
    each = np.stack([weights_at(step) for step in LATE])
    np.testing.assert_allclose(flat(left["weights"]), each.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(flat(left["variance"]), each.var(0), rtol=1e-3, atol=1e-12)
    means = [each[: i + 1].mean(0) if centre == "running" else each.mean(0) for i in range(4)]
    columns = each - np.stack(means)
    found = np.concatenate([leaf.reshape(rank, -1) for leaf in jax.tree.leaves(left["deviations"])], axis=1)
    assert int(left["models"]) == min(rank, 4)
    if rank == 6:
        np.testing.assert_allclose(found[:4], columns, atol=1e-6)
        assert not found[4:].any()
        return
    np.testing.assert_allclose(found[[1, 2, 0]], columns[1:], atol=1e-6)  # the fourth took the first's place


def test_a_normalised_average_in_a_sweep_has_statistics_of_its_own(tmp_path):
    """Readings at the probe's own moments; its column is what `Compared` says of the weights kept."""
    data = make_data("digits", normalise="unit", subset=300)
    run = dataclasses.replace(small_run(0, data=data, length="12it", lr=0.3), model=from_nnx(Normed))
    probe, moments = Average("6it", "3it"), ("6it", "9it", "12it")
    network = Network(run.read(probe, "weights"), run.read(probe, "state"))
    mean = Averaged(tuple(run.at(when) for when in moments))
    own = Compared(run.model, run.task, (network,), run.seeds, "recalibrated")
    rows = [
        Row({"what": "run"}, run, Watch("end", (probe,))),
        Row({"what": "probe"}, own),
        Row({"what": "mean"}, mean),
    ]
    table = sweep(rows, tmp_path).set_index("what")
    assert set(table["status"]) == {"ok"}
    assert table.loc["run", "average_models"] == 3
    assert table.loc["run", "average_test_accuracy"] == pytest.approx(table.loc["probe", "all_accuracy"])
    assert table.loc["run", "average_test_loss"] == pytest.approx(table.loc["probe", "all_nll"], rel=1e-5)
    assert table.loc["probe", "mean_uncalibrated_nll"] != table.loc["probe", "all_nll"]
    store = Store(tmp_path)
    kept, expected = store.output(run.digest, f"{probe.key}.weights"), store.output(mean.digest, "weights")
    np.testing.assert_allclose(flat(kept), flat(expected), rtol=1e-5, atol=1e-7)
    state = store.output(run.digest, f"{Snapshot('12it').key}.state")
    np.testing.assert_array_equal(flat(store.output(run.digest, f"{probe.key}.state")), flat(state))


def test_averages_without_splits_write_no_columns():
    _, records, _ = train([small_run(0)], (Average("8it", "4it", last=()), Ema(last=())), stretches=[0, 20])
    assert not records
    assert not Average(last=()).writes_columns
    assert Average().columns == ("average",)
    assert Swag().columns == ("swag",)


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (Average("21it", "1it"), r"an average that begins at 21it \(step 21\) cannot be had of a run of 20"),
        (Average("10it", "5it", count=4), "asked of a run that has 3 of them; take at most 3"),
        (Average("10it", "0it"), "every is 0"),
        (Ema(since="2ep"), r"a moving average that begins at 2ep \(step 46\) cannot be had"),
    ],
)
def test_averages_that_a_run_cannot_give_are_refused(probe, text):
    with pytest.raises(InputError, match=text):
        checked(small_run(0), probe)


def test_averages_across_changes_of_a_mask_are_refused():
    run = sparse_run(Gradual(0.9, every="5it", until="20it"))
    checked(run, Average("20it", "5it"))
    with pytest.raises(InputError, match="whose Gradual changes the weights' mask after step 20"):
        checked(run, Average("15it", "5it"))
    with pytest.raises(InputError, match="edits change masks between steps"):
        checked(run, Ema())
    with pytest.raises(InputError, match="each step is at a drawn point; take the probe 'average'"):
        checked(small_run(0, space=Line()), Ema())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Average(count=1), "count of moments is 1"),
        (lambda: Average(statistics="batch"), "unknown statistics 'batch'"),
        (lambda: Ema(1.0), "decay is 1.0"),
        (lambda: Swag(rank=1), "rank is 1"),
        (lambda: Swag(centre="runing"), "did you mean 'running'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
