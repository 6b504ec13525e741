"""What kept weights restart from: each action's invariants. A new action is one row of `ACTIONS`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.masks.builders import KERNELS, LAYOUT, random_mask, trained, weights
from weightspace import tree
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
    keeps_sign,
    make_kept,
    names,
)
from weightspace.models.layout import Layout, Leaf
from weightspace.streams import Seeds, Stream, key

START = jax.tree.map(jnp.asarray, weights(scale=0.3))
AFTER = jax.tree.map(jnp.asarray, trained(weights(scale=0.3)))
MASK = jax.tree.map(jnp.asarray, random_mask())
KEY = key(Seeds(5), Stream.MASK)
ACTIONS = {
    "rewind": Rewind(),
    "reinit": Reinit(),
    "reinit_fresh": Reinit(draw="fresh"),
    "reshuffle": Reshuffle(),
    "constant": ShuffledConstant(),
    "signed_reinit": SignedReinit(),
    "signed_reinit_fresh": SignedReinit(draw="fresh"),
    "signed_reshuffle": SignedReshuffle(),
    "signed_constant": SignedConstant(),
    "shrunk": Shrunk(AFTER),
}
SIGNED = ("rewind", "signed_reinit", "signed_reinit_fresh", "signed_reshuffle", "signed_constant")
RANDOM = ("reinit", "reshuffle", "constant", "signed_reinit", "signed_reshuffle")


def fresh(number):
    return jax.tree.map(jnp.asarray, weights(40 + number, scale=0.3))


def restart(action, k=KEY, mask=MASK, start=START):
    return action.values(start, mask, LAYOUT, k, fresh)


def kernels(*trees):
    flat = [tree.flat_dict(t) for t in trees]
    return [tuple(np.asarray(f[path]) for f in flat) for path in KERNELS]


def same_multiset(a, b):
    np.testing.assert_array_equal(np.sort(a, axis=None), np.sort(b, axis=None))


@pytest.fixture(params=ACTIONS)
def action(request):
    return ACTIONS[request.param]


def test_every_action_is_held_here():
    assert {a.label for a in ACTIONS.values()} == set(names())
    assert [a.name for a in ACTIONS.values()] == list(ACTIONS)


def test_only_kernels_change(action):
    found = tree.flat_dict(restart(action))
    for path in set(LAYOUT.paths()) - set(KERNELS):
        np.testing.assert_array_equal(found[path], tree.flat_dict(START)[path])


def test_double_precision_stays_double(action):
    with jax.enable_x64(True):
        cast = tree.cast(START, jnp.float64), jax.tree.map(lambda a: tree.cast(a, jnp.float64), action)
        found = jax.eval_shape(
            lambda w, act: act.values(w, MASK, LAYOUT, KEY, lambda _: jax.tree.map(lambda a: a + 1, w)), *cast
        )
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(found)} == {"float64"}
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, START)


@pytest.mark.parametrize("name", ACTIONS)
def test_signs_are_kept_by_the_actions_that_say_so(name):
    for w, kept, found in kernels(START, MASK, restart(ACTIONS[name])):
        changed = np.mean(np.sign(w[kept]) * np.sign(found[kept]) < 0)
        assert changed == 0 if ACTIONS[name].keeps_sign else changed > 0.15
        agree = np.mean(np.sign(w[kept]) == np.sign(found[kept]))
        assert agree == 1 if name in SIGNED else agree < 0.85
    assert keeps_sign(name.removesuffix("_fresh") + ":rescaled=true") == ACTIONS[name].keeps_sign


def test_rewinding_changes_nothing():
    assert tree.equal(restart(Rewind()), START)


def test_reinit_permutes_all_entries():
    for w, found in kernels(START, restart(Reinit())):
        same_multiset(w, found)
    for w, found in kernels(START, restart(SignedReinit())):
        same_multiset(np.abs(w), np.abs(found))


def test_reshuffle_permutes_the_kept_entries_alone():
    for w, kept, found in kernels(START, MASK, restart(Reshuffle())):
        same_multiset(w[kept], found[kept])
        assert not np.array_equal(w[kept], found[kept])
    for w, kept, found in kernels(START, MASK, restart(SignedReshuffle())):
        same_multiset(np.abs(w[kept]), np.abs(found[kept]))


def test_a_fresh_start_is_the_other_sample():
    for other, found, signed in kernels(
        fresh(0), restart(Reinit(draw="fresh")), restart(SignedReinit(draw="fresh"))
    ):
        np.testing.assert_array_equal(found, other)
        np.testing.assert_array_equal(np.abs(signed), np.abs(other))


@pytest.mark.parametrize("cls", [ShuffledConstant, SignedConstant])
def test_constants_are_one_magnitude_a_layer_and_keep_the_share_of_signs(cls):
    for w, found in kernels(START, restart(cls())):
        np.testing.assert_allclose(np.abs(found), np.std(w), rtol=1e-5)
        assert np.sum(found > 0) == np.sum(w > 0)
    for _, found in kernels(START, restart(cls(value=0.25))):
        assert set(np.abs(found).ravel()) == {0.25}


@pytest.mark.parametrize("name", ["signed_reinit", "signed_constant", "signed_reshuffle"])
def test_a_weight_at_zero_has_no_sign_to_keep(name):
    start = jax.tree.map(lambda w: w.at[0].set(0), START)
    for w, found in kernels(start, restart(ACTIONS[name], start=start)):
        np.testing.assert_array_equal(found[w == 0], 0)


def test_shrunk_weights_start_at_zero_and_those_at_rest_do_not():
    rested = jax.tree.map(lambda w, f: f.at[0].set(w[0]), START, AFTER)
    for w, f, found in kernels(START, rested, restart(Shrunk(rested))):
        np.testing.assert_array_equal(found, np.where(np.abs(f) < np.abs(w), 0, w))
        assert np.any(found == 0)
        assert np.all(found[0] == w[0])


@pytest.mark.parametrize("name", [n for n in ACTIONS if n != "shrunk"])
def test_rescaling_multiplies_by_size_over_number_kept(name):
    plain = ACTIONS[name]
    options = {"draw": "fresh"} if name.endswith("fresh") else {}
    rescaled = type(plain)(**options, rescaled=True)
    assert rescaled.name == f"{name}_rescaled"
    for kept, before, after in kernels(MASK, restart(plain), restart(rescaled)):
        np.testing.assert_allclose(after, before * (kept.size / kept.sum()), rtol=1e-6)


@pytest.mark.parametrize("name", ACTIONS)
def test_the_key_alone_decides(name):
    first, again, other = (restart(ACTIONS[name], k) for k in (KEY, KEY, key(Seeds(6), Stream.MASK)))
    assert tree.equal(first, again)
    assert tree.equal(first, other) == (name not in RANDOM)


def test_layers_of_one_shape_are_permuted_differently():
    layout = Layout(tuple(Leaf(f"{n}/kernel", (500,), "kernel", n, i) for i, n in enumerate("ab")))
    start = {n: {"kernel": jnp.arange(500.0)} for n in "ab"}
    mask = jax.tree.map(lambda w: w >= 0, start)
    found = Reinit().values(start, mask, layout, KEY, fresh)
    assert np.mean(np.asarray(found["a"]["kernel"]) == np.asarray(found["b"]["kernel"])) < 0.05


def test_traced_masks_and_weights_give_the_same(action):
    masks = jax.tree.map(lambda *m: jnp.stack(m), MASK, jax.tree.map(jnp.asarray, random_mask(seed=8)))
    starts = jax.tree.map(lambda w: jnp.stack([w, 2 * w]), START)
    many = jax.jit(jax.vmap(lambda m, w: restart(action, mask=m, start=w)))(masks, starts)
    rows = [jax.tree.map(lambda a, row=row: a[row], (masks, starts)) for row in range(2)]
    alone = [restart(action, mask=mask, start=start) for mask, start in rows]
    expected = jax.tree.map(lambda *a: np.stack(a), *alone)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), many, expected)


def test_actions_by_name():
    assert make_kept("signed-reinit:draw=fresh,rescaled=true") == SignedReinit(draw="fresh", rescaled=True)
    assert make_kept("constant", value=0.5) == make_kept("constant:value=0.5") == ShuffledConstant(0.5)
    assert make_kept("shrunk", after=AFTER).after is AFTER


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("rewinds", {}, "unknown action on kept weights 'rewinds'; did you mean 'rewind'"),
        ("constant", {"valu": 1.0}, "'constant' has no option 'valu'; did you mean 'value'"),
        ("shrunk", {}, "'shrunk' needs after="),
        ("reinit", {"draw": "new"}, "unknown draw 'new'"),
        ("constant", {"value": 0.0}, "constant value is 0.0"),
    ],
)
def test_wrong_names_and_options_are_refused(name, options, text):
    with pytest.raises(InputError, match=text):
        make_kept(name, **options)
