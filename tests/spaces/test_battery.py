"""What every space must do. A new space is one row here."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.traced import traced_seeds
from weightspace import tree
from weightspace.models.layout import Layout, Leaf
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.blocks import Blocks
from weightspace.spaces.bases.fastfood import Fastfood
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.bases.regenerated import Regenerated
from weightspace.spaces.bases.sparse import Sparse
from weightspace.spaces.bases.srht import Srht
from weightspace.spaces.compose import Compose
from weightspace.spaces.curves import Bezier, Chain
from weightspace.spaces.each import Each
from weightspace.spaces.edge_popup import EdgePopup
from weightspace.spaces.full import Full
from weightspace.spaces.laws import Beta, Dirichlet
from weightspace.spaces.masked import Masked
from weightspace.spaces.simplex import Line, Simplex
from weightspace.spaces.supermask import Supermask
from weightspace.streams import Keys, Seeds, Stream, key, named

LAYOUT = Layout((
    Leaf("a/kernel", (3, 4), "kernel", "a", 0, (0,), 1),
    Leaf("a/bias", (4,), "bias", "a", 1),
    Leaf("b/kernel", (4, 2), "kernel", "b", 2, (0,), 1, output=True),
    Leaf("b/bias", (2,), "bias", "b", 3, output=True),
))  # fmt: skip
SIZE = 26

MASK = {
    "a": {"kernel": jnp.arange(12).reshape(3, 4) % 3 > 0, "bias": jnp.ones(4, bool)},
    "b": {"kernel": jnp.arange(8).reshape(4, 2) % 4 > 0, "bias": jnp.ones(2, bool)},
}
FROZEN = jax.tree.map(lambda m: jnp.linspace(-1, 1, m.size, dtype=jnp.float32).reshape(m.shape), MASK)
SINGLE = {
    "full": (Full(), SIZE),
    "affine": (Affine(Gaussian(5)), 5),
    "affine-orthonormal": (Affine(Gaussian(5, orthonormal=True)), 5),
    "affine-spread": (Affine(Gaussian(5), spread=0.1), 5),
    "affine-sparse": (Affine(Sparse(5, density=0.2)), 5),
    "affine-regenerated": (Affine(Regenerated(5)), 5),
    "affine-fastfood": (Affine(Fastfood(5)), 5),
    "affine-layers": (Affine(Blocks(5, Srht(1), by="layer")), 5),
    "masked": (Masked(MASK), 20),
    "masked-frozen": (Masked(MASK, frozen=FROZEN), 20),
    "supermask": (Supermask(), 20),
    "supermask-rescaled": (
        Supermask(logit=0.5, scale="constant", rescale="gradient", density=0.3),
        20,
    ),
    "edge-popup": (EdgePopup(0.5, scale="kaiming", compensate=True), 20),
    "line": (Line(), 2 * SIZE),
    "line-beta": (Line(layerwise=True, law=Beta(2.0, 0.5), beta=None, decay=0.1), 2 * SIZE),
    "simplex": (Simplex(4, beta=0.5, compensate=True), 4 * SIZE),
    "simplex-layerwise": (Simplex(3, layerwise=True, law=Dirichlet(0.3)), 3 * SIZE),
    "bezier": (Bezier(3, layerwise=True), 3 * SIZE),
    "bezier-ends": (Bezier(4, starts=(FROZEN, None, None, None), frozen=(0, -1), bends="between"), 2 * SIZE),
    "chain": (Chain(3), 3 * SIZE),
    "line-each": (Compose(Line(), Each((Masked(MASK), Full()))), 20 + SIZE),
}
MIXED = ("line", "line-beta", "simplex", "simplex-layerwise", "bezier", "bezier-ends", "chain", "line-each")
STRAIGHT_THROUGH = (Supermask, EdgePopup)
"""Their weights are steps of the coordinates, and the gradient is by choice not theirs."""
WITH_POINTS = {"supermask", "supermask-rescaled", *MIXED}
INNER = {"affine": (Affine(Gaussian(3), spread=0.1), 3), "full": (Full(), None)}
PAIRS = {
    f"{a} of {b}": (Compose(outer, inner), dof or outer_dof)
    for (a, (outer, outer_dof)), (b, (inner, dof)) in itertools.product(SINGLE.items(), INNER.items())
    if not outer.holds
}
SPACES = SINGLE | {
    name: PAIRS[name] for name in ("full of affine", "affine of affine", "affine of full", "line of affine")
}


def sample(keys, dtype=jnp.float32):
    k = keys(Stream.INIT)
    flat = {leaf.path: jax.random.normal(named(k, leaf.path), leaf.shape, dtype) for leaf in LAYOUT}
    return tree.nested_dict(flat)


def loss(weights):
    h = jnp.tanh(jnp.ones((1, 3)) @ weights["a"]["kernel"] + weights["a"]["bias"][None])
    out = h @ weights["b"]["kernel"] + weights["b"]["bias"][None]
    return jnp.sum((out - 1.0) ** 2)


def begin(space, seed=0):
    return space.init(Keys(Seeds(seed)), sample, LAYOUT)


def objective(space, fixed, theta, k):
    p = space.draw(fixed, theta, k)
    return loss(space.weights(fixed, theta, p)) + space.penalty(fixed, theta, p)


SLOW = ("line-beta", "simplex-layerwise", "bezier", "line-each", "line of affine")
"""Each is another member with one option more, or tried in `test_mixtures.py` too: `make slow` runs these."""


def _params(spaces, slow):
    return [pytest.param(name, marks=pytest.mark.slow, id=name) if name in slow else name for name in spaces]


@pytest.fixture(params=_params(SPACES, SLOW), ids=str)
def member(request):
    return SPACES[request.param]


def test_weights_have_the_model_s_structure(member):
    space, _ = member
    fixed, theta = begin(space)
    weights = space.weights(fixed, theta, space.point(fixed, theta, ""))
    shapes = jax.tree.map(jnp.shape, weights)
    assert shapes == jax.tree.map(jnp.shape, sample(Keys(Seeds(0))))
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype("float32")}


def test_gradient_is_that_of_finite_differences(member):
    space, _ = member
    if isinstance(space, STRAIGHT_THROUGH):
        pytest.skip("a straight-through gradient")
    with jax.enable_x64(True):
        fixed, theta = space.init(Keys(Seeds(1)), lambda keys: sample(keys, jnp.float64), LAYOUT)
        flat, back = tree.ravel(theta)
        k = key(Seeds(1), Stream.POINT)
        value = jax.jit(lambda v: objective(space, fixed, back(v), k))
        direction = jax.random.normal(key(Seeds(2), Stream.PROBE), flat.shape, jnp.float64)
        exact = jnp.vdot(jax.grad(value)(flat), direction)
        step = 1e-6
        slope = (value(flat + step * direction) - value(flat - step * direction)) / (2 * step)
        np.testing.assert_allclose(slope, exact, rtol=1e-6)


@pytest.mark.parametrize(
    "name", _params(SINGLE | PAIRS, [*SLOW, *(p for p in PAIRS if p.split()[0] in MIXED)]), ids=str
)
def test_first_step_is_finite(name):
    space, _ = (SINGLE | PAIRS)[name]
    fixed, theta = begin(space)
    g = jax.grad(lambda th: objective(space, fixed, th, key(Seeds(0), Stream.POINT)))(theta)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(g))
    assert float(tree.squared_norm(g)) > 0


def test_vmap_and_jit_agree_with_a_run_alone(member):
    space, _ = member

    def one(seed):
        seeds = traced_seeds(seed)
        fixed, theta = space.init(Keys(seeds), sample, LAYOUT)
        return jax.grad(lambda th: objective(space, fixed, th, key(seeds, Stream.POINT)))(theta)

    many = jax.jit(jax.vmap(one))(jnp.arange(3, dtype=jnp.uint32))
    alone = jax.jit(one)(jnp.uint32(2))
    jax.tree.map(lambda a, m: np.testing.assert_allclose(a, m[2], rtol=2e-4, atol=1e-5), alone, many)


def test_jit_compiles_once_whatever_the_seed(member):
    space, _ = member
    traced = jax.jit(lambda seeds: space.init(Keys(seeds), sample, LAYOUT))
    for seed in range(3):
        traced(jax.tree.map(jnp.uint32, Seeds(seed)))
    assert traced._cache_size() == 1


def test_degrees_of_freedom(member):
    space, expected = member
    fixed, theta = begin(space)
    free = space.free(fixed, theta)
    count = tree.size(theta) if free is None else sum(int(jnp.sum(f)) for f in jax.tree.leaves(free))
    assert count == expected
    assert space.coordinates(LAYOUT).size == tree.size(theta)


def test_seeds_differ_and_repeat(member):
    space, _ = member
    starts = [begin(space, s) for s in (0, 1)]
    weights = [space.weights(*start, space.point(*start, "")) for start in starts]
    assert not tree.equal(*weights)
    assert tree.equal(begin(space, 5), begin(space, 5))


@pytest.mark.parametrize("name", _params(SINGLE, SLOW))
def test_a_space_says_whether_it_has_points(name):
    space, random = SINGLE[name][0], name in WITH_POINTS
    assert space.points == random
    assert Compose(space, Full()).points == random
    # An inner space without points is handed none, whatever the outer one is asked for.
    around = Compose(Full(), space)
    assert around.points == random
    if random:
        fixed, theta = begin(around)
        assert around.point(fixed, theta, "sample1")[0] == ()
        assert not tree.equal(around.point(fixed, theta, "sample1"), around.point(fixed, theta, "sample2"))


def test_an_unknown_point_is_refused(member):
    space, _ = member
    fixed, theta = begin(space)
    with pytest.raises(ValueError, match="nowhere"):
        space.point(fixed, theta, "nowhere")
