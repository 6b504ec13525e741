"""`freedom.transfer` as a user asks it, and its controls."""

import itertools

import numpy as np
import pandas as pd
import pytest

from weightspace.derived.carried_over import Altered, Shared
from weightspace.errors import InputError
from weightspace.experiments.answer import answers_of
from weightspace.experiments.freedom.transfer import SHARED, SOURCES, FreedomTransfer
from weightspace.models.zoo import make
from weightspace.run import Run
from weightspace.tables.base import Given
from weightspace.tables.vocabulary import VOCABULARY

SMALL = {
    "model": "fc:widths=4", "seeds": ("2",), "epochs": 1.0, "dims": (4,), "trajectory_steps": 40,
    "reference": False,
}  # fmt: skip
MODEL, SHAPE = make("fc:widths=4", (5,), 3), (5,)
SIZES = (4, 20, 3, 12)  # biases before kernels, in the order of `ravel`


def asked(**settings):
    return next(FreedomTransfer(**(SMALL | settings)).ask())


def columns(count=3, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(sum(SIZES), count))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def leaves(given):
    return np.split(given, np.cumsum(SIZES)[:-1], axis=1)


def donors_of(method):
    rows = [r for r in asked() if r.labels["method"] == method and r.labels["seed"] == 1]
    run = rows[0].node
    node = run.space.basis.columns.of
    leading = node.columns.of if isinstance(node, Altered) else node
    return run, [output.of for output in leading.recorded]


def test_every_arm_has_the_donor_that_its_name_says():
    run, (own,) = donors_of("own")
    assert own.seeds == run.seeds
    run, (first,) = donors_of("transfer")
    assert (first.seeds.base, run.seeds.base) == (1000, 1)
    assert [donor.seeds.base for donor in donors_of("pooled")[1]] == [1000, 1001, 1002]
    run, (same,) = donors_of("other-order")
    assert (same.seeds.init, same.seeds.order) == (run.seeds.init, 1000)
    run, (donor,) = donors_of("donor-init")
    assert (run.seeds.init, run.seeds.order, donor.seeds.init) == (1000, 1, 1000)
    run, (random,) = donors_of("random-labels")
    assert random.task != run.task
    assert {donors_of(name)[1][0].digest for name in ("energy", "shuffled")} == {first.digest}


def test_what_is_shared_is_told_of_each_arm_beside_its_training():
    rows = asked()
    shared = [row for row in rows if row.labels["method"] == SHARED]
    assert {row.labels["basis"] for row in shared} == {*SOURCES} - {"other-data"}
    assert len(shared) + 2 == len([row for row in rows if isinstance(row.node, Run)])


@pytest.mark.parametrize("change", ["energy", "shuffled"])
def test_controls_keep_the_energy_of_each_leaf_and_are_nested(change):
    given = columns()
    found = Altered(given, MODEL, SHAPE, change, 3).compute()["columns"]
    for before, after in zip(leaves(given), leaves(found), strict=True):
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(before, axis=1), rtol=1e-5)
    assert not np.allclose(found, given)
    np.testing.assert_array_equal(Altered(given[:2], MODEL, SHAPE, change, 3).compute()["columns"], found[:2])
    if change == "shuffled":
        np.testing.assert_allclose(found @ found.T, given @ given.T, atol=1e-6)
        for before, after in zip(leaves(given), leaves(found), strict=True):
            np.testing.assert_array_equal(np.sort(after, axis=1), np.sort(before, axis=1))


def test_what_two_bases_share():
    basis = np.eye(6, dtype=np.float32)
    steps = np.asarray([[3, 0, 0, 1, 0, 0], [0, 0, 0, 3, 0, 0]], np.float32)
    found = Shared(basis[:2], basis[1:3], steps).compute()
    assert found["displacement_share"] == pytest.approx(9 / 25)
    assert found["overlap"] == pytest.approx(0.5)
    assert found["overlap_chance"] == pytest.approx(2 / 6)
    assert (found["angle_least"], found["angle_most"]) == (pytest.approx(0), pytest.approx(90))


def test_chance_is_what_random_directions_share():
    own = columns(5, 1)
    overlaps = [Shared(columns(5, k), own, own).compute()["overlap"] for k in range(2, 60)]
    assert np.mean(overlaps) == pytest.approx(5 / sum(SIZES), rel=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"donors": (1, 7)}, "seed 1 is a donor and a recipient"),
        ({"methods": ("own", "transfr")}, "did you mean 'transfer'"),
        ({"methods": ("own", "other-data")}, "needs a data set"),
        ({"dims": (16,)}, "d = 16 exceeds the 8 snapshots"),
        ({"donors": ()}, "no donor"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(InputError, match=message):
        FreedomTransfer(**(SMALL | settings))


def test_a_donor_of_another_architecture_is_refused():
    with pytest.raises(InputError, match="take a donor of this architecture"):
        Altered(np.ones((2, 7), np.float32), MODEL, SHAPE, "energy", 0).compute()
    with pytest.raises(InputError, match="donors of one architecture"):
        Shared(columns(), columns()[:, :7], columns()).compute()


def tables_told(experiment, rows):
    frame = pd.DataFrame(rows)
    given = Given(frame, frame.iloc[:0], words=VOCABULARY.with_words(experiment.words))
    return {answer.name: given.of(answer.table) for answer in answers_of(experiment)}


def test_gaps_and_what_is_shared_mix_no_settings():
    """Synthetic rows in which each setting has its own value; differences and means by hand."""
    question = FreedomTransfer(lr=(0.01, 0.1), noise=(0.0, 0.2), methods=("own", "transfer"), dims=(8, 16))
    rows = []
    for seed, dim, lr, noise in itertools.product((0, 1, 2), (8, 16), (0.01, 0.1), (0.0, 0.2)):
        labels = {"dim": dim, "lr": lr, "noise": noise, "seed": seed, "optimiser": "adam", "compression": 2.0}
        own = 0.5 + 0.01 * seed + noise
        for method, value in (("own", own), ("transfer", own - lr - dim / 100)):
            run = f"{method}{seed}{dim}{lr}{noise}"
            rows.append(labels | {"method": method, "run": run, "status": "ok", "test_accuracy": value})
        shared = {
            "method": "shared",
            "basis": "transfer",
            "overlap": noise + dim,
            "overlap_chance": dim / 100,
        }
        rows.append(labels | shared | {"run": f"shared{seed}{dim}{noise}", "status": "ok"})
    found = tables_told(question, rows)
    gaps = found["gaps"]
    assert len(gaps) == 2 * 2 * 2
    for line in gaps.to_dict("records"):
        expected = -(line["lr"] + line["dim"] / 100)
        assert abs(line["difference"]) == pytest.approx(abs(expected))
        assert line["n"] == 3
    overlap = found["shared"].query("metric == 'overlap' and statistic == 'mean'")
    assert {(r["dim"], r["noise"]): (r["value"], r["n"]) for r in overlap.to_dict("records")} == {
        (dim, noise): (pytest.approx(noise + dim), 3) for dim in (8, 16) for noise in (0.0, 0.2)
    }
