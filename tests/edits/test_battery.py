"""What every edit holds: a new one is one row of `EDITS`."""

import jax
import numpy as np
import pytest

from tests.edits.runs import KERNELS, SPARSE, Driven, random_mask, sparse_run
from weightspace.edits.exchange import RigL, Set
from weightspace.edits.gradual import Gradual
from weightspace.edits.pruning import Pruning
from weightspace.edits.stepwise import Stepwise
from weightspace.recipes.base import Decay
from weightspace.recipes.optimisers import Adam, Momentum, RmsProp
from weightspace.tree import flat_dict

EDITS = {
    "gradual": Gradual(0.9, every="5it"),
    "gradual global": Gradual(0.9, initial=0.5, every="5it", begin="10it", until="end", scope="global"),
    "gradual layers": Gradual((0.9, 0.8), every="5it", layers=None, ramp="linear"),
    "stepwise": Stepwise(0.9, at=("5it", "10it", "35it"), shares=(0.3, 0.9, 1.0), layers="kernel"),
    "set": Set(0.4, every="5it"),
    "set random": Set(0.4, every="5it", decay="constant", grown="random"),
    "rigl": RigL(0.4, every="5it"),
}
each_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())


def first_event(run, edit):
    return edit.steps(run.recipe.steps(run.task.data.size), 29)[0]


@pytest.fixture(scope="module")
def trained():
    """Every edit's run to its end."""
    found = {}

    def of(edit):
        if edit not in found:
            found[edit] = Driven(sparse_run(edit)).to(40)
        return found[edit]

    return of


@each_edit
def test_steps_rise_within_the_training(edit):
    steps = edit.steps(40, 29)
    assert steps
    assert list(steps) == sorted(set(steps))
    assert steps[0] >= 1
    assert steps[-1] <= 40


@each_edit
def test_what_is_off_is_zero_and_biases_stay_on(edit, trained):
    mask, weights, theta, _ = trained(edit).state()
    for path, flags in mask.items():
        if path not in KERNELS:
            assert flags.all()
        assert (weights[path][~flags] == 0).all()
        assert (theta[path][~flags] == 0).all()
        assert (weights[path][flags] == theta[path][flags]).all()


@each_edit
def test_the_history_counts_what_came_and_went(edit, trained):
    driven = trained(edit)
    kept = sum(int(flat_dict(SPARSE)[path].sum()) for path in KERNELS)
    size = sum(flat_dict(SPARSE)[path].size for path in KERNELS)
    for step in edit.steps(40, 29):
        record = driven.lane(driven.records[step])
        kept += record["mask_grown"] - record["mask_dropped"]
        assert record["mask_density"] == pytest.approx(kept / size, rel=1e-6)
    assert kept == sum(driven.state()[0][path].sum() for path in KERNELS)


OPTIMISERS = {
    "gradual": (Momentum(0.05), Decay(0.1)),
    "gradual global": (Adam(0.01), Decay(0.1, decoupled=True)),
    "gradual layers": (Momentum(0.05), None),
    "stepwise": (Adam(0.01), Decay(0.1)),
    "set": (RmsProp(0.01), None),
    "set random": (Adam(0.01), Decay(0.1)),
    "rigl": (Momentum(0.05, nesterov=True), Decay(0.1)),
}


@pytest.mark.parametrize("name", EDITS)
def test_moments_of_what_changes_begin_anew_and_those_of_the_rest_go_on(name):
    edit, (optimiser, decay) = EDITS[name], OPTIMISERS[name]
    mask = random_mask(1.0) if isinstance(edit, Pruning) else SPARSE
    run = sparse_run(edit, mask=mask, optimiser=optimiser, decay=decay)
    event = edit.steps(40, 29)[1]
    still, moved = Driven(run), Driven(run)
    del still.plan[event]  # the same program up to the event, without it
    (before, _, _, old), (after, _, _, new) = still.to(event).state(), moved.to(event).state()
    tree = run.space.mask
    for then, now in zip(moments(old, tree), moments(new, tree), strict=True):
        for path, flags in after.items():
            changed = before[path] != flags
            assert (now[path][changed] == 0).all()
            np.testing.assert_array_equal(now[path][~changed], then[path][~changed])
            assert (now[path][~flags] == 0).all()
    assert sum((before[path] != after[path]).sum() for path in KERNELS) > 0


def moments(opt, like):
    """The parts of an optimiser's state that look like the weights."""
    structure = jax.tree.structure(like)
    found = jax.tree.leaves(opt, is_leaf=lambda node: jax.tree.structure(node) == structure)
    return [flat_dict(part) for part in found if jax.tree.structure(part) == structure]


@each_edit
def test_bits_do_not_depend_on_where_stretches_end(edit, trained):
    cut = Driven(sparse_run(edit)).to(3).to(11).to(40, cuts=(12, 13, 29, 33))
    same(cut.state(), trained(edit).state())


def same(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@each_edit
def test_a_restart_goes_on_as_if_nothing_had_happened(edit, trained):
    driven = Driven(sparse_run(edit)).to(10)
    carry = jax.device_get(driven.carry)
    other = Driven(sparse_run(edit))
    other.carry, other.t = other.block.put(carry), 10
    same(other.to(40).state(), trained(edit).state())


@each_edit
def test_runs_side_by_side_are_each_their_own(edit):
    runs = [sparse_run(edit, seed=seed) for seed in (0, 1)]
    devices = min(2, jax.local_device_count())
    together = Driven(*runs, lanes=2 // devices, devices=devices).to(40)
    for lane, run in enumerate(runs):
        mask, weights, *_ = together.state(lane)
        alone, expected, *_ = Driven(run).to(40).state()  # compiled for `trained` already
        for path in mask:
            np.testing.assert_array_equal(mask[path], alone[path])
            np.testing.assert_allclose(weights[path], expected[path], rtol=1e-4, atol=1e-6)


@each_edit
def test_a_run_that_broke_is_left_as_it_was_found(edit):
    driven = Driven(sparse_run(edit, optimiser=Momentum(1e30))).to(40)
    assert driven.lane(driven.carry.bad_step) >= 0
    assert driven.lane(driven.carry.bad_step) < first_event(driven.runs[0], edit)
    mask, *_ = driven.state()
    for path, flags in flat_dict(SPARSE).items():
        np.testing.assert_array_equal(mask[path], flags)
    for step in edit.steps(40, 29):
        assert all(np.isnan(value).all() for value in driven.records[step].values())


@each_edit
def test_before_its_first_step_an_edit_changes_nothing(edit):
    run, plain = sparse_run(edit), sparse_run()
    event = first_event(run, edit)
    mask, weights, *_ = Driven(run).to(event - 1).state()
    unmasked, expected, *_ = Driven(plain).to(event - 1).state()
    same((mask, weights), (unmasked, expected))


@each_edit
def test_edits_are_part_of_the_identity(edit):
    assert sparse_run(edit).digest != sparse_run().digest
    same_edit = type(edit)(**{name: getattr(edit, name) for name in edit.__dataclass_fields__})
    assert sparse_run(edit).digest == sparse_run(same_edit).digest


@each_edit
def test_a_full_mask_is_pruned_or_left(edit):
    mask, *_ = Driven(sparse_run(edit, mask=random_mask(1.0))).to(40).state()
    sizes = [mask[path].size for path in KERNELS]
    if edit == EDITS["gradual global"]:
        assert sum(int(mask[path].sum()) for path in KERNELS) == round(0.1 * sum(sizes))
        return
    shares = [0.1, 0.2, 1.0] if edit == EDITS["gradual layers"] else [0.1] * 3
    if not isinstance(edit, Pruning):  # what is exchanged of a full layer is what it had
        shares = [1.0] * 3
    kept = [round(share * size) for share, size in zip(shares, sizes, strict=True)]
    assert [int(mask[path].sum()) for path in KERNELS] == kept
