"""Masks that are learned over fixed weights: supermask and edge-popup, and the probe that counts them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from tests.spaces.test_battery import LAYOUT, begin, sample
from tests.training.harness import flat, outputs_of, train
from weightspace import tree
from weightspace.data import make_data
from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.models.zoo import make
from weightspace.probes import Snapshot
from weightspace.probes.density import Density
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Momentum, Sgd
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.compose import Compose
from weightspace.spaces.edge_popup import EdgePopup, largest
from weightspace.spaces.full import Full
from weightspace.spaces.supermask import Supermask
from weightspace.streams import Keys, Seeds, Stream, key
from weightspace.training.order import epoch_order

KERNELS = {"a/kernel": (3, 4), "b/kernel": (4, 2)}
WIDE = make("fc:widths=32", (8, 8, 1), 10)


def numbers(seed, spread=1.0):
    """A tree of the kernels' paths."""
    draws = np.random.default_rng(seed)
    return tree.nested_dict(
        {path: jnp.asarray(spread * draws.normal(size=shape), jnp.float32) for path, shape in KERNELS.items()}
    )


def upstream(seed=9):
    draws = np.random.default_rng(seed)
    return jax.tree.map(lambda w: jnp.asarray(draws.normal(size=w.shape), w.dtype), sample(Keys(Seeds(0))))


def slope(space, fixed, theta, p, g):
    """∂/∂θ of Σ g · w."""
    return jax.grad(lambda th: tree.dot(g, space.weights(fixed, th, p)))(theta)


def draws(space, fixed, theta, count):
    return [space.draw(fixed, theta, key(Seeds(0), Stream.POINT, t)) for t in range(count)]


def leaves(*trees):
    """The leaves of several trees, path by path."""
    flats = [tree.flat_dict(t) for t in trees]
    return [tuple(np.asarray(f[path]) for f in flats) for path in flats[0]]


def on_kernels(whole):
    return tree.nested_dict({path: leaf for path, leaf in tree.flat_dict(whole).items() if path in KERNELS})


def test_the_gradient_is_that_of_the_expected_loss():
    space, theta, g = Supermask(), numbers(1), upstream()
    fixed, _ = begin(space)
    w = on_kernels(fixed.weights)

    def expected(theta):
        mean = jax.tree.map(lambda w, a: w * jax.nn.sigmoid(a), w, theta)
        return tree.dot(on_kernels(g), mean)

    exact = jax.grad(expected)(theta)
    for p in [*draws(space, fixed, theta, 3), space.point(fixed, theta, "threshold")]:
        assert tree.equal(slope(space, fixed, theta, p, g), exact)
    for found, a, w_, g_ in leaves(exact, theta, w, on_kernels(g)):
        p = 1 / (1 + np.exp(-a))
        np.testing.assert_allclose(found, g_ * w_ * p * (1 - p), rtol=1e-5)


def test_weights_are_kept_or_zero_to_the_last_bit():
    space, theta = Supermask(), numbers(2)
    fixed, _ = begin(space, 3)
    for p in draws(space, fixed, theta, 3):
        weights, mask = space.weights(fixed, theta, p), space.mask_at(fixed, theta, p)
        assert jax.tree.structure(mask) == jax.tree.structure(weights)
        assert tree.equal(weights, jax.tree.map(lambda m, w: jnp.where(m, w, 0 * w), mask, fixed.weights))
        for path, m in tree.flat_dict(mask).items():
            assert m.dtype == bool
            assert path in KERNELS or bool(m.all())


def test_entries_are_kept_as_often_as_their_probabilities_say():
    space, theta, count = Supermask(), numbers(4), 4000
    fixed, _ = begin(space)

    @jax.jit
    @jax.vmap
    def mask(t):
        return space.mask_at(fixed, theta, space.draw(fixed, theta, key(Seeds(0), Stream.POINT, t)))

    for kept, a in leaves(on_kernels(mask(jnp.arange(count, dtype=jnp.uint32))), theta):
        p = 1 / (1 + np.exp(-a))
        np.testing.assert_array_less(np.abs(kept.mean(0) - p), 5 * np.sqrt(p * (1 - p) / count))
        entries = kept.reshape(count, -1) - p.reshape(1, -1)
        correlations = np.corrcoef(entries.T)[np.triu_indices(a.size, 1)]
        assert np.abs(correlations).max() < 5 / np.sqrt(count)


def test_kernels_of_one_shape_have_draws_of_their_own():
    theta = tree.nested_dict({"a/kernel": jnp.zeros((5, 5)), "b/kernel": jnp.zeros((5, 5))})
    noise = Supermask().draw((), theta, key(Seeds(0), Stream.POINT))
    assert not np.any(noise["a"]["kernel"] == noise["b"]["kernel"])


def test_the_threshold_keeps_what_is_more_likely_kept_than_not():
    space, theta = Supermask(), numbers(5)
    fixed, _ = begin(space)
    for name in ("", "threshold"):
        mask = on_kernels(space.mask_at(fixed, theta, space.point(fixed, theta, name)))
        assert tree.equal(mask, jax.tree.map(lambda a: a > 0, theta))
    even = jax.tree.map(jnp.zeros_like, theta)
    p = space.point(fixed, even, "")
    assert not any(m.any() for (m,) in leaves(on_kernels(space.mask_at(fixed, even, p))))
    assert tree.squared_norm(on_kernels(space.weights(fixed, even, p))) == 0


def test_samples_are_fixed_by_their_name_and_the_seed_of_points():
    space = Supermask()

    def noise(seeds, name):
        fixed, theta = space.init(Keys(seeds), sample, LAYOUT)
        return space.point(fixed, theta, name)

    first = noise(Seeds(0), "sample3")
    assert tree.equal(first, noise(Seeds(7, point=0), "sample3"))
    fixed, theta = begin(space)
    others = [noise(Seeds(0), "sample4"), noise(Seeds(1), "sample3"), *draws(space, fixed, theta, 4)]
    for other in others:
        assert not any((a == b).any() for a, b in leaves(first, other))


@pytest.mark.parametrize("name", ["sample", "sample01", "sample-1", "Threshold", "midpoint"])
def test_unknown_points_are_refused_with_those_there_are(name):
    with pytest.raises(InputError, match=rf"no point '{name}'; it has 'threshold' .* 'sample1'"):
        Supermask().point(*begin(Supermask()), name)


def test_rounded_masks_have_no_samples():
    space = Supermask(rounding=True)
    with pytest.raises(InputError, match=r"'threshold' .* masks are rounded"):
        space.point(*begin(space), "sample0")


def test_signed_constants_keep_signs_and_the_standard_deviation():
    (fixed, _), (plain, _) = begin(Supermask(scale="constant", multiplier=2.5)), begin(Supermask())
    for path, w in tree.flat_dict(plain.weights).items():
        found = tree.flat_dict(fixed.weights)[path]
        expected = 2.5 * np.std(w) * np.sign(w) if path in KERNELS else w
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_given_weights_take_the_place_of_the_initialisation():
    start = sample(Keys(Seeds(42)))
    for space in (Supermask(start=start), EdgePopup(0.5, start=start)):
        fixed, theta = begin(space)
        full = jax.tree.map(lambda a: jnp.full_like(a, 9.0), theta)
        kept = space.mask_at(fixed, full, space.point(fixed, full, ""))
        weights = space.weights(fixed, full, space.point(fixed, full, ""))
        assert tree.equal(weights, jax.tree.map(lambda m, w: jnp.where(m, w, 0.0 * w), kept, start))


def test_logits_start_where_they_are_put_and_are_kernels_only():
    _, theta = begin(Supermask(logit=-1.5))
    assert {path: a.shape for path, a in tree.flat_dict(theta).items()} == KERNELS
    assert all((a == -1.5).all() for (a,) in leaves(theta))
    assert Supermask().coordinates(LAYOUT).paths() == tuple(KERNELS)


@pytest.mark.parametrize("rescale", ["gradient", "stopped"])
def test_a_rescaled_mask_of_ones_sums_to_its_size(rescale):
    start = jax.tree.map(jnp.ones_like, sample(Keys(Seeds(0))))
    space, theta = Supermask(rescale=rescale, start=start), numbers(6)
    fixed, _ = begin(space)
    for p in draws(space, fixed, theta, 5):
        for w, m in leaves(
            on_kernels(space.weights(fixed, theta, p)), on_kernels(space.mask_at(fixed, theta, p))
        ):
            assert w.sum() == pytest.approx(w.size, rel=1e-6)
            assert not w[~m].any()


def test_gradients_through_the_factor():
    """w₀ m n / Σm is of degree 0 in m, so Σ mⱼ ∂L/∂mⱼ = 0; what the factor adds is equal for all entries."""
    theta, g = numbers(7), upstream()
    (fixed, _), spaces = (
        begin(Supermask()),
        {r: Supermask(rescale=r) for r in ("none", "gradient", "stopped")},
    )
    (p,) = draws(spaces["none"], fixed, theta, 1)
    found = [slope(space, fixed, theta, p, g) for space in spaces.values()]
    mask = on_kernels(spaces["none"].mask_at(fixed, theta, p))
    for none, gradient, stopped, a, m in leaves(*found, theta, mask):
        np.testing.assert_allclose(stopped, none * (m.size / m.sum()), rtol=1e-5)
        change = 1 / (np.exp(a / 2) + np.exp(-a / 2)) ** 2
        by_mask = gradient / change
        assert abs(np.sum(by_mask * m)) < 1e-4 * np.abs(by_mask).sum()
        added = (gradient - stopped) / change
        np.testing.assert_allclose(added, added.mean(), rtol=1e-3)
        assert np.abs(added).min() > 1e-2


@pytest.mark.parametrize("rescale", ["gradient", "stopped"])
def test_an_empty_mask_is_rescaled_by_one(rescale):
    space, g = Supermask(rescale=rescale, logit=-40.0), upstream()
    fixed, theta = begin(space)
    (p,) = draws(space, fixed, theta, 1)
    weights = space.weights(fixed, theta, p)
    assert tree.squared_norm(on_kernels(weights)) == 0
    assert tree.equal(slope(space, fixed, theta, p, g), slope(Supermask(), fixed, theta, p, g))


def test_each_part_of_a_batch_has_a_mask_of_its_own():
    """One step on two parts is the mean of two steps, each of one part under its own draw."""
    run = small_run(0, space=Supermask(), recipe=Recipe(Sgd(50.0), "1it", batch=64, samples=2))
    cut = block_outputs(run)
    start, by_hand = parts_by_hand(run)
    assert np.abs(cut - start).max() > 1e-4
    np.testing.assert_allclose(cut, start - 50.0 * np.mean(by_hand, axis=0), atol=1e-5)
    whole = block_outputs(dataclasses.replace(run, recipe=Recipe(Sgd(50.0), "1it", batch=64)))
    assert np.abs(cut - whole).max() > 1e-4


def block_outputs(run):
    """The coordinates at the end."""
    (found,) = outputs_of(run, (Snapshot("end", coordinates=True),), [0, 1])
    return flat(found["coordinates"])


def parts_by_hand(run):
    """The coordinates before the first step, and the gradient of each half of the first batch."""
    data, keys = run.task.data, Keys(run.seeds)
    arrays = data.arrays()
    layout = layout_of(run.model, tuple(data.shape), "float32")
    blank = jnp.zeros((1, *data.shape), jnp.float32)
    fixed, theta = run.space.init(keys, lambda k: run.model.init(k(Stream.INIT), blank)[0], layout)
    rows = np.asarray(epoch_order(run.seeds, jnp.int32(0), data.size, None))[:64]
    still = jax.random.key(0, impl="threefry2x32")

    def loss(theta, number, part):
        point = run.space.draw(fixed, theta, jax.random.fold_in(key(run.seeds, Stream.POINT), number))
        x = data.decode(arrays, arrays.train.x[part], "float32")
        weights = run.space.weights(fixed, theta, point)
        outputs, _ = run.model.apply(weights, {}, x, train=True, key=still)
        return jnp.mean(run.task.loss(outputs, jnp.asarray(arrays.train.y[part])))

    slope = jax.grad(loss)
    halves = [flat(slope(theta, jnp.uint32(i), rows[32 * i : 32 * (i + 1)])) for i in (0, 1)]
    return flat(theta), halves


def test_layer_rescaling_leaves_the_predictions_of_a_mask():
    """ReLU, max-pooling and zero biases: a factor a layer is a factor of the outputs."""
    net = make("lth_conv2:width=3", (8, 8, 1), 10)
    layout = layout_of(net, (8, 8, 1), "float32")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(64, 8, 8, 1)), jnp.float32)
    weights = jax.jit(net.init)(key(Seeds(0), Stream.INIT), x)[0]
    apply = jax.jit(lambda w: net.apply(w, {}, x, train=False, key=key(Seeds(0), Stream.DROPOUT))[0])

    def outputs(**options):
        space = Supermask(logit=1.0, **options)
        fixed, theta = space.init(Keys(Seeds(0)), lambda _: weights, layout)
        p = space.point(fixed, theta, "sample0")
        shares = space.sampled_density(fixed, theta, p)
        return np.asarray(apply(space.weights(fixed, theta, p))), np.prod(
            [1 / float(s) for s in shares.values()]
        )

    (plain, factor), depth = outputs(), len(layout.paths("kernel"))
    assert len(set(plain.argmax(1))) > 1
    for rescale in ("gradient", "stopped"):
        np.testing.assert_allclose(outputs(rescale=rescale)[0], plain * factor, rtol=2e-3, atol=1e-4)
    one, three = (outputs(scale="constant", multiplier=m)[0] for m in (1.0, 3.0))
    np.testing.assert_allclose(three, one * 3.0**depth, rtol=2e-3, atol=1e-3)


def test_rounding_gives_half_of_the_entries_their_probability():
    space = Supermask(rounding=True)
    theta = {"kernel": jnp.asarray(np.random.default_rng(0).normal(size=(100, 100)), jnp.float32)}
    fixed = begin(space)[0]._replace(weights={"kernel": jnp.ones((100, 100))})
    (p,) = draws(space, fixed, theta, 1)
    weights = np.asarray(space.weights(fixed, theta, p)["kernel"])
    probability = np.asarray(jax.nn.sigmoid(theta["kernel"]))
    soft, rounded = weights == probability, weights == np.round(probability)
    assert (soft ^ rounded).all()
    assert soft.mean() == pytest.approx(0.5, abs=0.02)
    g = {"kernel": jnp.ones((100, 100))}
    np.testing.assert_allclose(
        slope(space, fixed, theta, p, g)["kernel"], probability * (1 - probability), rtol=1e-5
    )
    at_test = space.point(fixed, theta, "")
    assert tree.equal(space.weights(fixed, theta, at_test), {"kernel": jnp.round(jnp.asarray(probability))})
    assert tree.equal(space.mask_at(fixed, theta, p), space.mask_at(fixed, theta, at_test))


def test_rounding_starts_empty_at_a_logit_of_zero():
    space = Supermask(rounding=True)
    fixed, theta = begin(space)
    weights = space.weights(fixed, theta, space.point(fixed, theta, ""))
    assert tree.squared_norm(on_kernels(weights)) == 0


def test_the_penalty_is_the_squared_distance_from_the_target_weighted_by_entries():
    space = Supermask(density=0.2, strength=3.0)
    logits = {"a/kernel": 0.0, "b/kernel": np.log(0.2 / 0.8)}  # at the target
    theta = tree.nested_dict({path: jnp.full(KERNELS[path], a) for path, a in logits.items()})
    fixed, _ = begin(space)
    assert space.penalty(fixed, theta, ()) == pytest.approx(3 * 12 / 20 * 0.3**2, rel=1e-5)
    assert Supermask().penalty(fixed, theta, ()) == 0
    g = jax.grad(lambda th: space.penalty(fixed, th, ()))(theta)
    assert (np.asarray(g["a"]["kernel"]) > 0).all()
    np.testing.assert_allclose(g["b"]["kernel"], 0, atol=1e-7)


def test_samples_have_the_expected_density_on_average():
    space, theta = Supermask(), numbers(8)
    fixed, _ = begin(space)
    expected = space.expected_density(fixed, theta)
    found = [space.sampled_density(fixed, theta, space.point(fixed, theta, f"sample{i}")) for i in range(300)]
    assert list(expected) == list(found[0]) == list(KERNELS)
    for path, share in expected.items():
        assert np.mean([float(f[path]) for f in found]) == pytest.approx(float(share), abs=0.04)


def test_there_must_be_a_kernel():
    for space in (Supermask(), EdgePopup(0.5)):
        with pytest.raises(InputError, match="masks kernels"):
            Compose(Affine(Gaussian(3)), space).check(LAYOUT)
        Compose(space, Affine(Gaussian(3))).check(LAYOUT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "constants"}, "did you mean 'constant'"),
        ({"rescale": "stop"}, "did you mean 'stopped'"),
        ({"multiplier": 2.0}, "scale is 'none'"),
        ({"scale": "constant", "multiplier": -1.0}, "multiplier is -1.0"),
        ({"strength": 2.0}, "no target"),
        ({"density": 1.5}, "density is 1.5"),
        ({"density": 0.5, "strength": -1.0}, "strength is -1.0"),
        ({"logit": float("inf")}, "logit is inf"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Supermask(**arguments)


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.01])
def test_the_share_kept_lies_between_none_and_all(keep):
    with pytest.raises(InputError, match=r"keep is .* \(0, 1\]"):
        EdgePopup(keep)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_are_those_that_a_stable_sort_puts_first(dtype):
    scores = np.random.default_rng(0).normal(size=(7, 11))
    scores[2:4] = scores[:2]
    scores[0, :4] = [0.0, -0.0, 1e-30, np.inf]
    scores[5, :4] = -scores[1, :4]
    with jax.enable_x64(dtype == "float64"):
        given = jnp.asarray(scores, dtype)
        order = np.argsort(-np.abs(np.asarray(given)).ravel(), kind="stable")
        found = jax.jit(jax.vmap(lambda count: largest(given, count)))(jnp.arange(1, 78, dtype=jnp.int32))
    for count, mask in enumerate(np.asarray(found), 1):
        assert set(np.flatnonzero(mask)) == set(order[:count])


@pytest.mark.parametrize("keep", [0.01, 0.25, 0.5, 0.9, 1.0])
def test_keep_is_the_share_that_is_kept(keep):
    space = EdgePopup(keep)
    fixed, theta = begin(space)
    for scores in (theta, jax.tree.map(jnp.ones_like, theta)):
        for mask, s in leaves(on_kernels(space.mask_at(fixed, scores, ())), scores):
            assert mask.sum() == max(1, round(keep * s.size))
    mask, weights = space.mask_at(fixed, theta, ()), space.weights(fixed, theta, ())
    assert tree.equal(weights, jax.tree.map(lambda m, w: jnp.where(m, w, 0 * w), mask, fixed))


def test_one_program_serves_all_shares():
    @jax.jit
    def density(keep):
        space = jax.tree.unflatten(jax.tree.structure(EdgePopup(0.5)), [keep, jnp.float32(1)])
        return space.sampled_density(*begin(space), ())["a/kernel"]

    assert [round(12 * float(density(jnp.float32(keep)))) for keep in (0.25, 0.5, 1.0)] == [3, 6, 12]
    assert density._cache_size() == 1


def test_scores_of_every_edge_move_as_if_it_were_on():
    """A step against the gradient makes an edge rank higher exactly if to have it would lower the loss."""
    space, g = EdgePopup(0.3), upstream()
    fixed, theta = begin(space)
    found = slope(space, fixed, theta, (), g)
    for slope_, s, w, g_ in leaves(found, theta, on_kernels(fixed), on_kernels(g)):
        np.testing.assert_allclose(slope_, g_ * w * np.sign(s), rtol=1e-6)
        step = 1e-3 * np.abs(s).min() / np.abs(slope_).max()
        assert ((np.abs(s - step * slope_) > np.abs(s)) == (g_ * w < 0)).all()


def test_scores_start_from_the_uniform_distribution_of_their_fan_in():
    layout = layout_of(WIDE, (8, 8, 1), "float32")
    blank = tree.nested_dict({leaf.path: jnp.ones(leaf.shape) for leaf in layout})

    def scores(seeds):
        return EdgePopup(0.5).init(Keys(seeds), lambda _: blank, layout)[1]

    first = scores(Seeds(0))
    for path, s in tree.flat_dict(first).items():
        bound = layout[path].fan_in ** -0.5
        assert 0.95 * bound < np.abs(s).max() <= bound
        assert np.std(s) == pytest.approx(bound / np.sqrt(3), rel=0.1)
    assert tree.equal(first, scores(Seeds(5, mask=0)))
    assert not tree.equal(first, scores(Seeds(0, mask=5)))


def test_kaiming_constants_and_the_variance_of_a_sparse_layer():
    """With keep k of n inputs, entries ±c/√k keep the sum of squares that a unit sees at n c²."""
    plain, _ = begin(Supermask())
    fixed, _ = begin(EdgePopup(0.25, scale="kaiming"))
    wide, _ = begin(EdgePopup(0.25, scale="kaiming", compensate=True))
    for path, shape in KERNELS.items():
        w, found, compensated = (tree.flat_dict(t)[path] for t in (plain.weights, fixed, wide))
        np.testing.assert_allclose(found, np.sign(w) * np.sqrt(2 / shape[0]), rtol=1e-6)
        np.testing.assert_allclose(compensated, 2 * found, rtol=1e-6)
    full = tree.squared_norm(on_kernels(fixed))
    space = EdgePopup(0.25, scale="kaiming", compensate=True)
    masked = space.weights(wide, numbers(3), ())
    assert tree.squared_norm(on_kernels(masked)) == pytest.approx(float(full), rel=1e-5)


TRAINED = {
    "supermask": (Supermask(), 50.0),
    "rescaled constants": (Supermask(scale="constant", rescale="gradient"), 50.0),
    "rounded": (Supermask(rounding=True, logit=0.1, rescale="stopped"), 50.0),
    "edge-popup": (EdgePopup(0.4, scale="kaiming"), 1.0),
}


@pytest.mark.parametrize("name", TRAINED)
def test_training_the_mask_alone_learns(name):
    space, lr = TRAINED[name]
    run = small_run(0, model=WIDE.name, space=space, recipe=Recipe(Momentum(lr), "150it", batch=64))
    (end,), records, bad = train([run], (EVALUATION, Density()), stretches=[0, 150])
    losses = records["train_loss"][:, 0]
    assert bad[0] == -1
    assert losses[1] < 0.9 * losses[0]
    assert records["test_accuracy"][1, 0] > 0.5
    ones = sum(np.count_nonzero(w) for path, w in tree.flat_dict(end).items() if path.endswith("kernel"))
    assert records["density"][1, 0] == pytest.approx(ones / (64 * 32 + 32 * 10), rel=1e-5)
    values = {path: np.unique(np.abs(w)) for path, w in tree.flat_dict(end).items()}
    assert all(not v.any() for path, v in values.items() if path.endswith("bias"))
    if space.scale != "none":
        assert all(len(v) == 2 for path, v in values.items() if path.endswith("kernel"))


def test_a_target_is_reached():
    spaces = [Supermask(density=share, strength=300.0) for share in (0.2, 0.7)]
    runs = [small_run(0, space=s, recipe=Recipe(Sgd(20.0), "200it", batch=64)) for s in spaces]
    _, records, _ = train(runs, (Density(names=("sample0",)),), lanes=2)
    np.testing.assert_allclose(records["expected_density"][-1], [0.2, 0.7], atol=0.02)
    np.testing.assert_allclose(records["sample0_density"][-1], [0.2, 0.7], atol=0.06)
    columns = {"density", "expected_density"}
    layers = {f"{prefix}_{layer}" for prefix in columns for layer in ("hidden_0", "output")}
    assert {name.removeprefix("sample0_") for name in records} == columns | layers
    weighted = (records["sample0_density_hidden_0"] * 1024 + records["sample0_density_output"] * 160) / 1184
    np.testing.assert_allclose(records["sample0_density"], weighted, rtol=1e-5)


def test_density_needs_a_space_with_masks():
    layout = layout_of(WIDE, (8, 8, 1), "float32")
    for space in (Full(), Affine(Gaussian(3))):
        run = small_run(0, space=space, data=make_data("digits"))
        with pytest.raises(InputError, match=f"needs a space with masks.*'{space.name[:4]}"):
            Density().check(run, layout)
    Density().check(small_run(0, space=EdgePopup(0.5)), layout)
