"""Each edit against its paper: the ramp, the counts, and the choice itself in a plain loop."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.edits.runs import KERNELS, SPARSE, Driven, random_mask, sparse_run
from weightspace.data.base import Data
from weightspace.data.sources.arrays import from_arrays
from weightspace.data.task import Task
from weightspace.edits.base import Changed, Edit
from weightspace.edits.exchange import RigL, Set
from weightspace.edits.gradual import Gradual
from weightspace.errors import InputError
from weightspace.models.adapters import from_function
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.length import Length
from weightspace.recipes.losses import SquaredError
from weightspace.recipes.optimisers import Adam
from weightspace.run import Row, Run, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.compose import Compose
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.spec import common, spec
from weightspace.store.base import Store
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.requests import Request, check_run
from weightspace.training.carry import fixed_of
from weightspace.training.step import gradient
from weightspace.tree import flat_dict


def resolved(edit, total=40, per_epoch=29):
    """An edit as compiled code has it: lengths are steps."""
    lengths = {name: value for name, value in vars(edit).items() if isinstance(value, Length)}
    found = dataclasses.replace(edit)
    for name, value in lengths.items():
        object.__setattr__(found, name, jnp.int32(value.steps(per_epoch, total)))
    return found


def test_the_ramp_is_that_of_zhu_and_gupta():
    edit = Gradual(0.9, initial=0.2, every="10it", begin="20it", until="80it")
    assert edit.steps(100, 50) == (20, 30, 40, 50, 60, 70, 80)
    for t in range(101):
        s = 0.9 + (0.2 - 0.9) * (1 - (min(max(t, 20), 80) - 20) / 60) ** 3
        (found,) = resolved(edit, 100, 50).targets(jnp.int32(t), jnp.int32(100))
        assert float(found) == pytest.approx(s, abs=1e-6)


@pytest.mark.parametrize("until", ["75%", "33it", "end"])
def test_the_final_sparsity_is_reached_also_between_two_events(until):
    mask, *_ = (
        Driven(sparse_run(Gradual(0.8, every="7it", until=until), mask=random_mask(1.0))).to(40).state()
    )
    for path in KERNELS:
        assert mask[path].sum() == round(0.2 * mask[path].size)


def test_layers_by_themselves_are_cut_alike_and_together_by_magnitude():
    full = random_mask(1.0)
    before = Driven(sparse_run(mask=full)).to(30).state()[1]
    for scope in ("layer", "global"):
        edit = Gradual(0.8, every="30it", until="30it", scope=scope)
        mask = Driven(sparse_run(edit, mask=full)).to(30).state()[0]
        sizes = np.concatenate([np.abs(before[path]).ravel() for path in KERNELS])
        for path in KERNELS:
            pool = sizes if scope == "global" else np.abs(before[path]).ravel()
            least = np.sort(pool)[::-1][round(0.2 * pool.size) - 1]
            np.testing.assert_array_equal(mask[path], np.abs(before[path]) >= least)


def test_the_share_exchanged_falls_along_a_cosine_to_nothing_at_the_end():
    edit = resolved(RigL(0.3, every="10it", until="75%"), 100, 50)
    shares = [float(edit.part(jnp.int32(t), jnp.int32(100))) for t in (0, 25, 50, 75)]
    np.testing.assert_allclose(shares, [0.3, 0.225, 0.075, 0], atol=1e-7)
    assert RigL(0.3, every="10it").steps(100, 50) == (10, 20, 30, 40, 50, 60, 70)


@pytest.mark.parametrize("edit", [RigL(0.4, every="5it"), Set(0.4, every="5it")], ids=["rigl", "set"])
def test_every_layer_keeps_its_number_of_weights(edit):
    mask, *_ = Driven(sparse_run(edit)).to(40).state()
    for path in KERNELS:
        assert mask[path].sum() == flat_dict(SPARSE)[path].sum()


def test_rigl_drops_the_smallest_and_grows_where_a_plain_gradient_is_largest():
    run = sparse_run(RigL(0.4, every="5it"))
    still, moved = Driven(run), Driven(run)
    still.plan = {}
    mask, weights, theta, _ = still.to(5).state()
    new = moved.to(5).state()[0]
    found = plain_gradient(run, still)
    part = 0.2 * (1 + np.cos(np.pi * 5 / 30))
    for path in KERNELS:
        on = mask[path].ravel()
        k = int(np.floor(np.float32(part) * on.sum()))
        size, slope = np.abs(weights[path]).ravel(), np.abs(found[path]).ravel()
        order = np.argsort(np.where(on, size, np.inf), kind="stable")
        dropped = order[:k]
        stay = on.copy()
        stay[dropped] = False
        grown = np.argsort(np.where(stay, -np.inf, slope), kind="stable")[::-1][:k]
        stay[grown] = True
        np.testing.assert_array_equal(new[path].ravel(), stay)
        again = np.isin(dropped, grown)
        np.testing.assert_array_equal(
            moved.state()[2][path].ravel()[dropped[again]], theta[path].ravel()[dropped[again]]
        )


def plain_gradient(run, driven):
    """∂L/∂w of the batch of the next step, by hand: order, batch and loss of that step."""
    from weightspace.training.order import batch_at, epoch_order

    fixed, theta, state = driven.lane(
        (fixed_of(driven.frame, driven.carry), driven.carry.theta, driven.carry.state)
    )
    data = run.task.data
    order = epoch_order(run.seeds, jnp.int32(0), data.size, None)
    rows, shares = batch_at(order, jnp.int32(driven.t), 64, "short")
    arrays = data.arrays()
    x = data.decode(jax.tree.map(jnp.asarray, arrays), jnp.asarray(arrays.train.x)[rows], jnp.float32)
    y = jnp.asarray(arrays.train.y)[rows]
    found = gradient(run, fixed, theta, state, (x, y, shares), jnp.int32(driven.t))
    return {path: np.asarray(leaf) for path, leaf in flat_dict(found.weights).items()}


def test_grown_weights_start_at_zero_or_where_a_new_draw_puts_them():
    for edit in (Set(0.4, every="5it"), Set(0.4, every="5it", grown="random")):
        run = sparse_run(edit)
        before = flat_dict(SPARSE)
        mask, weights, *_ = Driven(run).to(5).state()
        for path in KERNELS:
            grown = mask[path] & ~np.asarray(before[path])
            assert grown.any()
            assert (weights[path][grown] == 0).all() == (edit.grown == "zero")


def test_a_ticket_inside_a_subspace_is_exchanged_too():
    run = sparse_run(RigL(0.4, every="5it"), space=Compose(Masked(SPARSE), Affine(Gaussian(20))))
    driven = Driven(run).to(40)
    mask, weights, *_ = driven.state()
    assert any((mask[path] != np.asarray(flat_dict(SPARSE)[path])).any() for path in KERNELS)
    assert all((weights[path][~mask[path]] == 0).all() for path in KERNELS)


@spec
class Reset(Edit):
    """Puts all coordinates to a constant, as an edit of one's own may."""

    value: float
    at: int = common(default=5)

    def steps(self, total, per_epoch):
        return (int(self.at),)

    def act(self, carry, now, key):
        theta = jax.tree.map(lambda leaf: jnp.full_like(leaf, self.value), now.weights)
        everywhere = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), now.weights)
        return carry, Changed(theta=theta, fresh=everywhere, record={"value": jnp.asarray(self.value)})


def test_an_edit_of_ones_own_may_change_coordinates():
    driven = Driven(sparse_run(Reset(0.5), space=Full()))
    driven.to(5)
    carry = driven.lane(driven.carry)
    assert all((leaf == 0.5).all() for leaf in jax.tree.leaves(carry.theta))
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(carry.opt))
    assert driven.lane(driven.records[5])["mask_value"] == 0.5


def test_sparsities_and_shares_are_swept_by_one_program_and_recorded_at_each_event(tmp_path):
    values = (0.5, 0.8)
    rows = [
        Row({"sparsity": s}, sparse_run(Gradual(s, every="10it", scope="global"), mask=random_mask(1.0)))
        for s in values
    ]
    table = sweep(rows, tmp_path)
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 1
    size = sum(flat_dict(SPARSE)[path].size for path in KERNELS)
    for s, density in zip(table["sparsity"], table["mask_density"], strict=True):
        assert density == pytest.approx(round((1 - s) * size) / size, rel=1e-6)
    assert table["test_accuracy"].notna().all()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: sparse_run(RigL(), space=Full()), "changes a mask, but the run trains in 'full'"),
        (
            lambda: sparse_run(Gradual(0.9, every="5it"), space=Masked(SPARSE, frozen=SPARSE)),
            "takes no other one; train in Masked.mask., whose pruned weights are zero",
        ),
        (lambda: sparse_run(RigL(every="50it")), "never acts in a run of 40 steps"),
        (lambda: sparse_run(Gradual(0.5, until="50it")), "ends after a run of 40 steps"),
        (lambda: sparse_run(Set(0.3, every="0it")), "every"),
        (
            lambda: sparse_run(
                Set(every="5it", grown="random"), space=Compose(Masked(SPARSE), Affine(Gaussian(4)))
            ),
            "grown is 'random'",
        ),
    ],
)
def test_what_cannot_act_is_refused_before_anything_is_traced(run, message):
    with pytest.raises(InputError, match=message):
        check_run(Request(run()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gradual(90), "share of zeros"),
        (lambda: Gradual(0.5, initial=0.7), "above the final one"),
        (lambda: Gradual(0.5, scope="globl"), "did you mean 'global'"),
        (lambda: RigL(0.0), "share"),
        (lambda: Set(decay="cos"), "cosine"),
        (lambda: RigL(every="120%"), "at most 100%"),
    ],
)
def test_wrong_values_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def level_init(key, x):
    return {"w": jnp.full((1, 1), 1e7)}


def level(p, x):
    return x @ p["w"]


@pytest.mark.filterwarnings("ignore::weightspace.errors.NoResultWarning")
@pytest.mark.usefixtures("cache_apart")
def test_where_a_run_broke_is_found_though_edits_lie_on_the_way(tmp_path):
    """The square of the gradient, 2e23, overflows only where an edit has put the weight to zero."""
    x, y = np.full((40, 1), 1e8, np.float32), np.full(40, 1e15, np.float32)
    task = Task(Data(from_arrays(x, y, x, y), normalise="none"), SquaredError())
    recipe = Recipe(Adam(0.0), "50it", batch=20)
    run = Run(from_function(level_init, level), task, Full(), recipe, Seeds(0), edits=(Reset(0.0, at=33),))
    sweep([Row({"place": 0}, run, Watch("end", (Evaluation(("test",)),)))], tmp_path)
    record = Store(tmp_path).record(run.digest)
    assert (record.status, record.error) == ("diverged", "optimiser's moments square/w not finite at step 33")


def test_an_edit_of_ones_own_cannot_say_where_weights_start_that_coordinates_place():
    space = Compose(Masked(SPARSE), Affine(Gaussian(4)))
    with pytest.raises(InputError, match="weights that come are where its coordinates put them"):
        space.remasked(((), ()), jnp.zeros(4), SPARSE, SPARSE)
