"""What a ticket's actions leave to the next round."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.derived.test_prune import AFTER, BEFORE, MODEL, SHAPE, made
from weightspace import tree
from weightspace.derived.restart import Restart
from weightspace.experiments.tickets.iterative import carried_out
from weightspace.masks.kept import Rewind, make_kept
from weightspace.masks.pruned import make_pruned
from weightspace.models.base import layout_of
from weightspace.spaces.masked import Masked
from weightspace.streams import Keys, Seeds, Stream

MASK = made()["mask"]
KEPT = {name: make_kept(name) for name in ("rewind", "reinit", "reshuffle", "constant", "signed_constant")}
PRUNED = {
    "zero": make_pruned("zero"), "at_init": make_pruned("at_init"),
    "zero_shrunk": make_pruned("zero_shrunk", after=AFTER),
}  # fmt: skip


def restarted(space, seed=0):
    return Restart(MODEL, SHAPE, space, Seeds(seed)).compute()["weights"]


def begun(space, seed=0):
    """What training starts from."""

    def sample(keys):
        return MODEL.init(keys(Stream.INIT), jnp.zeros((1, *SHAPE), jnp.float32))[0]

    fixed, theta = space.init(Keys(Seeds(seed)), sample, layout_of(MODEL, SHAPE, "float32"))
    return space.weights(fixed, theta, ())


@pytest.mark.parametrize("start", [None, BEFORE], ids=["own start", "given start"])
@pytest.mark.parametrize("pruned", PRUNED)
@pytest.mark.parametrize("kept", KEPT)
def test_kept_weights_are_those_that_training_started_from(kept, pruned, start):
    space = Masked(MASK, KEPT[kept], PRUNED[pruned], start)
    found, first = restarted(space), begun(space)
    jax.tree.map(lambda m, a, b: np.testing.assert_array_equal(a[m], b[m]), MASK, found, first)
    if pruned != "zero":
        assert tree.equal(found, first)


@pytest.mark.parametrize("pruned", PRUNED)
@pytest.mark.parametrize("kept", KEPT)
def test_actions_done_beforehand_are_the_same_ticket(kept, pruned):
    """So that all actions train in one program: the weights at the start do not differ."""
    space = Masked(MASK, KEPT[kept], PRUNED[pruned], BEFORE)
    done = carried_out(space, restarted(space))
    assert tree.equal(begun(done), begun(space))
    assert isinstance(done.kept, Rewind)
    assert done.mask is space.mask


def test_where_pruned_weights_are_zero_the_next_round_still_has_their_values():
    found = restarted(Masked(MASK, start=BEFORE))
    assert tree.equal(found, jax.tree.map(jnp.asarray, BEFORE))
    signed = restarted(Masked(MASK, KEPT["signed_constant"], start=BEFORE))["output"]["kernel"]
    size = np.std(BEFORE["output"]["kernel"])
    np.testing.assert_allclose(signed, size * np.sign(BEFORE["output"]["kernel"]), rtol=1e-5)


def test_a_permutation_that_builds_on_itself_keeps_the_numbers():
    """Twice permuted, all entries are still those of the first weights."""
    once = restarted(Masked(MASK, KEPT["reinit"], start=BEFORE))
    twice = restarted(Masked(MASK, KEPT["reinit"], start=once))
    first, last = (np.sort(w["hidden"]["0"]["kernel"], axis=None) for w in (BEFORE, twice))
    np.testing.assert_array_equal(first, last)
    assert not tree.equal(once, twice)


@pytest.mark.parametrize("kept", ["reinit", "reinit:draw=fresh", "reshuffle", "constant"])
def test_permutations_and_draws_fall_anew_in_each_round(kept):
    space = Masked(MASK, make_kept(kept), start=BEFORE)
    first, again, second = (
        Restart(MODEL, SHAPE, space, Seeds(0), before).compute()["weights"] for before in (0, 0, 1)
    )
    assert tree.equal(first, again)
    assert not tree.equal(first, second)


def test_the_first_weights_are_the_same_in_each_round():
    first, second = (
        Restart(MODEL, SHAPE, Masked(MASK), Seeds(0), before).compute()["weights"] for before in (0, 1)
    )
    assert tree.equal(first, second)


def test_a_blank_has_the_weights_shapes():
    node = Restart(MODEL, SHAPE, Masked(MASK), Seeds(0))
    blank, full = node.blank()["weights"], node.compute()["weights"]
    assert jax.tree.structure(blank) == jax.tree.structure(full)
    assert [(b.shape, b.dtype) for b in jax.tree.leaves(blank)] == [
        (f.shape, f.dtype) for f in jax.tree.leaves(full)
    ]
