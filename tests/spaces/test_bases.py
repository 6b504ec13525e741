"""What every basis must do. A new basis is one row here."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.linalg import hadamard as sylvester

import weightspace as ws
from tests.builders import small_run
from tests.spaces.test_battery import LAYOUT, begin, sample
from tests.traced import traced_seeds
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.layout import Layout, Leaf
from weightspace.spaces.bases import make_basis, names
from weightspace.spaces.bases.base import Basis
from weightspace.spaces.bases.blocks import Blocks
from weightspace.spaces.bases.fastfood import Fastfood
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.bases.hadamard import padded, permuted
from weightspace.spaces.bases.regenerated import Regenerated
from weightspace.spaces.bases.sparse import Sparse
from weightspace.spaces.bases.srht import Srht
from weightspace.spec import spec, static
from weightspace.store.base import Store
from weightspace.streams import Keys, Seeds

D, DIM = 403, 13
WIDE, MANY = 100_000, 4096


def layout_for(size):
    """Two layers and a lone leaf for the rest; the small network's where that has so many weights."""
    if size == LAYOUT.size:
        return LAYOUT
    return Layout((
        Leaf("layer_2/kernel", (20, 13), "kernel", "layer_2", 0),
        Leaf("layer_2/bias", (13,), "bias", "layer_2", 1),
        Leaf("layer_10/kernel", (13, 7), "kernel", "layer_10", 2),
        Leaf("layer_10/bias", (7,), "bias", "layer_10", 3),
        Leaf("rest", (size - 371,), "other", "", 4),
    ))  # fmt: skip


class Member(NamedTuple):
    basis: Any  # from d to the basis
    dense: Any  # its arrays as the D × d matrix, by numpy alone
    types: tuple[str, ...]  # of its arrays, in float32
    stored: float  # bytes of its arrays at D = 100,000 and d = 4096, as a share of 4 d D
    tolerance: float = 1e-6


def columns_of_rows(arrays, _):
    return np.asarray(arrays, np.float64).T


def columns_of_entries(arrays, size):
    rows, signs = np.asarray(arrays.rows), np.asarray(arrays.signs)
    dense = np.zeros((size, len(rows)))
    for j, (places, up) in enumerate(zip(rows, signs, strict=True)):
        assert len(set(places.tolist())) == len(places)
        dense[places, j] = up / np.sqrt(len(places))
    return dense


def columns_of_keys(arrays, size):
    drawn = [np.asarray(jax.random.normal(key, (size,), jnp.float32), np.float64) for key in arrays.keys]
    return np.stack([z / np.linalg.norm(z) for z in drawn], axis=1)


def columns_of_signs(arrays, size):
    n, d = padded(size), DIM if size == D else 5
    columns, rows = (np.asarray(permuted(p, n, n)) for p in (arrays.columns, arrays.rows))
    rows = np.arange(n) if n == size else rows
    matrix = sylvester(n)[rows[:size]][:, columns[:d]]
    return np.asarray(arrays.signs, float)[:, None] * matrix / np.sqrt(size)


def columns_of_weighted(arrays, size):
    n, part = padded(size), 256
    columns, rows = (np.asarray(permuted(p, n, n)) for p in (arrays.columns, arrays.rows))
    kept = sylvester(n)[rows[:size]][:, columns[:DIM]] * np.asarray(arrays.scales, np.float64)[:, None]
    turn, rest = sylvester(part) / np.sqrt(part), np.eye(size - part)
    signs = np.asarray(arrays.signs, float)[:, None]
    return block_diag(rest, turn) @ (signs * (block_diag(turn, rest) @ kept))


ORDER = {"leaf": ["layer_10/bias", "layer_10/kernel", "layer_2/bias", "layer_2/kernel", "rest"]}
"""Leaves as JAX sorts them."""


def columns_of_leaves(arrays, size):
    """Each block's coordinates from the sizes alone: one each by size, the rest by size / (2 c + 1)."""
    sizes = {"layer_2/kernel": 260, "layer_2/bias": 13, "layer_10/kernel": 91, "layer_10/bias": 7}
    sizes["rest"] = size - 371
    names_, dense = list(sizes), np.zeros((size, DIM))
    dealt = sorted(names_, key=lambda name: -sizes[name])
    while len(dealt) < DIM:
        dealt.append(max(names_, key=lambda name: sizes[name] / (2 * dealt.count(name) + 1)))
    starts = dict(zip(ORDER["leaf"], np.cumsum([0] + [sizes[name] for name in ORDER["leaf"]]), strict=False))
    for name, rows in zip(names_, arrays.arrays, strict=True):
        own = [j for j, owner in enumerate(dealt) if owner == name]
        dense[starts[name] : starts[name] + sizes[name], own] = np.asarray(rows, np.float64).T
    return dense


def columns_of_layers(arrays, size):
    """The layers' leaves lie side by side: layer_10, layer_2, the rest; three, nine and one columns."""
    sizes = {"layer_10": 98, "layer_2": 273, "rest": size - 371}
    dense, first = np.zeros((size, DIM)), 0
    dealt = ["layer_2", "layer_10", "rest"]
    while len(dealt) < DIM:
        dealt.append(max(["layer_2", "layer_10", "rest"], key=lambda n: sizes[n] / (2 * dealt.count(n) + 1)))
    by_name = dict(zip(["layer_2", "layer_10", "rest"], arrays.arrays, strict=True))
    for name, own in sizes.items():
        which = [j for j, owner in enumerate(dealt) if owner == name]
        dense[first : first + own, which] = columns_of_entries(by_name[name], own)
        first += own
    return dense


MEMBERS = {
    "gaussian": Member(Gaussian, columns_of_rows, ("float32",), 1.0),
    "orthonormal": Member(lambda d: Gaussian(d, orthonormal=True), columns_of_rows, ("float32",), 1.0, 1e-5),
    "sparse": Member(Sparse, columns_of_entries, ("int32", "int8"), 0.004),
    "sparse-given": Member(lambda d: Sparse(d, density=0.02), columns_of_entries, ("int32", "int8"), 0.025),
    "sparse-disjoint": Member(
        lambda d: Sparse(d, disjoint=True), columns_of_entries, ("int32", "int8"), 0.004
    ),
    "regenerated": Member(Regenerated, columns_of_keys, ("key<fry>", "float32"), 0.00003),
    "srht": Member(Srht, columns_of_signs, ("uint32", "uint32", "int8"), 0.000061),
    "fastfood": Member(Fastfood, columns_of_weighted, ("uint32", "uint32", "float32", "int8"), 0.000305),
    "blocks": Member(Blocks, columns_of_leaves, ("float32",) * 4, 1.0),
    "layers": Member(
        lambda d: Blocks(d, Sparse(1), by="layer"), columns_of_layers, ("int32", "int8") * 2, 0.004
    ),
}


SLOW = ("sparse-disjoint", "layers")
"""Made of other members, or tried in modules of their own too: `make slow` runs these."""


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in MEMBERS], ids=str
)
def member(request):
    return MEMBERS[request.param]


@functools.cache
def made(basis, seed=0, size=D, dtype=jnp.float32):
    return maker(basis, size, dtype)(jax.tree.map(jnp.uint32, Seeds(seed)))


@functools.cache
def maker(basis, size, dtype):
    """A function of seeds, compiled once."""
    return jax.jit(lambda seeds: basis.make(Keys(seeds), size, layout_for(size), dtype))


def vectors(seed=0, dim=DIM, size=D):
    rng = np.random.default_rng(seed)
    return rng.normal(size=dim).astype(np.float32), rng.normal(size=size).astype(np.float32)


def pulled(basis, arrays, vector, size=D):
    """Bᵀ v, as training computes it."""
    zero = jnp.zeros((basis.dim,), vector.dtype)
    return jax.vjp(lambda theta: basis.combine(arrays, theta, size), zero)[1](vector)[0]


@jax.jit
def products(basis, arrays, theta, vector):
    """B θ and Bᵀ v."""
    return basis.combine(arrays, theta, vector.size), pulled(basis, arrays, vector, vector.size)


def test_every_basis_of_the_command_line_has_a_row():
    assert {type(make_basis(name, 3)) for name in names()} == {type(m.basis(3)) for m in MEMBERS.values()}
    assert set(names()) <= set(MEMBERS)


def test_both_products_are_those_of_the_matrix(member):
    basis = member.basis(DIM)
    arrays, (theta, vector) = made(basis), vectors()
    dense = member.dense(arrays, D)
    assert dense.shape == (D, DIM)
    forward, back = products(basis, arrays, theta, vector)
    assert (forward.dtype, back.dtype) == (jnp.float32, jnp.float32)
    np.testing.assert_allclose(forward, dense @ theta, atol=2e-5)
    np.testing.assert_allclose(back, dense.T @ vector, atol=2e-5)
    # ⟨Bθ, v⟩ = ⟨θ, Bᵀv⟩
    assert np.dot(forward, vector) == pytest.approx(np.dot(theta, back), abs=1e-3)
    push = jax.jit(lambda t: jax.jvp(lambda u: basis.combine(arrays, u, D), (t,), (t,))[1])
    tangent = push(theta)
    np.testing.assert_allclose(tangent, forward, atol=1e-6)


def test_both_products_in_double_precision(member):
    with jax.enable_x64(True):
        basis = member.basis(DIM)
        arrays = made(basis, dtype=jnp.float64)
        theta, vector = (jnp.asarray(v, jnp.float64) for v in vectors())
        forward, back = products(basis, arrays, theta, vector)
        assert (forward.dtype, back.dtype) == (jnp.float64, jnp.float64)
        # The columns are float32 numbers, whatever the precision: so are the sums of their squares.
        dense = member.dense(arrays, D)
        np.testing.assert_allclose(forward, dense @ np.asarray(theta), rtol=0, atol=1e-6)
        assert float(jnp.vdot(forward, vector)) == pytest.approx(float(jnp.vdot(theta, back)), rel=1e-12)


def test_half_precision_sums_in_single(member):
    basis = member.basis(DIM)
    theta = jnp.asarray(vectors()[0])
    half = basis.combine(made(basis, dtype=jnp.bfloat16), theta.astype(jnp.bfloat16), D)
    assert half.dtype == jnp.bfloat16
    whole = np.asarray(basis.combine(made(basis), theta, D))
    assert np.linalg.norm(np.asarray(half, np.float32) - whole) < 0.01 * np.linalg.norm(whole)


def test_columns_have_the_norm_that_is_stated(member):
    """1 for each column of every basis of ours."""
    dense = member.dense(made(member.basis(DIM)), D)
    np.testing.assert_allclose(np.linalg.norm(dense, axis=0), 1, rtol=member.tolerance)


@pytest.mark.parametrize("small", [8])
def test_a_small_basis_is_the_beginning_of_a_large_one(member, small):
    few, many = made(member.basis(small)), made(member.basis(DIM))
    for a, b in zip(jax.tree.leaves(few), jax.tree.leaves(many), strict=True):
        a, b = tree.to_numbers(a), tree.to_numbers(b)[: len(a)]
        if member.tolerance > 1e-6:
            np.testing.assert_allclose(a, b, atol=member.tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def test_coordinates_that_are_zero_change_nothing(member):
    """B of d = 8 is the beginning of that of d = 13, whatever its arrays are."""
    few, many = member.basis(8), member.basis(DIM)
    theta = jnp.asarray(vectors()[0]).at[8:].set(0)
    combine = jax.jit(lambda basis, arrays, t: basis.combine(arrays, t, D))
    np.testing.assert_allclose(
        combine(few, made(few), theta[:8]), combine(many, made(many), theta), rtol=1e-5, atol=1e-6
    )


def test_seeds_differ_and_repeat(member):
    basis = member.basis(DIM)
    assert tree.equal(made(basis, 5), made(basis, 5))
    here, there = (member.dense(made(basis, seed), D) for seed in (0, 1))
    # Of two equal bases it is at least 1 / d.
    assert np.mean((here.T @ there) ** 2) < 0.3 / DIM


def test_a_space_keeps_the_types_that_make_gives(member):
    basis = member.basis(5)
    (_, arrays), _ = begin(ws.Affine(basis), 3)
    assert tuple(str(leaf.dtype) for leaf in jax.tree.leaves(arrays)) == member.types
    # Compiled with what else begins a run: the last bit of a norm may differ.
    for ours, alone in zip(
        jax.tree.leaves(arrays), jax.tree.leaves(made(basis, 3, size=LAYOUT.size)), strict=True
    ):
        if jnp.issubdtype(alone.dtype, jnp.floating):
            np.testing.assert_allclose(ours, alone, rtol=1e-6)
        else:
            assert tree.equal(ours, alone)


def test_lanes_have_their_own_columns(member):
    basis, (theta, vector) = member.basis(DIM), vectors()

    def one(seed):
        arrays = basis.make(Keys(traced_seeds(seed)), D, layout_for(D), jnp.float32)
        return basis.combine(arrays, jnp.asarray(theta), D), pulled(basis, arrays, jnp.asarray(vector))

    many = jax.jit(jax.vmap(one))(jnp.arange(3, dtype=jnp.uint32))
    for lane in range(3):
        dense = member.dense(made(basis, lane), D)
        np.testing.assert_allclose(many[0][lane], dense @ theta, atol=3e-5)
        np.testing.assert_allclose(many[1][lane], dense.T @ vector, atol=3e-5)


def test_another_seed_compiles_nothing(member):
    basis, vector = member.basis(DIM), vectors()[1]

    @jax.jit
    def gradient(seeds):
        return pulled(basis, basis.make(Keys(seeds), D, layout_for(D), jnp.float32), jnp.asarray(vector))

    found = [gradient(jax.tree.map(jnp.uint32, Seeds(seed))) for seed in range(3)]
    assert gradient._cache_size() == 1
    assert not np.array_equal(found[0], found[1])


def gradient_memory(basis, size, lanes=None):
    """Bytes of temporaries of a gradient, and of the arrays it is given; nothing is run."""
    shaped = lambda f, *a: f(*a) if lanes is None else jax.vmap(f)(*a)  # noqa: E731

    def loss(theta, arrays, offset):
        return jnp.sum((offset + basis.combine(arrays, theta, size)) ** 2)

    seeds = jax.ShapeDtypeStruct(() if lanes is None else (lanes,), jnp.uint32)
    arrays = jax.eval_shape(
        lambda s: shaped(lambda s: basis.make(Keys(traced_seeds(s)), size, layout_for(size), jnp.float32), s),
        seeds,
    )
    theta, offset = (jax.ShapeDtypeStruct((*seeds.shape, n), jnp.float32) for n in (basis.dim, size))
    compiled = jax.jit(lambda *a: shaped(jax.grad(loss), *a)).lower(theta, arrays, offset).compile()
    return compiled.memory_analysis().temp_size_in_bytes, tree.nbytes(arrays)


def test_the_gradient_takes_less_than_a_tenth_of_a_stored_basis(member):
    """At D = 100,000 and d = 4096, where a basis in float32 takes 1.6 GB; compiled, not run."""
    temporaries, stored = gradient_memory(member.basis(MANY), WIDE)
    assert stored == pytest.approx(member.stored * 4 * WIDE * MANY, rel=0.25)
    assert temporaries < 0.1 * 4 * WIDE * MANY


def test_the_memory_of_a_gradient_in_lanes():
    temporaries, _ = gradient_memory(Regenerated(512), 20_000, lanes=4)
    assert temporaries < 0.3 * 4 * 4 * 20_000 * 512


@spec
class Plain(Regenerated):
    """The same without a checkpoint."""

    dim: int = static()

    def combine(self, arrays, theta, size):
        def add(total, one):
            key, norm, part = one
            return total + part * jax.random.normal(key, (size,)) / norm, None

        return jax.lax.scan(add, jnp.zeros(size), (arrays.keys, arrays.norms, theta))[0]


def test_what_is_measured_is_what_plain_differentiation_stores():
    temporaries, _ = gradient_memory(Plain(256), 20_000)
    assert temporaries > 4 * 256 * 20_000
    assert gradient_memory(Regenerated(256), 20_000)[0] < 0.3 * temporaries


def trained(space, out, **changes):
    shape = {"model": "fc:widths=4", "lr": 1.0, "length": "20it", "batch": 32}
    runs = [small_run(s, space=space, **shape, **changes) for s in (0, 1)]
    watch = ws.Watch("20it", (ws.Evaluation(("train",)), ws.Snapshot("end")))
    table = ws.sweep([ws.Row({"seed": run.seeds.base}, run, watch) for run in runs], out)
    weights = [Store(out).output(run.digest, "snapshot(end).weights") for run in runs]
    return table, [tree.ravel(w)[0] for w in weights]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    @functools.cache
    def of(name):
        out = tmp_path_factory.mktemp(name)
        return out, *trained(ws.Affine(MEMBERS[name].basis(12)), out)

    return of


@pytest.mark.parametrize("name", names())
def test_runs_train_in_it(name, trainings):
    out, table, weights = trainings(name)
    assert set(table["status"]) == {"ok"}
    past = ws.history(out, wide=True)
    start, end = (past[past["step"] == step]["train_loss"].mean() for step in (0, 20))
    assert end < 0.97 * start
    assert np.linalg.norm(weights[0] - weights[1]) > 0


def test_regenerated_columns_are_those_of_gaussian(trainings):
    rows, keys = made(Gaussian(DIM)), made(Regenerated(DIM))
    again = jax.jit(jax.vmap(lambda unit: Regenerated(DIM).combine(keys, unit, D)))(jnp.eye(DIM))
    np.testing.assert_allclose(again, rows, rtol=5e-7, atol=1e-9)
    (_, stored), (_, drawn) = (trainings(name)[1:] for name in ("gaussian", "regenerated"))
    for a, b in zip(stored, drawn, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("dim", [1, 651])
def test_blocks_of_columns_leave_none_out(dim):
    """650 columns of 403 numbers are a block; what fills up the last one counts for nothing."""
    basis, size = Regenerated(dim), D
    arrays, (theta, _) = made(basis), vectors(dim=dim)
    rows = made(Gaussian(dim))
    found = jax.jit(basis.combine, static_argnums=2)(arrays, theta, size)
    np.testing.assert_allclose(found, theta @ rows, atol=2e-4)


# Bases of users: any arrays, also those of other nodes, and keys that an edit carries along.


@spec
class Places(ws.Derived):
    """Integers and floats for a basis."""

    seed: int

    def compute(self):
        rng = np.random.default_rng(self.seed)
        return {"rows": rng.permutation(64)[:24].astype(np.int32), "values": rng.normal(size=24)}


@spec
class Chosen(Basis):
    """Coordinate j moves the weight at place j, by an amount of its own."""

    rows: Any
    values: Any
    dim: int = static(default=24)

    @property
    def name(self):
        return "chosen"

    def make(self, keys, size, layout, dtype):
        return {"rows": self.rows, "values": self.values.astype(dtype)}

    def combine(self, arrays, theta, size):
        assert arrays["rows"].dtype == jnp.int32
        return jnp.zeros(size, theta.dtype).at[arrays["rows"]].add(theta * arrays["values"])


def test_outputs_of_other_nodes_are_a_basis(tmp_path):
    places, precision = Places(4), "float64"
    space = ws.Affine(Chosen(places.output("rows"), places.output("values")))
    table, weights = trained(space, tmp_path, precision=ws.Precision(precision))
    assert set(table["status"]) == {"ok"}
    start = tree.ravel(begin_of(precision))[0]
    moved = np.flatnonzero(np.abs(np.asarray(weights[0]) - np.asarray(start)) > 1e-5)
    assert 0 < len(moved) <= 24
    assert set(moved) <= set(places.compute()["rows"].tolist())


def begin_of(precision):
    run = small_run(0, model="fc:widths=4")
    blank = jnp.zeros((1, *run.task.data.shape))
    keys = Keys(run.seeds)
    return jax.tree.map(lambda a: np.asarray(a, precision), run.model.init(keys(ws.Stream.INIT), blank)[0])


@spec
class Careless(Basis):
    """Float32 whatever the weights' type; one weight short if asked."""

    short: int = static(default=0)
    dim: int = static(default=2)

    @property
    def name(self):
        return "careless"

    def make(self, keys, size, layout, dtype):
        return jnp.ones((self.dim, size - self.short), jnp.float32)

    def combine(self, arrays, theta, size):
        return theta.astype(jnp.float32) @ arrays


@pytest.mark.parametrize(("dtype", "short"), [(jnp.float32, 1), (jnp.bfloat16, 0)])
def test_a_product_that_does_not_fit_the_weights_is_refused(dtype, short):
    space = ws.Affine(Careless(short))
    fixed, theta = space.init(Keys(Seeds(0)), lambda keys: sample(keys, dtype), LAYOUT)
    said = (
        rf"'careless' has type float32 and shape \({26 - short},\), but the weights have type {dtype.dtype}"
    )
    with pytest.raises(InputError, match=said):
        space.weights(fixed, theta, ())
