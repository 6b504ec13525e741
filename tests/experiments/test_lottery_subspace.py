"""`freedom.lottery-subspace` as a user runs it, small."""

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.experiments.freedom.directions import WAYS
from weightspace.experiments.freedom.lottery_subspace import SPECTRUM, LotterySubspace
from weightspace.run import Run
from weightspace.spaces.bases.learned import Learned
from weightspace.sweeps.ask import sweep

SMALL = {
    "model": "fc:widths=4", "seeds": ("1",), "epochs": 1.0, "levels": (0.2,), "trajectory_steps": 40,
    "reference": False,
}  # fmt: skip


def asked(**settings):
    return next(LotterySubspace(**(SMALL | {"dims": (2, 8)} | settings)).ask())


def trained(rows, method):
    return [row for row in rows if row.labels["method"] == method]


def test_all_methods_share_seeds_and_recipe_and_start_at_the_initialisation():
    rows = [row for row in asked() if isinstance(row.node, Run)]
    assert {row.labels["method"] for row in rows} == {"random", *WAYS}
    assert len({(row.node.seeds, row.node.recipe) for row in rows}) == 1
    assert all(row.node.space.offset is None for row in rows)
    learned = [row.node.space.basis for row in rows if row.labels["method"] != "random"]
    assert all(isinstance(basis, Learned) for basis in learned)


def test_the_donor_is_the_full_space_training_of_its_own_length():
    (first, _) = trained(asked(methods=("lottery",)), "lottery")
    leading = first.node.space.basis.columns.of
    (output,) = leading.recorded
    donor = output.of
    assert str(donor.recipe.length) == "40it"
    assert donor.seeds == first.node.seeds
    assert (output.probe.count, output.probe.every, output.probe.extra) == (8, 5, 0)
    (first, _) = trained(asked(methods=("lottery",), legacy_steps=True), "lottery")
    (output,) = first.node.space.basis.columns.of.recorded
    assert (str(output.of.recipe.length), output.probe.extra) == ("41it", 1)


def test_no_run_depends_on_the_largest_dimension():
    """The identity of what is trained at d = 2 is the same, whatever else is swept."""
    for method in WAYS:
        small = trained(asked(dims=(2,), methods=(method,)), method)
        large = trained(asked(dims=(2, 4, 8), methods=(method,)), method)
        assert small[0].node.digest == large[0].node.digest


def test_results_at_a_dimension_do_not_depend_on_the_sweep(tmp_path):
    settings = SMALL | {"methods": ("lottery", "lottery-scaled")}
    a = sweep(LotterySubspace(dims=(2,), **settings), tmp_path / "a")
    b = sweep(LotterySubspace(dims=(2, 8), **settings), tmp_path / "b")
    merged = a[a["dim"] == 2].merge(b, on="run", suffixes=("", "_b"))
    assert len(merged) == 2
    assert (b["status"] == "ok").all()
    np.testing.assert_array_equal(merged["test_loss"], merged["test_loss_b"])
    spectra = b[b["method"] == SPECTRUM]
    assert spectra["trajectory_rank"].tolist() == [8]


def test_curvature_gives_as_many_dimensions_as_eigenvectors():
    rows = asked(methods=("hessian", "random"), eigenvectors=4)
    assert [row.labels["dim"] for row in trained(rows, "hessian")] == [2]
    assert [row.labels["dim"] for row in trained(rows, "random")] == [2, 8]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dims": (2, 9)}, r"d = 9 exceeds the 8 snapshots .*at least 45"),
        ({"dims": (64,), "methods": ("random", "iterates")}, r"d = 64 exceeds the 8 snapshots"),
        ({"methods": ("lotery",)}, "did you mean 'lottery'"),
        ({"methods": ("gradient",)}, "did you mean 'gradients'"),
        ({"trajectory_steps": 42}, r"no multiple of the spacing .*give 40"),
        ({"spacing": 0}, "spacing is 0"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(InputError, match=message):
        LotterySubspace(**(SMALL | {"dims": (2, 8)} | settings))


def test_random_alone_needs_no_trajectory():
    LotterySubspace(**(SMALL | {"dims": (64,), "methods": ("random",)}))
