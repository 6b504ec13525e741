"""What every criterion must do. A new criterion is one row here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.masks.builders import LAYOUT, random_mask, trained, weights
from weightspace import tree
from weightspace.errors import InputError
from weightspace.fields import coerce
from weightspace.masks.criteria import ALL, LargeFinal, make_criterion
from weightspace.masks.criterion import Criterion, Named, Trained
from weightspace.masks.prune import prune, ranks
from weightspace.masks.score import score
from weightspace.spec import spec
from weightspace.streams import Seeds, Stream, key

KEY, OTHER = (key(Seeds(seed), Stream.MASK) for seed in (3, 4))
ROWS = (*ALL, "large_final:per=neuron", "random:per=neuron", "movement:per=neuron", "snip:per=neuron")
BY_CHANCE = ("lamp",)
"""Criteria whose scores, not only their cuts, depend on the key where weights are equal."""
KERNELS = [leaf for leaf in LAYOUT if leaf.kind == "kernel"]
ENDS = {
    name: tree.flat_dict(found)
    for name, found in {
        "before": weights(), "after": trained(weights()), "gradient": weights(9), "mask": random_mask(0.6),
    }.items()
}  # fmt: skip


def values(leaf, **changes):
    return {name: ENDS[name][leaf.path] for name in ENDS} | changes


def by_chance(name):
    return name in BY_CHANCE or name.endswith("per=neuron")


@pytest.mark.parametrize("name", ROWS)
def test_scores_have_the_leaf_s_shape_and_are_numbers_of_its_precision(name):
    by = make_criterion(name)
    for leaf, dtype in ((KERNELS[0], np.float32), (KERNELS[2], np.float64)):
        given = {n: v.astype(dtype) if v.dtype != bool else v for n, v in values(leaf).items()}
        found = score(by, given, leaf, KEY)
        assert found.shape == leaf.shape
        assert found.dtype in (dtype, np.dtype("int32"))
        assert np.isfinite(found[given["mask"]]).all()


@pytest.mark.parametrize("name", ROWS)
def test_what_pruned_weights_hold_changes_no_other_score(name):
    leaf, by = KERNELS[0], make_criterion(name)
    there = ENDS["mask"][leaf.path]
    others = {
        n: np.where(there, v, np.float32(1e6) * (i - 0.5)).astype(np.float32)
        for i, (n, v) in enumerate(values(leaf).items())
        if n != "mask"
    }
    plain, changed = (score(by, given, leaf, KEY)[there] for given in (values(leaf), values(leaf, **others)))
    np.testing.assert_array_equal(plain, changed)


@pytest.mark.parametrize("name", ROWS)
def test_equal_keys_give_equal_scores_and_others_only_where_weights_are_equal(name):
    leaf, by = KERNELS[1], make_criterion(name)
    one, again, other = (score(by, values(leaf), leaf, k) for k in (KEY, KEY, OTHER))
    np.testing.assert_array_equal(one, again)
    if name != "random:per=neuron":
        np.testing.assert_array_equal(one, other)
    flat = np.ones(leaf.shape, np.float32)
    one, again, other = (
        score(by, values(leaf, before=flat, after=flat, gradient=flat), leaf, k) for k in (KEY, KEY, OTHER)
    )
    np.testing.assert_array_equal(one, again)
    assert np.array_equal(one, other) != by_chance(name)


@pytest.mark.parametrize("name", ROWS)
def test_both_zeros_are_one(name):
    """Weights, and gradients, that are 0.0 or -0.0 by chance: the order is that of zeros of one sign."""
    leaf, by = KERNELS[2], make_criterion(name)
    rng = np.random.default_rng(0)
    signs = np.where(rng.random(leaf.shape) < 0.5, np.float32(-0.0), np.float32(0.0))
    there = ENDS["mask"][leaf.path]
    plain, signed = (
        values(leaf, **{n: np.where(rng_mask, w, zero) for n, w in ends.items()})
        for rng_mask in [rng.random(leaf.shape) < 0.5]
        for ends in [{n: v for n, v in values(leaf).items() if n != "mask"}]
        for zero in (np.float32(0.0), signs)
    )
    assert np.signbit(signed["after"][signed["after"] == 0]).any()
    orders = [np.asarray(ranks(score(by, given, leaf, KEY), there, KEY)) for given in (plain, signed)]
    np.testing.assert_array_equal(*orders)


@pytest.mark.parametrize("name", ROWS)
def test_scores_work_traced_and_in_lanes(name):
    leaf, by = KERNELS[0], make_criterion(name)
    arrays = [jnp.asarray(values(leaf)[n]) for n in ("before", "after", "gradient", "mask")]
    both = [jnp.stack([a, jnp.flip(a, 0)]) for a in arrays]
    many = jax.jit(jax.vmap(lambda *a: by.scores(Trained(*a), leaf, KEY)))(*both)
    for row in range(2):
        alone = by.scores(Trained(*(a[row] for a in both)), leaf, KEY)
        np.testing.assert_allclose(many[row], alone, rtol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_a_name_is_a_spec_with_a_digest_of_its_own(name):
    by = make_criterion(name)
    assert by.name == name
    assert by == make_criterion(name.replace("_", "-"))
    assert coerce("Prune.criterion", name, Named) == by
    assert coerce("Prune.criterion", by, Named) is by
    assert len({make_criterion(other).digest for other in ROWS}) == len(ROWS)


@spec
class Halves(Criterion):
    """A user's own: one score for each output, though there are many weights."""

    label = "halves"

    def scores(self, w, leaf, key):
        """Of another shape."""
        return jnp.ones((2,))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: make_criterion("large_finl"), "did you mean 'large_final'"),
        (lambda: make_criterion("large_final:pre=neuron"), "no option 'pre'; did you mean 'per'"),
        (lambda: make_criterion("large_final:per=neurons"), "unknown per 'neurons'; did you mean 'neuron'"),
        (lambda: make_criterion("lamp:per=neuron"), "'lamp' has no option 'per'"),
        (lambda: coerce("Prune.criterion", 3, Named), "a criterion is 3 of type int; give a name"),
        (lambda: coerce("Prune.criterion", LargeFinal, Named), "or an instance of a Criterion"),
        (lambda: score(Halves(), values(KERNELS[0]), KERNELS[0], KEY), r"scores of shape \(2,\) for leaf"),
        (
            lambda: prune(
                *(weights(), trained(weights()), None, None, LAYOUT, "large_final:per=neuron"),
                key=KEY, select="kernel|bias",
            ),
            "ranks within output neurons, but leaf 'conv/bias' has no axis of them",
        ),
    ],
)  # fmt: skip
def test_what_is_no_criterion_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
