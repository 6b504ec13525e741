"""Pruning at named moments: absolute targets of each layer, in epochs or steps, against a sort by hand."""

import numpy as np
import pytest

from tests.edits.runs import KERNELS, SPARSE, Driven, random_mask, sparse_run
from weightspace.derived.symmetry import Symmetry
from weightspace.edits.exchange import RigL, Set
from weightspace.edits.gradual import Gradual
from weightspace.edits.stepwise import Stepwise
from weightspace.errors import InputError
from weightspace.probes import Evaluation, MaskAt
from weightspace.run import Row, Watch
from weightspace.spaces.full import Full
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.requests import Request, check_run
from weightspace.tree import flat_dict

FULL = random_mask(1.0)
SIZES = {path: flat_dict(FULL)[path].size for path in KERNELS}


def test_nothing_goes_before_the_first_moment_and_targets_are_of_the_whole_layer():
    """.4, then .8 of each kernel, not of the survivors; the output layer stays dense."""
    edit = Stepwise(0.8, at=("10it", "20it"), shares=(0.5, 1.0))
    driven = Driven(sparse_run(edit, mask=FULL))
    assert all(flags.all() for flags in driven.to(9).state()[0].values())
    for end, share in ((10, 0.6), (20, 0.2)):
        mask = driven.to(end).state()[0]
        assert [mask[path].sum() for path in KERNELS[:-1]] == [
            round(share * SIZES[path]) for path in KERNELS[:-1]
        ]
        assert mask[KERNELS[-1]].all()
        record = driven.lane(driven.records[end])
        for path in KERNELS:
            name = path.rpartition("/")[0].replace("/", "_")
            assert record[f"mask_density_{name}"] == pytest.approx(mask[path].mean(), rel=1e-6)


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_largest_stay_as_a_sort_gives_them(scope):
    edit = Stepwise(0.7, at=("30it",), scope=scope)
    before = Driven(sparse_run(mask=FULL)).to(30).state()[1]
    mask = Driven(sparse_run(edit, mask=FULL)).to(30).state()[0]
    pool = np.concatenate([np.abs(before[path]).ravel() for path in KERNELS[:-1]])
    for path in KERNELS[:-1]:
        sizes = pool if scope == "global" else np.abs(before[path]).ravel()
        least = np.sort(sizes)[::-1][round(0.3 * sizes.size) - 1]
        np.testing.assert_array_equal(mask[path], np.abs(before[path]) >= least)


def test_a_target_below_the_present_sparsity_changes_nothing():
    mask = Driven(sparse_run(Stepwise(0.5, at=("5it",), layers="kernel"), mask=SPARSE)).to(5).state()[0]
    for path, flags in flat_dict(SPARSE).items():
        np.testing.assert_array_equal(mask[path], flags)


def test_epochs_are_epochs():
    assert Stepwise(0.8, at=("2ep", "75%", "end")).steps(200, 29) == (58, 150, 200)


def test_layers_have_targets_and_schedules_of_their_own():
    edits = (Stepwise(0.9, at=("5it",), layers="0"), Stepwise((0.5,), at=("15it", "20it"), layers="1"))
    driven = Driven(sparse_run(*edits, mask=FULL)).to(20)
    mask = driven.state()[0]
    kept = [int(mask[path].sum()) for path in KERNELS]
    first, second, last = (SIZES[path] for path in KERNELS)
    assert kept == [round(0.1 * first), round(0.5 * second), last]
    assert driven.lane(driven.records[20])["mask_dropped_2"] == 0
    each = Stepwise((0.9, 0.5), at=("5it",))
    mask = Driven(sparse_run(each, mask=FULL)).to(5).state()[0]
    assert [int(mask[path].sum()) for path in KERNELS] == kept
    total = sum(SIZES[path] for path in KERNELS[:-1])
    expected = (0.1 * first + 0.5 * second) / total
    record = Driven(sparse_run(each, mask=FULL)).to(5)
    assert record.lane(record.records[5])["mask_target_density"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "edit",
    [Stepwise(0.8, at=("10it", "20it"), shares=(0.5, 1.0)), Set(0.4, every="10it"), RigL(0.4, every="10it")],
    ids=["stepwise", "set", "rigl"],
)
def test_symmetry_is_counted_of_the_mask_that_each_event_leaves(tmp_path, edit):
    run = sparse_run(edit, mask=SPARSE if not isinstance(edit, Stepwise) else FULL)
    shape = tuple(run.task.data.shape)
    rows = [Row({"arm": "run"}, run, Watch("end", (Evaluation(("test",)),)))]
    for step in (9, 10, 20):
        mask = run.read(MaskAt(f"{step}it"), "mask")
        rows.append(Row({"arm": "mask", "after": step}, Symmetry(run.model, shape, mask)))
    table = sweep(rows, tmp_path)
    store = Store(tmp_path)
    driven = Driven(run)
    for step in (9, 10, 20):
        kept = flat_dict(store.output(run.digest, f"maskat({step}it).mask"))
        for path, flags in driven.to(step).state()[0].items():
            np.testing.assert_array_equal(kept[path], flags)
    lost = table.set_index("after")["lost_digits"]
    if isinstance(edit, Stepwise):
        assert lost[9.0] == 0 < lost[10.0] <= lost[20.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stepwise(80, at=("1ep",)), "share of zeros"),
        (lambda: Stepwise(0.8, at=()), "no moment"),
        (lambda: Stepwise(0.8, at=("1ep",), shares=(0.5, 1)), "one for each"),
        (lambda: Stepwise(0.8, at=("1ep", "2ep"), shares=(1, 0.5)), "let them rise"),
        (lambda: Stepwise((0.8, 0.5), at=("1ep",), scope="global"), "scope 'layer'"),
        (lambda: Stepwise((), at=("1ep",)), "empty list"),
        (lambda: Gradual((0.8, 0.5), initial=0.6), "above the final one of 0.5"),
        (lambda: Gradual(0.8, ramp="cubik"), "did you mean 'cubic'"),
    ],
)
def test_wrong_values_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Stepwise(0.8, at=("0it",)), "prune before the first by Masked"),
        (Stepwise(0.8, at=("41it",)), "steps 1 to 40"),
        (Stepwise(0.8, at=("20it", "10it")), "later than the last"),
        (Stepwise((0.8, 0.8, 0.8), at=("5it",)), "for the 2 kernels that are pruned"),
        (Stepwise(0.8, at=("5it",), layers="9"), "layer 9 is none"),
    ],
)
def test_what_cannot_act_is_refused_before_anything_is_traced(edit, message):
    with pytest.raises(InputError, match=message):
        check_run(Request(sparse_run(edit)))


def test_a_mask_is_asked_where_there_is_one():
    with pytest.raises(InputError, match="which has none; train in Masked"):
        check_run(Request(sparse_run(space=Full()), (MaskAt("5it"),)))
    with pytest.raises(InputError, match=r"the mask at 50it .step 50. .* a run of 40 steps"):
        check_run(Request(sparse_run(), (MaskAt("50it"),)))
