"""Tickets: what trains, what rests, and what both actions make of a start."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import block_of, flat
from weightspace import tree
from weightspace.derived.restart import Restart
from weightspace.errors import InputError
from weightspace.masks.kept import (
    Reinit,
    Reshuffle,
    Rewind,
    Shrunk,
    ShuffledConstant,
    SignedConstant,
    SignedReinit,
    SignedReshuffle,
)
from weightspace.masks.prune import full_mask, prune
from weightspace.masks.pruned import AtInit, Interpolated, Zero, ZeroGrown, ZeroShrunk, ZeroShuffled
from weightspace.probes import Snapshot
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.length import Length
from weightspace.recipes.optimisers import Adam, Momentum, Sgd
from weightspace.run import Run
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.compose import Compose
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.streams import Keys, Seeds, Stream, key
from weightspace.training.step import gradient, layout_of_run, update

RUN = small_run(0, model="fc:widths=8")
LAYOUT = layout_of_run(RUN)
SHAPE = tuple(RUN.task.data.shape)
BLANK = jnp.zeros((1, *SHAPE))
SEEDS = Seeds(0)


def sample(keys):
    return RUN.model.init(keys(Stream.INIT), BLANK)[0]


START = sample(Keys(Seeds(0)))
AFTER = jax.tree.map(lambda a, b: 0.6 * a + 0.8 * b, START, sample(Keys(Seeds(1))))
MASK = jax.tree.map(
    jnp.asarray,
    prune(START, AFTER, None, None, LAYOUT, "large_final", key=key(Seeds(0), Stream.MASK), power=3),
)
KEPT = (
    *(Rewind(), Reinit(), Reshuffle(), ShuffledConstant(0.1)),
    *(SignedReinit(draw="fresh"), SignedReshuffle(), SignedConstant(rescaled=True), Shrunk(AFTER)),
)
PRUNED = (
    Zero(),
    AtInit(),
    ZeroShrunk(AFTER),
    ZeroShuffled(AFTER),
    ZeroGrown(AFTER),
    Interpolated(AFTER, 0.5),
)
PAIRS = [(k, p) for k, p in itertools.product(KEPT, PRUNED)]


def acted(kept=KEPT[0], pruned=PRUNED[0], *, mask=MASK, weights=START, seeds=SEEDS, earlier=0):
    """The ticket of two actions, with its arrays, and what the next round works on."""
    node = Restart(RUN.model, SHAPE, mask, weights, seeds, kept, pruned, earlier)
    made = node.compute()
    return Masked(mask, **made), made["start"]


def ticket(*actions, **given):
    return acted(*actions, **given)[0]


def begin(space, seed=0):
    return space.init(Keys(Seeds(seed)), sample, LAYOUT)


def at_start(space, seed=0):
    return space.weights(*begin(space, seed), ())


def parts(weights, mask=MASK):
    """Kept and pruned entries, as vectors."""
    flags = flat(mask)
    return flat(weights)[flags], flat(weights)[~flags]


def after_training(run):
    """Weights at the start and at the end; coordinates and the optimiser's state at the end."""
    block, placed = block_of([run], (Snapshot("end"),), 1, 1)
    feed = block.feed(run)
    frame, carry = block.start(placed, feed)
    first = run.space.weights(*alone((frame.fixed, carry.theta)), ())
    carry, _ = block.advance(placed, feed, frame, carry, 0, [30], [[True] * len(block.key.groups)])
    outputs, bad = block.finish(placed, feed, frame, carry, 30)
    assert alone(bad) == -1
    return first, alone(outputs[0]["weights"]), alone((carry.theta, carry.opt))


def alone(stacked):
    """The first run of a block."""
    return jax.tree.map(lambda a: np.asarray(a)[0], stacked)


@pytest.mark.parametrize(
    ("optimiser", "decoupled", "space"),
    [
        (Momentum(0.1), False, ticket(Shrunk(AFTER), ZeroShrunk(AFTER))),
        (Adam(0.01), False, ticket(Rewind(), AtInit())),
        (Adam(0.01), True, ticket(Reshuffle(), Interpolated(AFTER))),
    ],
    ids=lambda x: "ticket" if isinstance(x, Masked) else str(getattr(x, "name", x)),
)
def test_pruned_weights_rest_bit_for_bit_and_gather_no_moments(optimiser, decoupled, space):
    decay = Decay(0.1, decoupled=decoupled)
    recipe = Recipe(optimiser, "30it", batch=64, decay=decay, clip=1.0)
    first, last, (theta, opt) = after_training(small_run(0, model="fc:widths=8", space=space, recipe=recipe))
    (kept_first, rest_first), (kept_last, rest_last) = parts(first), parts(last)
    np.testing.assert_array_equal(rest_first, rest_last)
    assert np.any(rest_first != 0)
    assert not np.any(parts(theta)[1])
    assert np.mean(kept_first != kept_last) > 0.7
    moments = [m for m in jax.tree.leaves(opt, is_leaf=lambda x: isinstance(x, dict)) if isinstance(m, dict)]
    assert len(moments) == (2 if isinstance(optimiser, Adam) else 1)
    for moment in moments:
        trained, rested = parts(moment)
        assert not np.any(rested)
        assert np.mean(trained != 0) > 0.7


def step_of(space):
    """One step of the training program: loss, gradient and update for coordinates of a space."""
    run = small_run(0, model="fc:widths=8", space=space, recipe=Recipe(Sgd(0.1), "1it", batch=8))
    run = jax.tree.map(lambda x: jnp.int32(1) if isinstance(x, Length) else x, run)
    arrays = run.task.data.arrays()
    x = run.task.data.decode(arrays, jnp.asarray(arrays.train.x)[:8], jnp.dtype("float32"))
    batch = (x, jnp.asarray(arrays.train.y)[:8], jnp.ones(8))

    @jax.jit
    def step(fixed, theta):
        found = gradient(run, fixed, theta, {}, batch, jnp.int32(0))
        opt = run.recipe.optimiser.direction().init(theta)
        free = space.free(fixed, theta)
        return found.loss, found.theta, update(run, free, theta, opt, found.theta, jnp.int32(0), 1)[0]

    return step


# Reading the weights does not depend on the actions, so that one program serves all pairs.
STEP = step_of(Masked(MASK))


@pytest.mark.parametrize(("kept", "pruned"), PAIRS, ids=lambda action: action.name)
def test_every_pair_of_actions_takes_a_step(kept, pruned):
    """The loss is finite, and pruned weights have no gradient and do not move."""
    loss, slope, moved = STEP(*begin(ticket(kept, pruned)))
    assert np.isfinite(loss)
    assert np.all(np.isfinite(flat(slope)))
    assert not np.any(parts(slope)[1])
    assert not np.any(parts(moved)[1])
    assert np.any(parts(moved)[0])


def test_a_full_mask_is_the_dense_network():
    masked = ticket(Rewind(), AtInit(), mask=full_mask(START))
    assert tree.equal(at_start(masked), START)
    ours, dense = (step_of(space)(*begin(space)) for space in (masked, Full()))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, dense)


def test_the_two_actions_are_independent():
    for kept, pruned in itertools.product(KEPT[:4], PRUNED):
        weights = at_start(ticket(kept, pruned))
        np.testing.assert_array_equal(parts(weights)[0], parts(at_start(ticket(kept)))[0])
        np.testing.assert_array_equal(parts(weights)[1], parts(at_start(ticket(pruned=pruned)))[1])


def test_the_ticket_is_the_masked_start():
    np.testing.assert_array_equal(flat(at_start(Masked(MASK))), flat(START) * flat(MASK))
    assert tree.equal(at_start(Masked(MASK)), at_start(ticket()))


def test_pruned_coordinates_are_zero_and_what_moves_is_the_mask():
    space = Masked(MASK, frozen=START)
    fixed, theta = begin(space)
    assert not np.any(parts(theta)[1])
    assert np.any(parts(space.weights(fixed, theta, ()))[1])
    assert tree.equal(space.free(fixed, theta), MASK)


def test_actions_work_on_the_given_start():
    start = sample(Keys(Seeds(8)))
    weights = at_start(ticket(Reshuffle(), AtInit(), weights=start))
    np.testing.assert_array_equal(parts(weights)[1], parts(start)[1])
    np.testing.assert_array_equal(*(np.sort(parts(t)[0]) for t in (weights, start)))


def test_seeds_of_the_mask_stream_alone_move_the_permutations():
    kinds = (Reinit(), Reinit(draw="fresh"), Rewind())
    same = [tree.equal(*(acted(k, seeds=Seeds(0, mask=m))[1] for m in (0, 1))) for k in kinds]
    assert same == [False, True, True]
    fresh = tree.flat_dict(at_start(ticket(Reinit(draw="fresh"), mask=full_mask(START))))
    for path in LAYOUT.paths("kernel"):
        assert abs(np.corrcoef(np.ravel(fresh[path]), np.ravel(tree.flat_dict(START)[path]))[0, 1]) < 0.3


def test_rounds_that_build_on_each_other_lose_nothing_behind_the_mask():
    """Under zeros the next permutation is over all entries of the last one, else over what is there."""
    first, onward = acted(Reinit())
    np.testing.assert_array_equal(np.sort(flat(onward)), np.sort(flat(START)))
    np.testing.assert_array_equal(parts(onward)[0], parts(at_start(first))[0])
    _, second = acted(Reinit(), weights=onward, seeds=Seeds(0, mask=1))
    np.testing.assert_array_equal(np.sort(flat(second)), np.sort(flat(START)))
    assert not tree.equal(second, onward)
    held, onward = acted(Reinit(), ZeroGrown(AFTER))
    assert tree.equal(onward, at_start(held))


@pytest.mark.parametrize("pruned", [ZeroShrunk, ZeroGrown, ZeroShuffled, AtInit], ids=lambda cls: cls.label)
def test_what_a_round_froze_stays_in_the_next(pruned):
    """The last run's start and end agree at pruned weights, so they have neither shrunk nor grown."""
    options = () if pruned is AtInit else (AFTER,)
    space, onward = acted(pruned=pruned(*options))
    start = at_start(space)
    end = jax.tree.map(lambda w, m: jnp.where(m, 2 * w, w), start, MASK)
    smaller = jax.tree.map(
        jnp.asarray,
        prune(start, end, None, MASK, LAYOUT, "large_final", key=key(Seeds(0), Stream.MASK)),
    )
    last = (MASK,) if pruned is ZeroShuffled else ()
    after = ticket(pruned=pruned(end, *last) if options else pruned(), mask=smaller, weights=onward)
    np.testing.assert_array_equal(parts(at_start(after))[1], parts(start)[1])


def test_the_control_has_as_many_zeros_in_every_round():
    """Weights that training moves at random, over four rounds: both variants draw from the same ones."""
    zeros: dict[type, list[int]] = {ZeroShrunk: [], ZeroShuffled: []}
    for pruned, found in zeros.items():
        start, last = START, None
        mask = jax.tree.map(lambda w: jnp.ones(w.shape, bool), START)
        for number in range(4):
            draw = np.random.default_rng(number)
            end = jax.tree.map(
                lambda w, m, draw=draw: jnp.where(m, w * (draw.random(w.shape) + 0.5).astype("f"), w),
                start,
                mask,
            )
            last, mask = mask, jax.tree.map(
                lambda w, m, draw=draw: m & jnp.asarray(draw.random(w.shape) < 0.6), start, mask
            )  # fmt: skip
            own = {"last": last} if pruned is ZeroShuffled else {}
            before = start
            _, start = acted(pruned=pruned(end, **own), mask=mask, weights=start, earlier=number)
            kernels = [tree.flat_dict(part)["hidden/0/kernel"] for part in (mask, last, before, start)]
            kept, kept_before, was, now = map(np.asarray, kernels)
            np.testing.assert_array_equal(now[~kept_before], was[~kept_before])
            found.append(int(np.sum(now[~kept] == 0)))
    assert zeros[ZeroShuffled] == zeros[ZeroShrunk]
    assert len(set(zeros[ZeroShrunk])) == 4


def test_scaling_the_layers_leaves_the_accuracy_of_a_fixed_mask_alone():
    """ReLU and zero biases: a positive factor a layer scales the outputs, and their order stays."""
    assert not any(np.any(w) for path, w in tree.flat_dict(START).items() if path.endswith("bias"))
    data = RUN.task.data
    arrays = data.arrays()
    x = data.decode(arrays, jnp.asarray(arrays.test.x), jnp.dtype("float32"))
    spaces = [
        ticket(SignedConstant()),
        ticket(SignedConstant(0.01)),
        ticket(SignedConstant(3.0)),
        ticket(SignedConstant(rescaled=True)),
    ]
    outputs = [
        np.asarray(RUN.model.apply(at_start(s), {}, x, train=False, key=key(Seeds(0), Stream.DROPOUT))[0])
        for s in spaces
    ]
    for other in outputs[1:]:
        factor = np.linalg.norm(other) / np.linalg.norm(outputs[0])
        assert abs(factor - 1) > 0.1
        np.testing.assert_allclose(other, factor * outputs[0], atol=1e-4 * np.abs(other).max())
        gap = np.diff(np.sort(outputs[0], axis=1)[:, -2:], axis=1)[:, 0]
        clear = gap > 1e-4 * np.abs(outputs[0]).max()
        assert clear.mean() > 0.8
        np.testing.assert_array_equal(np.argmax(other, 1)[clear], np.argmax(outputs[0], 1)[clear])


def test_a_ticket_lies_inside_a_subspace_and_a_subspace_inside_a_ticket():
    inside = Compose(Affine(Gaussian(6), spread=0.1), Masked(jnp.asarray([True, False] * 3)))
    fixed, theta = begin(inside)
    assert np.count_nonzero(theta) == 3
    around = Compose(Masked(MASK, START, START), Affine(Gaussian(6), spread=0.1))
    fixed, theta = begin(around)
    moved = around.weights(fixed, theta + 1, ((), ()))
    np.testing.assert_array_equal(parts(moved)[1], parts(START)[1])
    assert np.all(parts(moved)[0] != parts(START)[0])
    inside.check(LAYOUT)
    around.check(LAYOUT)


def test_outputs_of_other_nodes_stand_for_masks_and_weights():
    dense = small_run(0, model="fc:widths=8")
    space = Masked(dense.at(0), dense.final(), frozen=dense.at(0))
    space.check(LAYOUT)
    run = small_run(0, model="fc:widths=8", space=space)
    assert isinstance(run, Run)
    assert run.parents == (dense,)
    assert space.name == "masked"


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (Masked(None), "needs a mask"),
        (
            Masked({"hidden": jnp.ones((3,), bool)}),
            "the mask belongs to another architecture: it has no leaf",
        ),
        (Masked(START), "of the mask holds float32, but must hold booleans"),
        (Masked(MASK, start=MASK["output"]), "the start belongs to another architecture"),
        (Masked(MASK, frozen=MASK["output"]), "what is frozen belongs to another architecture"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(space, text):
    with pytest.raises(InputError, match=text):
        space.check(LAYOUT)


@pytest.mark.parametrize("given", [{"start": Reinit()}, {"frozen": AtInit()}, {"start": "reinit"}])
def test_actions_are_no_weights(given):
    """They were fields of this space once: what carries them out is named."""
    (name,) = given
    with pytest.raises(InputError, match=rf"Masked\.{name} is .*ws\.ticket\(run, mask"):
        Masked(MASK, **given)
