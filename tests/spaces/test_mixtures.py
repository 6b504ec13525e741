"""Lines, curves and simplexes: the facts that follow from their definition, and what is refused."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import outputs_of
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models import zoo
from weightspace.models.base import example
from weightspace.models.layout import Layout, Leaf
from weightspace.probes import Snapshot
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Sgd
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.compose import Compose
from weightspace.spaces.curves import Bezier, Chain
from weightspace.spaces.each import Each
from weightspace.spaces.full import Full
from weightspace.spaces.laws import Beta, Dirichlet, Uniform
from weightspace.spaces.masked import Masked
from weightspace.spaces.mixture import Place
from weightspace.spaces.simplex import Line, Simplex
from weightspace.spaces.vertices import cosine_squared
from weightspace.streams import Keys, Seeds, Stream, key
from weightspace.training.step import gradient, update

LAYOUT = Layout((
    Leaf("conv/kernel", (3, 4), "kernel", "conv", 0, (0,), 1),
    Leaf("norm/scale", (4,), "scale", "norm", 1),
    Leaf("norm/bias", (4,), "shift", "norm", 2),
    Leaf("out/kernel", (4, 2), "kernel", "out", 3, (0,), 1, output=True),
))  # fmt: skip


def sample(keys):
    k = keys(Stream.INIT)
    shapes = {leaf.path: leaf.shape for leaf in LAYOUT}
    drawn = {p: jax.random.normal(jax.random.fold_in(k, i), s) for i, (p, s) in enumerate(shapes.items())}
    return tree.nested_dict(drawn)


def begin(space, seed=0):
    return space.init(Keys(Seeds(seed)), sample, LAYOUT)


def weights_at(space, fixed, theta, name):
    return space.weights(fixed, theta, space.point(fixed, theta, name))


def many(draw, count=40_000):
    keys = jax.random.split(key(Seeds(0), Stream.POINT), count)
    return np.asarray(jax.jit(jax.vmap(draw))(keys), np.float64)


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
def test_moments_of_the_flat_law(m):
    c = many(Simplex(m).drawn)
    np.testing.assert_allclose(c.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(c.mean(0), 1 / m, atol=5e-3)
    np.testing.assert_allclose((c**2).mean(0), 2 / (m * (m + 1)), atol=5e-3)
    products = c.T @ c / len(c)
    np.testing.assert_allclose(products[0, 1], 1 / (m * (m + 1)), atol=5e-3)


def test_moments_of_a_curve_s_coefficients():
    c = many(Bezier(3).drawn)
    np.testing.assert_allclose(c.mean(0), 1 / 3, atol=5e-3)
    np.testing.assert_allclose((c**2).mean(0), [1 / 5, 2 / 15, 1 / 5], atol=5e-3)


def test_moments_of_other_laws():
    t = many(Beta(2.0, 1.0).number)
    np.testing.assert_allclose([t.mean(), t.var()], [2 / 3, 1 / 18], atol=5e-3)
    line = many(Line(law=Beta(2.0, 1.0)).drawn)
    np.testing.assert_allclose(line.mean(0), [1 / 3, 2 / 3], atol=5e-3)
    for a in (0.3, 4.0):  # E[c²] = (a + 1) / (m (m a + 1))
        c = many(Simplex(3, law=Dirichlet(a)).drawn)
        np.testing.assert_allclose((c**2).mean(0), (a + 1) / (3 * (3 * a + 1)), atol=6e-3)
    assert np.isfinite(many(Simplex(3, law=Dirichlet(0.001)).drawn, 1000)).all()


@pytest.mark.parametrize("space", [Bezier(2), Bezier(3), Bezier(5), Chain(4), Line(), Simplex(3)], ids=str)
def test_ends_are_the_end_networks_to_the_last_bit(space):
    fixed, theta = begin(space)
    last = space.vertices - 1
    curve = isinstance(space, Bezier | Chain) or last == 1
    for i in (0, last):
        vertex = jax.tree.map(lambda a, i=i: a[i], theta)
        assert tree.equal(weights_at(space, fixed, theta, f"vertex{i}"), vertex)
        if curve:
            assert tree.equal(weights_at(space, fixed, theta, "0" if i == 0 else "1.0"), vertex)
    middle = weights_at(space, fixed, theta, "midpoint")
    assert tree.equal(middle, weights_at(space, fixed, theta, ""))


def test_points_of_curves_by_hand():
    space = Bezier(3)
    fixed, theta = begin(space)
    a, bend, b = (np.asarray(theta["conv"]["kernel"][i]) for i in range(3))
    middle = weights_at(space, fixed, theta, "midpoint")["conv"]["kernel"]
    np.testing.assert_allclose(middle, (a + b) / 4 + bend / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(Chain(4).placed((0.5,)), [0, 0.5, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(Chain(3).placed((0.25,)), [0.5, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(Bezier(4).placed((0.25,)), [27 / 64, 27 / 64, 9 / 64, 1 / 64], rtol=1e-6)


def test_the_distance_between_a_point_and_its_mirror():
    space = Line()
    fixed, theta = begin(space)
    whole = tree.distance(*(weights_at(space, fixed, theta, f"vertex{i}") for i in (0, 1)))
    for alpha in (0.0, 0.2, 0.45, 0.5):
        pair = (weights_at(space, fixed, theta, str(a)) for a in (alpha, 1 - alpha))
        np.testing.assert_allclose(tree.distance(*pair), abs(1 - 2 * alpha) * whole, rtol=1e-5, atol=1e-5)


def test_equal_coefficients_make_layerwise_equal_to_global():
    one, each = Simplex(3), Simplex(3, layerwise=True)
    fixed, theta = begin(one)
    place = one.draw(fixed, theta, key(Seeds(1), Stream.POINT))
    spread = Place(jnp.broadcast_to(place.coefficients, (4, 3)), place.pair)
    assert tree.equal(one.weights(fixed, theta, place), each.weights(fixed, theta, spread))
    assert tree.equal(one.point(fixed, theta, "midpoint"), each.point(fixed, theta, "midpoint"))


def test_every_module_has_a_draw_of_its_own_and_its_leaves_share_it():
    space = Simplex(3, layerwise=True)
    fixed, theta = begin(space)
    c = space.draw(fixed, theta, key(Seeds(1), Stream.POINT)).coefficients
    drawn = dict(zip(tree.paths(theta), np.asarray(c), strict=True))
    np.testing.assert_array_equal(drawn["norm/scale"], drawn["norm/bias"])
    distinct = {tuple(row) for row in np.asarray(c)}
    assert len(distinct) == 3
    np.testing.assert_allclose(c.sum(1), 1, atol=1e-6)


def test_the_penalty_is_beta_cos_squared_of_all_kernels_as_one_vector():
    space = Line(beta=0.7)
    fixed, theta = begin(space)
    kernels = [np.concatenate([np.ravel(theta[m]["kernel"][i]) for m in ("conv", "out")]) for i in (0, 1)]
    s = kernels[0] @ kernels[1]
    square = s**2 / (kernels[0] @ kernels[0]) / (kernels[1] @ kernels[1])
    place = space.point(fixed, theta, "")
    value, slope = jax.value_and_grad(lambda t: space.penalty(fixed, t, place))(theta)
    np.testing.assert_allclose(value, 0.7 * square, rtol=1e-5)
    found = [np.concatenate([np.ravel(slope[m]["kernel"][i]) for m in ("conv", "out")]) for i in (0, 1)]
    norms = [k @ k for k in kernels]
    for i, (own, other) in enumerate((kernels, kernels[::-1])):
        expected = 0.7 * 2 * s / (norms[0] * norms[1]) * (other - s / norms[i] * own)
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[i] @ own, 0, atol=1e-5)  # so that it never shrinks a vertex
    assert not any(np.any(slope["norm"][name]) for name in ("scale", "bias"))
    # The plus sign: going down its slope makes vertices more orthogonal.
    after = jax.tree.map(lambda a, g: a - 0.1 * g, theta, slope)
    assert space.penalty(fixed, after, place) < value


def test_vertices_of_zeros_have_no_penalty_and_no_slope():
    a = [jnp.zeros(3), jnp.ones(2)]
    counted = jnp.asarray([True, False])
    value, slope = jax.value_and_grad(lambda a: cosine_squared(a, [jnp.ones(3), jnp.ones(2)], counted))(a)
    assert value == 0
    assert all(not np.any(leaf) for leaf in slope)
    huge = [jnp.full(3, 1e12), jnp.ones(2)]
    np.testing.assert_allclose(cosine_squared(huge, huge, counted), 1.0, rtol=1e-6)


def test_pairs_are_drawn_evenly_and_beta_is_an_array():
    space = Simplex(4)
    fixed, theta = begin(space)
    pairs = many(lambda k: space.draw(fixed, theta, k).pair, 12_000)
    np.testing.assert_allclose(np.bincount(pairs.astype(int)) / 12_000, 1 / 6, atol=0.015)
    assert jax.tree.structure(Line(beta=0.0)) == jax.tree.structure(Line(beta=2.0))
    place = space.point(fixed, theta, "")
    traced = jax.jit(lambda space: space.penalty(fixed, theta, place))
    values = [traced(Simplex(4, beta=beta)) for beta in (0.0, 1.0, 2.0)]
    assert values[0] == 0
    np.testing.assert_allclose(values[2], 2 * values[1], rtol=1e-6)
    assert traced._cache_size() == 1
    assert float(dataclasses.replace(space, beta=None).penalty(fixed, theta, place)) == 0


def test_decay_on_the_point():
    space = Line(beta=None, decay=0.3)
    fixed, theta = begin(space)
    place = space.point(fixed, theta, "0.25")
    norm = tree.squared_norm(space.weights(fixed, theta, place))
    np.testing.assert_allclose(space.penalty(fixed, theta, place), 0.15 * norm, rtol=1e-6)


RUN = functools.partial(small_run, 3, model="fc:widths=8", batch=32)
VERTICES = (Snapshot("end", coordinates=True),)
ONE = Recipe(Sgd(0.5), "1it", batch=32)


def moved(space):
    """Coordinates before and after one step of plain gradient descent; each reading keeps what is there."""
    run = RUN(space=space, recipe=ONE)
    return [outputs_of(run, VERTICES, stretches)[0]["coordinates"] for stretches in ([0], [0, 1])]


@functools.cache
def alone():
    return moved(Full())


@pytest.mark.parametrize(("m", "compensate"), [(2, False), (3, False), (3, True)])
def test_a_step_moves_the_centre_by_lr_over_m_of_the_gradient(m, compensate):
    """All vertices in one place make the gradient that of a run alone, wherever the point is drawn."""
    one, two = alone()
    before, after = moved(Simplex(m, beta=None, starts=(one,) * m, compensate=compensate))

    def check(a, b, own, then):
        whole = then - own
        assert np.abs(whole).max() > 1e-3
        np.testing.assert_allclose((b - a).mean(0), whole / (1 if compensate else m), rtol=1e-3, atol=2e-6)

    jax.tree.map(check, before, after, one, two)


def test_the_first_vertex_starts_as_a_run_alone_and_others_apart():
    start, own = moved(Line())[0], alone()[0]
    for path, leaf in tree.flat_dict(own).items():
        stacked = tree.flat_dict(start)[path]
        np.testing.assert_allclose(stacked[0], leaf, rtol=1e-5, atol=1e-6)  # programs round differently
        if path.endswith("kernel"):
            assert abs(np.corrcoef(np.ravel(stacked[0]), np.ravel(stacked[1]))[0, 1]) < 0.3


def test_frozen_ends_stay_and_bends_start_between_them():
    x = example((8, 8, 1))
    model = zoo.make("fc:widths=8", (8, 8, 1), 10)
    draw = jax.jit(lambda k: model.init(k, jnp.zeros(x.shape))[0])
    ends = [draw(jax.random.key(i, impl="threefry2x32")) for i in (5, 6)]
    space = Chain(3, starts=(ends[0], None, ends[1]), frozen=(0, -1), bends="between", decay=1e-3, beta=None)
    start, end = moved(space)
    for i, own in ((0, ends[0]), (2, ends[1])):
        for vertices in (start, end):
            assert tree.equal(jax.tree.map(lambda a, i=i: a[i], vertices), jax.device_get(own))
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *ends)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=1e-6), start, mean)
    assert float(tree.distance(*(jax.tree.map(lambda a: a[1], v) for v in (start, end)))) > 1e-3


MASK = jax.tree.map(lambda leaf: jnp.arange(leaf.size).reshape(leaf.shape) % 2 == 0, sample(Keys(Seeds(0))))
OTHER = jax.tree.map(jnp.logical_not, MASK)


def test_a_line_of_one_ticket_stays_in_the_ticket():
    space = Compose(Masked(MASK), Line())
    fixed, theta = begin(space)
    for name in ("0", "0.3", "vertex1", "sample4"):
        weights = weights_at(space, fixed, theta, name)
        jax.tree.map(lambda w, m: np.testing.assert_array_equal(np.asarray(w) != 0, m), weights, MASK)
    assert space.masked


def test_a_line_between_different_tickets_meets_each_at_its_end():
    space = Compose(Line(), Each((Masked(MASK), Masked(OTHER))))
    fixed, theta = begin(space)
    for name, mask in (("0", MASK), ("1", OTHER)):
        weights = weights_at(space, fixed, theta, name)
        jax.tree.map(lambda w, m: np.testing.assert_array_equal(np.asarray(w) != 0, m), weights, mask)
    middle = weights_at(space, fixed, theta, "midpoint")
    assert all(np.all(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(middle))
    # Kernels of disjoint tickets are orthogonal as they are.
    assert float(space.penalty(fixed, theta, space.point(fixed, theta, ""))) == 0


def test_a_line_inside_an_affine_subspace_lies_in_it():
    space = Compose(Affine(Gaussian(3), spread=0.5), Line())
    fixed, theta = begin(space)
    assert theta.shape == (2, 3)
    origin = fixed[0][0]
    points = [
        tree.ravel(weights_at(space, fixed, theta, name))[0] - tree.ravel(origin)[0]
        for name in ("0", "0.25", "1")
    ]
    assert np.linalg.matrix_rank(np.stack([*np.asarray(points)]), tol=1e-4) == 2
    np.testing.assert_allclose(points[1], 0.75 * points[0] + 0.25 * points[2], atol=1e-5)
    assert float(space.penalty(fixed, theta, space.point(fixed, theta, ""))) > 0


def test_parts_of_each_are_drawn_by_themselves():
    space = Each((Affine(Gaussian(3)), Affine(Gaussian(3)), Full()))
    stacked = Line().coordinates(LAYOUT)
    with pytest.raises(InputError, match="3 spaces, but lies in coordinates of 2 vertices"):
        space.check(stacked)
    with pytest.raises(InputError, match="3 spaces, but lies in coordinates of "):
        space.check(LAYOUT)
    layout = Simplex(3).coordinates(LAYOUT)
    space.check(layout)
    start = begin(Simplex(3), 4)[1]
    fixed, theta = space.init(Keys(Seeds(0)), lambda _: start, layout)
    assert not tree.equal(fixed[0], fixed[1])
    assert tree.paths(theta) == ("0", "1", "2/conv/kernel", "2/norm/bias", "2/norm/scale", "2/out/kernel")
    assert set(space.coordinates(layout).paths()) == set(tree.paths(theta))


def test_stacked_layout_keeps_what_leaves_are():
    layout = Simplex(3).coordinates(LAYOUT)
    leaf = layout["conv/kernel"]
    assert (leaf.shape, leaf.fan_axes, leaf.out_axis, leaf.fan_in) == ((3, 3, 4), (1,), 2, 3)
    assert layout.paths("kernel") == LAYOUT.paths("kernel")


def test_cresnet20_starts_where_the_sheet_says():
    """√(2 · 2 Σ channels) = 56.36, cos² about 1 / 270,896 times a heavy factor: 1e-5."""
    model = zoo.make("cresnet20", (32, 32, 3), 10)
    x = example((32, 32, 3))
    layout = model.layout(x)
    kernels = layout.paths("kernel")
    assert len(kernels) == 22

    @jax.jit
    def vectors(keys):
        def one(k):
            flat = tree.flat_dict(model.init(k, jnp.zeros(x.shape))[0])
            return jnp.concatenate([flat[path].ravel() for path in kernels])

        return jax.lax.map(one, keys)

    v = np.asarray(vectors(jax.random.split(jax.random.key(0, impl="threefry2x32"), 24)), np.float64)
    assert v.shape[1] == 270_896
    channels = sum(layout[path].shape[-1] for path in kernels)
    np.testing.assert_allclose(np.linalg.norm(v, axis=1).mean(), np.sqrt(2 * channels), rtol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(v[:12] - v[12:], axis=1).mean(), 56.36, rtol=3e-3)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    squares = (unit @ unit.T)[np.triu_indices(24, 1)] ** 2
    assert 0.8e-5 < squares.mean() < 1.5e-5


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Simplex(1), r"vertices of Simplex is 1, but must lie in \[2, inf\). One vertex is Full\(\)"),
        (lambda: Bezier(1), "vertices of Bezier is 1"),
        (lambda: Line(beta=-1.0), r"beta is -1.0, but must lie in \[0, inf\). 0 switches"),
        (lambda: Line(decay=-0.1), "decay is -0.1"),
        (lambda: Simplex(3, law=Beta(1.0, 2.0)), "not on a simplex of 3; give Dirichlet"),
        (lambda: Beta(0.0, 1.0), "a of Beta is 0.0"),
        (lambda: Line(law="uniform"), r"law of Simplex is 'uniform' of type str; give Uniform\(\)"),
        (lambda: Line(frozen=(0, 1)), "all 2 vertices are frozen"),
        (lambda: Line(frozen=(2,)), "a frozen vertex is 2"),
        (lambda: Line(starts=(None,)), "starts is 1 of them, but must be a tuple of 2"),
        (lambda: Bezier(3, bends="betwen"), "did you mean 'between'"),
        (lambda: Each((Line(compensate=True), Full())), "some of Each.spaces compensate"),
        (lambda: Each((Full(), 3)), r"Each.spaces\[1\] is of type int"),
    ],
)
def test_what_makes_no_sense_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()


@pytest.mark.parametrize("name", ["1.5", "-0.1", "nan", "0.2:0.9", "0.2:0.3:0.5", "vertex2", "1e999", ""])
def test_points_outside_are_refused(name):
    for space in (Line(), Bezier(2)):
        fixed, theta = begin(space)
        if not name:
            assert space.point(fixed, theta, name).pair == 0
            continue
        with pytest.raises(InputError, match=rf"no point '{name}'; it has 'midpoint' \(the default\)"):
            space.point(fixed, theta, name)


def test_stored_networks_of_another_kind_are_refused_by_name():
    whole = sample(Keys(Seeds(0)))
    missing = {name: part for name, part in whole.items() if name != "norm"}
    extra = whole | {"more": {"kernel": jnp.ones(3)}}
    shape = whole | {"out": {"kernel": jnp.ones((4, 3))}}
    for start, text in (
        (missing, "vertex 1 of 'line' belongs to another architecture: it has no leaf 'norm/scale'"),
        (extra, "the model has no leaf 'more/kernel'"),
        (shape, r"its leaf 'out/kernel' has shape \(4, 3\), the model's \(4, 2\)"),
    ):
        space = Line(starts=(None, start))
        for act in (lambda s=space: s.check(LAYOUT), lambda s=space: begin(s)):
            with pytest.raises(InputError, match=text):
                act()


def test_a_line_is_a_simplex_and_its_defaults_are_the_paper_s():
    assert Line() == Simplex(2) == Simplex(2, beta=1.0, law=Uniform())
    assert (Line().name, Simplex(3).name, Bezier(3).name, Chain(5).name) == (
        "line", "simplex(3)", "bezier(3)", "chain(5)",
    )  # fmt: skip


def test_each_part_of_a_batch_has_a_draw_of_its_own():
    run = RUN(space=Line(beta=None), recipe=Recipe(Sgd(0.5), "1it", batch=8, samples=2))
    layout = run.model.layout(example((8, 8, 1)))
    space, t = run.space, jnp.int32(0)

    def draw(keys):
        return run.model.init(keys(Stream.INIT), jnp.zeros((1, 8, 8, 1)))[0]

    fixed, theta = jax.jit(lambda: space.init(Keys(run.seeds), draw, layout))()
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(8, 8, 8, 1)), jnp.float32), jnp.asarray(rng.integers(0, 10, 8))
    found = jax.jit(lambda a: gradient(run, fixed, a, {}, (x, y, jnp.ones(8)), t).theta)(theta)

    def loss(theta):
        total, places = jnp.zeros(()), []
        for number, rows in enumerate((slice(0, 4), slice(4, 8))):
            own = jax.random.fold_in(key(run.seeds, Stream.POINT, 0), jnp.uint32(number))
            places.append(space.draw(fixed, theta, own))
            weights = space.weights(fixed, theta, places[-1])
            outputs = run.model.apply(weights, {}, x[rows], train=True, key=own)[0]
            total = total + jnp.sum(run.task.loss(outputs, y[rows])) / 8
        return total, places

    expected, places = jax.jit(jax.grad(loss, has_aux=True))(theta)
    assert abs(places[0].coefficients[0] - places[1].coefficients[0]) > 1e-3
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected)


@pytest.mark.parametrize("inner", [Full(), Each((Full(), Full())), Compose(Full(), Full())])
def test_vertices_that_would_move_in_another_space_s_coordinates_are_not_called_frozen(inner):
    with pytest.raises(InputError, match=r"frozen, but in .* are trained, which would move them"):
        Compose(Line(frozen=(0,)), inner).check(LAYOUT)
    Compose(Affine(Gaussian(3), spread=0.1), Line(frozen=(0,))).check(LAYOUT)


def test_mixtures_of_mixtures_draw_each_point_by_itself():
    space = Compose(Simplex(2), Simplex(2))
    fixed, theta = begin(space)
    outer, inner = space.draw(fixed, theta, key(Seeds(0), Stream.POINT))
    assert not np.allclose(jax.tree.leaves(outer)[0], jax.tree.leaves(inner)[0])
    assert (space.version, Compose(Line(), Full()).version) == (2, 1)


def test_parts_of_each_begin_at_the_vertices_of_one_start():
    space = Compose(Chain(3, bends="between"), Each((Full(),) * 3))
    fixed, theta = begin(space)
    ends, bend = [weights_at(space, fixed, theta, name) for name in ("0", "1")], theta["1"]
    jax.tree.map(lambda a, b, m: np.testing.assert_allclose(m, (a + b) / 2, atol=1e-6), *ends, bend)


def test_clipping_counts_what_moves():
    run = RUN(space=Full(), recipe=dataclasses.replace(ONE, clip=1.0))
    object.__setattr__(run.recipe, "length", jnp.int32(1))  # as within a program
    theta, slope = (
        {"a": jnp.zeros(2), "b": jnp.zeros(2)},
        {"a": jnp.array([3.0, 4]), "b": jnp.array([0.3, 0.4])},
    )
    free = {"a": jnp.zeros(2, bool), "b": jnp.ones(2, bool)}
    with jax.numpy_dtype_promotion("standard"):
        state = run.recipe.optimiser.direction().init(theta)
    change, _, lr = update(run, free, theta, state, slope, jnp.int32(0), 1)
    np.testing.assert_allclose(change["b"], -lr * slope["b"], rtol=1e-6)
    np.testing.assert_array_equal(change["a"], 0)
