"""What a ticket's actions make of weights: where its training starts, and what the next round works on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weightspace as ws
from tests.builders import small_run
from tests.derived.test_prune import AFTER, BEFORE, MODEL, SHAPE, made
from weightspace import tree
from weightspace.derived.restart import Restart, Zeros
from weightspace.errors import InputError
from weightspace.masks.kept import Reinit, Rewind, Shrunk, make_kept
from weightspace.masks.pruned import AtInit, Zero, ZeroGrown, ZeroShuffled, make_pruned
from weightspace.models.base import layout_of
from weightspace.node import Output, fill, outputs_in
from weightspace.run import Run
from weightspace.spaces.masked import Masked
from weightspace.streams import Keys, Seeds, Stream, named

MASK = made()["mask"]
LAYOUT = layout_of(MODEL, SHAPE, "float32")
KEPT = {
    name: make_kept(name)
    for name in ("rewind", "rewind:rescaled=true", "reinit", "reshuffle", "constant", "signed_constant")
}
PRUNED = {name: make_pruned(name, {"after": AFTER}) for name in ("zero", "at_init", "zero_shrunk")}


def restart(kept=KEPT["rewind"], pruned=PRUNED["zero"], weights=BEFORE, seed=0, earlier=0):
    return Restart(MODEL, SHAPE, MASK, weights, Seeds(seed), kept, pruned, earlier)


def sample(keys):
    return MODEL.init(keys(Stream.INIT), jnp.zeros((1, *SHAPE), jnp.float32))[0]


def begun(space, seed=0):
    """What training starts from; outputs of derived values are computed."""
    made = {}
    for output in outputs_in(space):
        made[output] = output.of.compute()[output.name]
    space = fill(space, made)
    return space.weights(*space.init(Keys(Seeds(seed)), sample, LAYOUT), ())


def by_leaf(kept, pruned, keys):
    """Both actions, leaf by leaf, from their own methods: keys are children 0 and 1 of the mask's stream."""
    mask, after, found = (tree.flat_dict(t) for t in (MASK, AFTER, BEFORE))
    kernels = set(LAYOUT.paths("kernel"))
    for path, w in found.items():
        flags, w = jnp.asarray(mask[path]), jnp.asarray(w)
        salts = (named(keys.child(part)(Stream.MASK), path) for part in (0, 1))
        first, second = next(salts), next(salts)
        restarted = w
        if path in kernels:
            restarted = kept.restart(w, flags, w, first)
            if kept.rescaled:
                restarted = restarted * jnp.float32(flags.size / int(flags.sum()))
        held = pruned.frozen(w, flags, jnp.asarray(after[path]), second)
        found[path] = jnp.where(flags, restarted, held)
    return found


@pytest.mark.parametrize("pruned", PRUNED)
@pytest.mark.parametrize("kept", KEPT)
def test_a_ticket_starts_from_what_its_actions_give(kept, pruned):
    space = restart(KEPT[kept], PRUNED[pruned]).space
    found = tree.flat_dict(begun(space))
    for path, expected in by_leaf(KEPT[kept], PRUNED[pruned], Keys(Seeds(0))).items():
        np.testing.assert_array_equal(found[path], expected)


@pytest.mark.parametrize("pruned", PRUNED)
@pytest.mark.parametrize("kept", KEPT)
def test_where_pruned_weights_rest_the_next_round_works_on_what_training_began_with(kept, pruned):
    """But under zeros on what the action on kept weights gives to all entries."""
    node = restart(KEPT[kept], PRUNED[pruned])
    onward = node.onward.of.compute()["start"] if isinstance(node.onward, Output) else node.onward
    first = begun(node.space)
    jax.tree.map(lambda m, a, b: np.testing.assert_array_equal(a[m], b[m]), MASK, onward, first)
    if pruned != "zero":
        assert tree.equal(onward, first)


def test_what_is_at_hand_is_not_stored_again():
    """Rewinding and zeros, or freezing at the start: neither makes a tree of its own for each ticket."""
    dense = small_run(0)
    start, mask = dense.at(0), dense.final()
    node = Restart(dense.model, (64,), mask, start, Seeds(0))
    assert node.space == Masked(mask, start, Zeros(start).output("weights"))
    held = Restart(dense.model, (64,), mask, start, Seeds(0), Rewind(), AtInit())
    assert held.space == Masked(mask, start, start)
    assert (node.onward, held.onward) == (start, start)
    grown = Restart(dense.model, (64,), mask, start, Seeds(0), Rewind(), ZeroGrown(dense.final()))
    assert grown.space == Masked(mask, start, grown.output("frozen"))
    assert grown.onward == grown.output("start")


def test_where_pruned_weights_are_zero_the_next_round_still_has_their_values():
    assert tree.equal(restart().compute()["start"], BEFORE)
    signed = restart(KEPT["signed_constant"]).compute()["start"]["output"]["kernel"]
    size = np.std(BEFORE["output"]["kernel"])
    np.testing.assert_allclose(signed, size * np.sign(BEFORE["output"]["kernel"]), rtol=1e-5)


def test_a_permutation_that_builds_on_itself_keeps_the_numbers():
    """Twice permuted, all entries are still those of the first weights."""
    once = restart(KEPT["reinit"]).compute()["start"]
    twice = restart(KEPT["reinit"], weights=once, earlier=1).compute()["start"]
    first, last = (np.sort(w["hidden"]["0"]["kernel"], axis=None) for w in (BEFORE, twice))
    np.testing.assert_array_equal(first, last)
    assert not tree.equal(once, twice)


@pytest.mark.parametrize("kept", ["reinit", "reinit:draw=fresh", "reshuffle", "constant"])
def test_permutations_and_draws_fall_anew_in_each_round(kept):
    first, again, second = (restart(make_kept(kept), earlier=n).compute()["start"] for n in (0, 0, 1))
    assert tree.equal(first, again)
    assert not tree.equal(first, second)


def test_a_new_draw_is_the_model_s_own_and_independent_of_the_start():
    found = restart(Reinit(draw="fresh")).compute()["start"]
    expected = sample(Keys(Seeds(0)).child(2))
    for path in LAYOUT.paths("kernel"):
        np.testing.assert_array_equal(tree.flat_dict(found)[path], tree.flat_dict(expected)[path])
    assert not tree.equal(expected, sample(Keys(Seeds(0))))


def test_double_precision_is_kept():
    """Also of a new draw, which is made in float32 whatever the precision."""
    wide = jax.tree.map(lambda w: w.astype(np.float64) + 1e-12, BEFORE)
    for name in ("rewind:rescaled=true", "reshuffle", "reinit:draw=fresh"):
        found = restart(make_kept(name), AtInit(), weights=wide).compute()
        assert {np.asarray(leaf).dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float64")}
        assert tree.equal(found["frozen"], wide)


def test_blanks_have_the_weights_shapes():
    for node in (restart(), restart(pruned=AtInit()), Zeros(BEFORE)):
        blank, full = node.blank(), node.compute()
        assert jax.tree.structure(blank) == jax.tree.structure(full)
        assert [(b.shape, b.dtype) for b in jax.tree.leaves(blank)] == [
            (f.shape, f.dtype) for f in jax.tree.leaves(full)
        ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"weights": {"hidden": np.ones(3, np.float32)}}, "the start belongs to another architecture"),
        ({"pruned": ZeroGrown(MASK["output"])}, "`after` of the action 'zero_grown' belongs to"),
        ({"kept": Shrunk(MASK["output"])}, "`after` of the action 'shrunk' belongs to"),
        ({"pruned": ZeroShuffled(AFTER, BEFORE)}, "of the last mask holds float32, but must hold booleans"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(changes, text):
    with pytest.raises(InputError, match=text):
        restart(**changes).compute()


def test_nothing_is_no_mask():
    with pytest.raises(InputError, match=r"Restart\.mask is None"):
        Restart(MODEL, SHAPE, None, BEFORE, Seeds(0))
    with pytest.raises(InputError, match=r"Restart\.weights is None"):
        Restart(MODEL, SHAPE, MASK, None, Seeds(0))


class TestTicket:
    """`ws.ticket`: the space, from a run and names."""

    dense = small_run(3)
    mask = dense.final()  # as good as any output

    def test_a_lottery_ticket_rewinds_and_zeroes(self):
        space = ws.ticket(self.dense, self.mask)
        assert space == Masked(self.mask, self.dense.at(0), Zeros(self.dense.at(0)).output("weights"))
        assert isinstance(Run(self.dense.model, self.dense.task, space, self.dense.recipe, Seeds(3)), Run)

    def test_actions_by_name_take_what_they_need(self):
        space = ws.ticket(self.dense, self.mask, kept="shrunk", pruned="zero-shuffled", last=self.mask)
        node = space.frozen.of
        assert (node.kept, node.pruned) == (
            Shrunk(self.dense.final()),
            ZeroShuffled(self.dense.final(), self.mask),
        )
        assert (node.seeds, node.weights) == (self.dense.seeds, self.dense.at(0))
        late = ws.ticket(
            self.dense, self.mask, kept="reinit:draw=fresh", start=self.dense.at("2it"), earlier=4
        ).start.of
        assert (late.kept, late.pruned, late.weights, late.earlier) == (
            Reinit(draw="fresh"), Zero(), self.dense.at("2it"), 4,
        )  # fmt: skip
        assert space.start.of == node

    def test_all_tickets_of_a_network_are_one_program(self):
        spaces = [
            ws.ticket(self.dense, self.mask, kept=kept, pruned=pruned)
            for kept in ("rewind", "signed_constant")
            for pruned in ("zero", "at_init", "zero_grown")
        ]
        assert len({jax.tree.structure(space) for space in spaces}) == 1

    def test_names_that_there_are_not(self):
        with pytest.raises(InputError, match="did you mean 'reinit'"):
            ws.ticket(self.dense, self.mask, kept="reinitt")
        with pytest.raises(InputError, match="did you mean 'zero_grown'"):
            ws.ticket(self.dense, self.mask, pruned="zero_grow")
