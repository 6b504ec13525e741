"""What pruned weights are frozen at: each action's definition. A new action is one row of `ACTIONS`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.masks.builders import LAYOUT, random_mask, trained, weights
from weightspace import tree
from weightspace.errors import InputError
from weightspace.masks.pruned import (
    AtInit,
    Interpolated,
    Zero,
    ZeroGrown,
    ZeroShrunk,
    ZeroShuffled,
    make_pruned,
    names,
)
from weightspace.streams import Seeds, Stream, key

START = jax.tree.map(jnp.asarray, weights())
AFTER = jax.tree.map(lambda w, f: f.at[0].set(w[0]), START, jax.tree.map(jnp.asarray, trained(weights())))
MASK = jax.tree.map(jnp.asarray, random_mask())
KEY = key(Seeds(5), Stream.MASK)
ACTIONS = {
    "zero": Zero(),
    "at_init": AtInit(),
    "zero_shrunk": ZeroShrunk(AFTER),
    "zero_shuffled": ZeroShuffled(AFTER),
    "zero_grown": ZeroGrown(AFTER),
    "interpolated": Interpolated(AFTER, 0.25),
}


def frozen(action, k=KEY, mask=MASK):
    return action.values(START, mask, LAYOUT, k)


def leaves(*trees):
    return list(zip(*(map(np.asarray, jax.tree.leaves(t)) for t in trees), strict=True))


def test_every_action_is_held_here():
    assert tuple(ACTIONS) == names() == tuple(a.name for a in ACTIONS.values())


def test_freeze_values():
    """The first rows of `AFTER` did not move: strict comparisons leave them at their start."""
    shrunk, grown = frozen(ACTIONS["zero_shrunk"]), frozen(ACTIONS["zero_grown"])
    for w, f, less, more in leaves(START, AFTER, shrunk, grown):
        np.testing.assert_array_equal(less, np.where(np.abs(f) < np.abs(w), 0, w))
        np.testing.assert_array_equal(more, np.where(np.abs(f) > np.abs(w), 0, w))
        np.testing.assert_array_equal(less[0], w[0])
        np.testing.assert_array_equal(more[0], w[0])
    assert tree.equal(frozen(AtInit()), START)
    assert all(not np.any(found) for (found,) in leaves(frozen(Zero())))


def test_interpolation_meets_both_ends():
    assert tree.equal(frozen(Interpolated(AFTER, 0.0)), START)
    assert tree.equal(frozen(Interpolated(AFTER)), AFTER)
    for w, f, found in leaves(START, AFTER, frozen(Interpolated(AFTER, 0.25))):
        np.testing.assert_allclose(found - w, 0.25 * (f - w), atol=1e-6)


def test_the_control_has_as_many_zeros_at_other_pruned_places():
    for w, kept, variant, control in leaves(
        START, MASK, frozen(ACTIONS["zero_shrunk"]), frozen(ACTIONS["zero_shuffled"])
    ):
        assert np.sum(control[~kept] == 0) == np.sum(variant[~kept] == 0)
        np.testing.assert_array_equal(control[kept], w[kept])
        assert set(control.ravel()) <= {*w.ravel(), 0}
        if not kept.all():
            assert np.any((control == 0) != (variant == 0), where=~kept)


@pytest.mark.parametrize("name", ACTIONS)
def test_the_key_alone_decides(name):
    first, again, other = (frozen(ACTIONS[name], k) for k in (KEY, KEY, key(Seeds(6), Stream.MASK)))
    assert tree.equal(first, again)
    assert tree.equal(first, other) == (name != "zero_shuffled")


@pytest.mark.parametrize("name", ACTIONS)
def test_traced_masks_give_the_same(name):
    masks = jax.tree.map(lambda *m: jnp.stack(m), MASK, jax.tree.map(jnp.asarray, random_mask(seed=8)))
    many = jax.jit(jax.vmap(lambda m, a: frozen(a, mask=m), in_axes=(0, None)))(masks, ACTIONS[name])
    rows = [jax.tree.map(lambda m, row=row: m[row], masks) for row in range(2)]
    expected = jax.tree.map(lambda *a: np.stack(a), *(frozen(ACTIONS[name], mask=mask) for mask in rows))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), many, expected)


def test_actions_by_name():
    assert make_pruned("at-init") == AtInit()
    assert make_pruned("interpolated:amount=0.5", after=AFTER).amount == 0.5


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("zero_shrink", {}, "did you mean 'zero_shrunk'"),
        ("zero", {"after": 1}, "'zero' has no option 'after'. Options: none"),
        ("zero_grown", {}, "'zero_grown' needs after="),
        ("interpolated", {"after": 1, "amount": float("inf")}, "interpolation amount is inf"),
    ],
)
def test_wrong_names_and_options_are_refused(name, options, text):
    with pytest.raises(InputError, match=text):
        make_pruned(name, **options)
