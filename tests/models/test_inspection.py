"""Which arrays of a network are weights, and what is refused, in each library."""

import dataclasses

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.builders import small_run
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.models.adapters.inspection import _inspected
from weightspace.models.base import example, layout_of
from weightspace.models.reach import reached
from weightspace.models.zoo import make
from weightspace.probes import Snapshot
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep

KEY = jax.random.key(0, impl="threefry2x32")
X = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)
stop = jax.lax.stop_gradient


class EquinoxBuffer(eqx.Module):
    mean: jax.Array
    order: jax.Array
    spare: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.mean, self.order = jnp.full(3, 7.0), jnp.arange(3)[::-1]
        self.out, self.spare = eqx.nn.Linear(3, 2, key=key), eqx.nn.Linear(3, 4, key=key)

    def __call__(self, x):
        return self.out((x - stop(self.mean))[self.order])


class NnxBuffer(nnx.Module):
    def __init__(self, rngs):
        self.mean, self.order = nnx.Param(jnp.full(3, 7.0)), nnx.Param(jnp.arange(3)[::-1])
        self.out, self.spare = nnx.Linear(3, 2, rngs=rngs), nnx.Linear(3, 4, rngs=rngs)

    def __call__(self, x):
        return self.out((x - stop(self.mean[...])[None])[:, self.order[...]])


class LinenBuffer(nn.Module):
    @nn.compact
    def __call__(self, x):
        mean = self.param("mean", nn.initializers.constant(7.0), (3,))
        order = self.param("order", lambda _: jnp.arange(3)[::-1])
        self.param("spare", nn.initializers.ones, (3, 4))
        return nn.Dense(2, name="out")((x - stop(mean)[None])[:, order])


def buffer_init(key, x):
    kernel = jax.random.normal(key, (3, 2))
    return {
        "mean": jnp.full(3, 7.0),
        "order": jnp.arange(3)[::-1],
        "spare": [jnp.ones(3)],
        "out": (kernel, jnp.zeros(2)),
    }


def buffer_apply(w, x):
    return (x - stop(w["mean"])[None])[:, w["order"]] @ w["out"][0] + w["out"][1][None]


BUFFERED = {
    "equinox": (from_equinox, EquinoxBuffer, "constants/mean"),
    "nnx": (from_nnx, NnxBuffer, "mean"),
    "linen": (from_linen, LinenBuffer, "params/mean"),
    "function": (lambda *pair: from_function(*pair[0]), (buffer_init, buffer_apply), "constants/mean"),
}


@pytest.fixture(params=BUFFERED.values(), ids=BUFFERED)
def buffered(request):
    adapt, network, place = request.param
    return adapt(network), place


def test_arrays_that_no_gradient_reaches_are_state(buffered):
    model, place = buffered
    weights, state = model.init(KEY, X)
    assert all(path.startswith("out") for path in tree.paths(weights))
    assert tree.size(weights) == layout_of(model, (3,), "float32").size == 8
    flat = tree.flat_dict(state)
    assert np.array_equal(flat[place], [7, 7, 7])
    assert flat[place.replace("mean", "order")].dtype == jnp.int32
    assert any("spare" in path for path in flat)
    outputs, after = model.apply(weights, state, X, train=True, key=KEY)
    assert tree.equal(after, state)
    kernel, bias = (tree.flat_dict(weights)[path] for path in layout_of(model, (3,), "float32").paths())
    kernel = kernel if kernel.shape == (3, 2) else kernel.T
    np.testing.assert_allclose(outputs, (X - 7)[:, ::-1] @ kernel + bias[None], rtol=1e-5)


def test_they_are_kept_in_other_precisions_and_found_once(buffered):
    model, _ = buffered
    weights, state = model.init(KEY, X)
    coarse, after = model.apply(tree.cast(weights, "bfloat16"), state, X, train=True, key=KEY)
    assert coarse.dtype == jnp.bfloat16
    assert tree.equal(after, state)
    before = _inspected.cache_info().misses
    layout_of(model, (3,), "float32")
    jax.eval_shape(model.init, KEY, example((3,)))
    assert _inspected.cache_info().misses == before


class Whitened(eqx.Module):
    mean: jax.Array
    out: eqx.nn.Linear

    def __init__(self, *, key):
        self.mean, self.out = jnp.full(64, 7.0), eqx.nn.Linear(64, 10, key=key)

    def __call__(self, x):
        return self.out(x.reshape(-1) - stop(self.mean))


def test_decay_does_not_move_them_and_they_are_no_coordinates(tmp_path):
    recipe = Recipe(Sgd(0.1), "3it", batch=64, decay=Decay(0.5))
    run = dataclasses.replace(small_run(recipe=recipe), model=from_equinox(Whitened))
    table = sweep([Row({}, run, Watch("end", (Snapshot("end"),)))], tmp_path)
    kept = tree.flat_dict(Store(tmp_path).output(run.digest, "snapshot(end).weights"))
    assert table["status"][0] == "ok"
    assert set(kept) == {"out/weight", "out/bias"}


class ZeroStart(nnx.Module):
    """A residual branch that starts at zero: its gradients are zero there, and it is trained."""

    def __init__(self, rngs):
        zeros = nnx.initializers.zeros
        self.first = nnx.Linear(3, 4, kernel_init=zeros, rngs=rngs)
        self.last = nnx.Linear(4, 2, kernel_init=zeros, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.remat(lambda layer, x: nnx.relu(layer(x)))(self.first, x))


class Looped(eqx.Module):
    stack: jax.Array
    held: jax.Array

    def __init__(self, *, key):
        self.stack, self.held = jax.random.normal(key, (4, 3, 3)), jnp.ones((4, 3))

    def __call__(self, x):
        step = jax.checkpoint(lambda x, both: (jnp.tanh(x @ both[0]) + stop(both[1]), None))
        return jax.lax.scan(step, x, (self.stack, self.held))[0]


@jax.custom_vjp
def sign(w):
    return jnp.sign(w)


sign.defvjp(lambda w: (jnp.sign(w), None), lambda _, g: (g,))


def signs_apply(w, x):
    """A straight-through sign has a gradient, a plain one has none."""
    return x @ sign(w["through"]) + x @ jnp.sign(w["plain"])


def signs_init(key, x):
    return {"through": jax.random.normal(key, (3, 2)), "plain": jax.random.normal(key, (3, 2))}


def test_what_is_a_weight_is_found_from_the_computation_not_from_numbers():
    assert layout_of(from_nnx(ZeroStart), (3,), "float32").size == 3 * 4 + 4 + 4 * 2 + 2
    assert layout_of(from_equinox(Looped), (3,), "float32").paths() == ("stack",)
    assert layout_of(from_function(signs_init, signs_apply), (3,), "float32").paths() == ("through",)


@pytest.mark.parametrize("name", ["fc:widths=4", "conv2"])
def test_every_weight_of_the_zoo_has_a_gradient(name):
    model = make(name, (8, 8, 1), 10)
    key, x = jax.eval_shape(lambda: KEY), example((8, 8, 1))
    weights, state = jax.eval_shape(model.init, key, x)

    def pulled(weights, state, x, one):
        made, pull = jax.vjp(lambda w: model.apply(w, state, x, train=True, key=KEY)[0], weights)
        return pull(jnp.broadcast_to(one, made.shape))

    closed = jax.make_jaxpr(pulled)(weights, state, x, 1.0)
    assert all(reached(closed, [False] * (len(closed.in_avals) - 1) + [True]))


class Complex(nn.Module):
    @nn.compact
    def __call__(self, x):
        w = self.param("w", nn.initializers.normal(dtype=jnp.complex64), (3, 2))
        return jnp.abs(x @ w)


class ComplexState(nn.Module):
    @nn.compact
    def __call__(self, x):
        phase = self.variable("spectral", "phase", lambda: jnp.ones(3, jnp.complex64))
        return nn.Dense(2)(jnp.abs(phase.value)[None] * x)


class ComplexNnx(nnx.Module):
    def __init__(self, rngs):
        self.w = nnx.Param(jnp.ones((3, 2), jnp.complex64))

    def __call__(self, x):
        return jnp.abs(x @ self.w[...])


class ComplexEquinox(eqx.Module):
    w: jax.Array

    def __init__(self, *, key):
        self.w = jnp.ones((2, 3), jnp.complex64)

    def __call__(self, x):
        return jnp.abs(self.w @ x)


class RandomKey(eqx.Module):
    out: eqx.nn.Linear
    noise: jax.Array

    def __init__(self, *, key):
        self.out, self.noise = eqx.nn.Linear(3, 2, key=key), key

    def __call__(self, x):
        return self.out(x)


class SowsLosses(nn.Module):
    @nn.compact
    def __call__(self, x):
        self.sow("losses", "size", jnp.sum(x))
        return nn.Dense(2)(x)


class Penalty(nnx.Variable):
    pass


class SowsNnx(nnx.Module):
    def __init__(self, rngs):
        self.out = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        self.size = Penalty(jnp.sum(x))
        return self.out(x)


class Words(nn.Module):
    @nn.compact
    def __call__(self, x):
        self.variable("meta", "name", lambda: "a word")
        return nn.Dense(2)(x)


class WordsNnx(nnx.Module):
    def __init__(self, rngs):
        self.out, self.name = nnx.Linear(3, 2, rngs=rngs), nnx.Variable("a word")

    def __call__(self, x):
        return self.out(x)


class Untied(eqx.Module):
    a: eqx.nn.Linear
    b: eqx.nn.Linear

    def __init__(self, *, key):
        self.a, self.b = (eqx.nn.Linear(3, 3, key=k) for k in jax.random.split(key))
        self.b = eqx.tree_at(lambda layer: layer.weight, self.b, self.a.weight)

    def __call__(self, x):
        return self.b(self.a(x))


def twice_init(key, x):
    kernel = jax.random.normal(key, (3, 3))
    return {"a": kernel, "b": kernel}


def complex_init(key, x):
    return {"w": jnp.ones((3, 2), jnp.complex64)}


def real_init(key, x):
    return {"w": jnp.ones((3, 2))}


def named_init(key, x):
    return {"w": jnp.ones((3, 2))}, {"constants": jnp.ones(2)}


def turned(w, x):
    return jnp.fft.fft(x @ w["w"])


REFUSED = {
    "linen": (lambda: from_linen(Complex), "leaf 'w' is complex64; give its real and imaginary part as two"),
    "state": (lambda: from_linen(ComplexState), "state 'spectral/phase' is complex64"),
    "nnx": (lambda: from_nnx(ComplexNnx), "leaf 'w' is complex64|has no weights"),
    "equinox": (lambda: from_equinox(ComplexEquinox), "leaf 'w' is complex64"),
    "function": (lambda: from_function(complex_init, turned), "leaf 'w' is complex64"),
    "outputs": (lambda: from_function(real_init, turned), "outputs of .* are complex64; give their absolute"),
    "key": (lambda: from_equinox(RandomKey), "leaf 'noise' is a random key"),
    "sown": (lambda: from_linen(SowsLosses), "sows 'size' into the collection 'losses', which nothing"),
    "sown in nnx": (lambda: from_nnx(SowsNnx), r"makes the variable 'size' \(Penalty\)"),
    "word": (lambda: from_linen(Words), "state 'meta/name' is a value of type str"),
    "word in nnx": (lambda: from_nnx(WordsNnx), "holds a variable that is no array and no number"),
    "a name of ours": (
        lambda: from_function(named_init, lambda w, x, *, state: (x @ w["w"], state)),
        "has a part 'constants'.*give it another name",
    ),
    "one array twice": (lambda: from_equinox(Untied), "'a/weight' and 'b/weight' .* one array.*Shared"),
    "one array twice in a function": (
        lambda: from_function(twice_init, lambda w, x: x @ w["a"] @ w["b"]),
        "leaves 'a' and 'b' of .* are one array, but would be trained apart; hold it once",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("model", "message"), REFUSED.values(), ids=REFUSED)
def test_what_nothing_later_could_see_is_refused_by_name(model, message):
    with pytest.raises(InputError, match=message):
        layout_of(model(), (3,), "float32")


def test_complex_inputs_are_refused():
    with pytest.raises(InputError, match="inputs are complex64"):
        from_function(real_init, lambda w, x: jnp.abs(x) @ w["w"]).init(KEY, X.astype(jnp.complex64))


class Coarse(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16)(x)


def test_weights_of_any_precision_are_taken_in_the_one_of_the_run():
    model = from_linen(Coarse)
    weights, state = model.init(KEY, X)
    outputs, _ = model.apply(tree.cast(weights, "float32"), state, X, train=True, key=KEY)
    assert outputs.dtype == jnp.float32  # computed in bfloat16, as the layer says
    flat = tree.flat_dict(weights)
    expected = X @ flat["Dense_0/kernel"].astype(jnp.float32)
    np.testing.assert_allclose(outputs, expected, rtol=0.02, atol=0.02)


class SetInTraining(nnx.Module):
    """A running mean that is held in a parameter."""

    def __init__(self, rngs):
        self.out, self.mean = nnx.Linear(3, 2, rngs=rngs), nnx.Param(jnp.zeros(3))

    def __call__(self, x, train):
        if train:
            self.mean[...] = 0.5 * self.mean[...] + 0.5 * jnp.mean(x, 0)
        return self.out(x - stop(self.mean[...])[None])


def test_a_parameter_without_gradient_may_still_be_set_by_its_module():
    model = from_nnx(SetInTraining)
    weights, state = model.init(KEY, X)
    for n in range(1, 3):
        _, state = model.apply(weights, state, X, train=True, key=KEY)
        np.testing.assert_allclose(state["mean"], (1 - 0.5**n) * np.mean(X, 0), rtol=1e-5)
    assert tree.equal(model.apply(weights, state, X, train=False, key=KEY)[1], state)


class Kinds(nnx.Module):
    def __init__(self, rngs):
        self.out = nnx.Linear(3, 2, rngs=rngs)
        self.count, self.flag, self.share = nnx.Variable(0), nnx.Variable(True), nnx.BatchStat(jnp.array(0.5))

    def __call__(self, x):
        self.count.set_value(self.count.get_value() + 1)
        self.flag.set_value(jnp.array(False))
        return self.out(x)


class Collections(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        count = self.variable("cache", "count", lambda: jnp.array(0))
        flag = self.variable("flags", "first", lambda: jnp.array(True))
        if train and not self.is_initializing():
            count.value, flag.value = count.value + 1, jnp.array(False)
        self.sow("intermediates", "looked_at", x)
        noise = jax.random.normal(self.make_rng("noise"), (len(x), 2)) if train else 0.0
        return nn.Dense(2)(nn.SpectralNorm(nn.Dense(4))(x, update_stats=train)) + noise


class Flags(eqx.Module):
    out: eqx.nn.Linear
    count: eqx.nn.StateIndex
    both: eqx.nn.StateIndex

    def __init__(self, *, key):
        self.out, self.count = eqx.nn.Linear(3, 2, key=key), eqx.nn.StateIndex(jnp.array(0))
        self.both = eqx.nn.StateIndex((jnp.array(True), 1.0))

    def __call__(self, x, state):
        _, size = state.get(self.both)
        state = state.set(self.both, (jnp.array(False), 2 * size))
        return self.out(x), state.set(self.count, state.get(self.count) + 1)


STATES = {
    "nnx": (from_nnx, Kinds, {"count": 2, "flag": 0, "share": 0.5}),
    "linen": (from_linen, Collections, {"cache/count": 2, "flags/first": 0}),
    "equinox": (from_equinox, Flags, {"state/0": 2, "state/1": 0, "state/2": 4}),
}


@pytest.mark.parametrize(("adapt", "network", "expected"), STATES.values(), ids=STATES)
def test_state_of_any_type_goes_round_a_loop_and_comes_back_in_its_type(adapt, network, expected):
    model = adapt(network)
    weights, state = model.init(KEY, X)

    def step(state, n):
        outputs, state = model.apply(weights, state, X, train=True, key=jax.random.fold_in(KEY, n))
        return state, outputs

    after, outputs = jax.jit(lambda state: jax.lax.scan(step, state, jnp.arange(2)))(state)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
        lambda a: (a.shape, a.dtype), state
    )
    flat = tree.flat_dict(after)
    assert {path: float(flat[path]) for path in expected} == expected
    assert np.array_equal(*outputs) == (network is not Collections)  # its noise comes from the key


class Within(eqx.Module):
    cell: eqx.nn.GRUCell
    attention: eqx.nn.MultiheadAttention
    out: eqx.nn.Linear

    def __init__(self, *, key):
        keys = jax.random.split(key, 3)
        self.cell, self.out = eqx.nn.GRUCell(1, 4, key=keys[0]), eqx.nn.Linear(4, 2, key=keys[1])
        self.attention = eqx.nn.MultiheadAttention(2, 4, key=keys[2])

    def __call__(self, x):
        h, rows = jax.lax.scan(lambda h, row: (self.cell(row[None], h),) * 2, jnp.zeros(4), x)
        return self.out(h + self.attention(rows, rows, rows).mean(0))


def test_activations_within_loops_and_inner_maps_are_not_shown():
    model = from_equinox(Within)
    found = jax.jit(lambda key: model.intermediates(*model.init(key, X), X))(KEY)
    assert set(found) == {"attention", "out", ""}
    assert found["attention"].shape == (5, 3, 4)
