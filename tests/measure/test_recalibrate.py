"""Statistics estimated anew: against numpy in every library, for odd states, in lanes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.models import nets
from tests.training.harness import train
from weightspace import tree
from weightspace.data.base import Data
from weightspace.data.order import content_order, spread_order
from weightspace.data.sources.arrays import from_arrays
from weightspace.data.task import Task
from weightspace.errors import InputError
from weightspace.measure.network import Network, Part
from weightspace.measure.recalibrate import AHEAD, recalibrated
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx
from weightspace.precision import Precision
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.sweeps.cohorts import prepare
from weightspace.sweeps.requests import Request
from weightspace.training import program

NETS = {
    "nnx": (functools.partial(from_nnx, nets.NnxNet), "first/kernel", "last/kernel"),
    "linen": (functools.partial(from_linen, nets.LinenNet), "first/kernel", "last/kernel"),
    "equinox": (functools.partial(from_equinox, nets.EquinoxNet), "first/weight", "last/weight"),
    "function": (
        functools.partial(from_function, nets.function_init, nets.function_apply), "first/0", "last/0",
    ),
}  # fmt: skip
TINY = "resnet20:widths=4,blocks=1"
RECALIBRATED = Evaluation(("train", "test"), statistics="recalibrated")


@pytest.fixture(params=NETS)
def library(request):
    return request.param


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@functools.cache
def data(size, validation=0, *, twice=False):
    """Inputs far from zero mean and unit variance, so that wrong statistics tell."""
    rng = np.random.default_rng(size)
    x = rng.normal([3, -2, 0], [2, 1, 5], (size + 60, nets.INPUTS)).astype(np.float32)
    y = rng.integers(0, nets.OUTPUTS, size + 60)
    test = slice(0, size) if twice else slice(size, None)
    source = from_arrays(x[:size], y[:size], x[test], y[test])
    return Data(source, normalise="none", validation=validation)


def resting(library, examples, length="5it", batch=64, **changes):
    """A run whose weights do not move; only its state does."""
    model = NETS[library][0](width=nets.WIDTH)
    recipe = Recipe(Sgd(0.0), length, batch=batch)
    return Run(model, Task(examples, CrossEntropy()), Full(), recipe, Seeds(0), **changes)


def averaged(hidden):
    """Means and variances of batches of 500 and of the rest, weighted by their examples."""
    parts = [hidden[i : i + 500] for i in range(0, len(hidden), 500)]
    sizes = [len(part) for part in parts]
    return (np.average([f(part, 0) for part in parts], 0, sizes) for f in (np.mean, np.var))


def by_hand(library, run, weights):
    """Test loss of the dense net with batch normalisation by means over batches, in float64."""
    flat = {path: np.asarray(leaf, np.float64) for path, leaf in tree.flat_dict(weights).items()}
    first, last = (flat[path].T if library == "equinox" else flat[path] for path in NETS[library][1:])
    biases = [flat.get(f"{name}/bias", flat.get(f"{name}/1")) for name in ("first", "last")]
    loaded, rows = run.task.data.source.loaded, run.task.data.partition(run.seeds).train
    order = np.asarray(content_order(loaded.train.x, rows=rows))
    hidden = loaded.train.x[order].astype(np.float64) @ first + biases[0]
    mean, var = averaged(hidden)
    test = loaded.test.x.astype(np.float64) @ first + biases[0]
    outputs = np.tanh((test - mean) / np.sqrt(var + 1e-5)) @ last + biases[1]
    chosen = outputs[np.arange(len(outputs)), loaded.test.y]
    return np.mean(np.log(np.exp(outputs).sum(1)) - chosen)


def test_the_loss_is_that_of_statistics_averaged_by_example(library):
    """1,150 examples are two batches of 500 and one of 150; running statistics are young."""
    run = resting(library, data(1_300, validation=150), length="3it")
    (weights,), records, _ = train([run], (RECALIBRATED,), stretches=[0, 3])
    np.testing.assert_allclose(records["test_loss"][:, 0], by_hand(library, run, weights), rtol=1e-5)


def test_running_statistics_converge_towards_it_where_every_batch_is_the_same(library):
    """Both parts of the data hold the same 500 examples, so that two probes can measure them."""
    run = resting(library, data(500, twice=True), length="60it", batch=500)
    probes = (Evaluation(("train",), statistics="recalibrated"), Evaluation(("test",)))
    _, records, _ = train([run], probes, stretches=[0, 60])
    new, running = records["train_loss"][:, 0], records["test_loss"][:, 0]
    np.testing.assert_allclose(new, running[-1], rtol=1e-5)
    assert abs(running[0] - running[1]) > 5e-4


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_in_other_precisions(dtype):
    run = resting("nnx", data(1_300), length="3it", precision=Precision(dtype))
    (weights,), records, _ = train([run], (RECALIBRATED,), stretches=[3])
    rtol = {"float64": 1e-12, "bfloat16": 2e-2}[dtype]
    np.testing.assert_allclose(records["test_loss"][0, 0], by_hand("nnx", run, weights), rtol=rtol)


def test_an_untrained_residual_network_alone_and_in_lanes():
    runs = [small_run(s, model=TINY, length="2it", batch=32, lr=0.0) for s in range(2)]
    both, alone, unbatched = (
        train(some, (Evaluation(("test",), statistics="recalibrated"),), lanes=lanes, stretches=[0, 2])[1]
        for some, lanes in ((runs, 2), (runs[:1], 2), (runs[:1], 1))
    )
    for name, values in both.items():
        assert np.all(np.isfinite(values))
        np.testing.assert_array_equal(values[0], values[1])
        assert values[:, 0].tobytes() == alone[name][:, 0].tobytes()
        np.testing.assert_allclose(values[:, 0], unbatched[name][:, 0], rtol=1e-4)
    assert not np.array_equal(both["test_loss"][:, 0], both["test_loss"][:, 1])


def trace_reading(run, probe):
    """Read a probe at the start; nothing is compiled."""
    resolved, _, groups = prepare(Request(run, (probe,), (0,)), {})
    given = jax.tree.unflatten(resolved.structure, resolved.leaves)
    feed = jax.device_put(program.Feed(run.task.data.arrays(), spread_order(run.task.data.size)))
    own = program.Program((probe,), groups)
    jax.eval_shape(lambda: own.read(given, feed, *own.start(given, feed), jnp.int32(0), 0))


def test_it_is_estimated_once_for_all_splits(monkeypatch):
    calls, original = [], program.recalibrated
    monkeypatch.setattr(program, "recalibrated", lambda *a, **k: calls.append(None) or original(*a, **k))
    trace_reading(resting("nnx", data(1_300)), RECALIBRATED)
    assert len(calls) == 1


def test_a_model_without_statistics_costs_nothing():
    def never(_):
        raise AssertionError

    part = Part(jnp.zeros((600, 8, 8, 1)), jnp.zeros(600), jnp.arange(600))
    for state in ({}, {"steps": jnp.int32(3)}):
        assert recalibrated(small_run(0), Network({}, state), part, never) is state


def odd_init(key, x):
    state = {
        "mean": jnp.zeros(3), "slow": jnp.full(3, 5.0), "largest": jnp.float32(7.5), "sum": jnp.ones(3),
        "weight": jnp.float32(0.25), "steps": jnp.int32(4), "fresh": jnp.array(True), "rest": jnp.ones(2),
    }  # fmt: skip
    return {"w": jnp.full((3, 2), 2.0)}, state


def odd_apply(weights, x, *, train, state):
    """Running means, one of them corrected for its youth, beside all else that a state may hold."""
    if not train:
        return (x - state["mean"] / (1 - 0.5 ** state["steps"])) @ weights["w"], state
    mean = x.mean(0)
    after = {
        "mean": 0.5 * state["mean"] + 0.5 * mean,
        "slow": 0.99 * state["slow"] + 0.01 * x.var(0) * 1e4,
        "largest": jnp.maximum(state["largest"], jnp.abs(x).max()),
        "sum": state["sum"] + mean,
        "weight": 0.9 * state["weight"] + 0.1 * jnp.sum(weights["w"] ** 2),
        "steps": state["steps"] + 1,
        "fresh": jnp.array(False),
        "rest": state["rest"],
    }
    return (x - mean) @ weights["w"], after


def odd(weights=None, x=None, *, pooled=False):
    model = from_function(odd_init, odd_apply)
    run = dataclasses.replace(resting("nnx", data(1_300)), model=model)
    own, state = model.init(jax.random.key(0), jnp.zeros((1, 3)))
    x = jnp.asarray(data(1_300).source.loaded.train.x if x is None else x)
    part = Part(x, jnp.zeros(len(x)), None)
    estimate = jax.jit(lambda w, s: recalibrated(run, Network(w, s), part, jnp.asarray, pooled=pooled))
    ordered = np.asarray(x, np.float64)[np.asarray(content_order(x))]
    return state, estimate(weights or own, state), ordered


def test_leaves_that_are_no_statistics_of_batches_keep_the_value_of_the_run():
    before, after, x = odd()
    mean, var = averaged(x)
    np.testing.assert_allclose(after["mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(after["slow"], 1e4 * var, rtol=5e-5)
    for name in ("largest", "sum", "weight", "fresh", "rest"):
        np.testing.assert_array_equal(after[name], before[name])
    assert after["steps"] == 4 + AHEAD


def test_of_many_examples_the_first_5000_are_used():
    _, after, x = odd(x=np.arange(3 * 5_700).reshape(-1, 3).astype(np.float32))
    np.testing.assert_allclose(after["mean"], x[:5_000].mean(0), rtol=1e-6)


def normalised_init(key, x):
    return {"w": jnp.ones((3, 2))}, {"norm": {"mean": jnp.zeros(3), "var": jnp.ones(3)}}


def normalised_apply(weights, x, *, train, state):
    old = state["norm"]
    new = {"mean": x.mean(0), "var": x.var(0)} if train else old
    kept = {name: 0.9 * old[name] + 0.1 * new[name] for name in old} if train else old
    return ((x - new["mean"]) / jnp.sqrt(new["var"] + 1e-5)) @ weights["w"], {"norm": kept}


def test_pooled_variances_are_those_over_all_examples():
    """The law of total variance: the mean of variances and the variance of means."""
    x = jnp.asarray(data(1_300).source.loaded.train.x) + jnp.repeat(jnp.arange(13.0), 100)[:, None]
    model = from_function(normalised_init, normalised_apply)
    run = dataclasses.replace(resting("nnx", data(1_300)), model=model)
    network = Network(*model.init(jax.random.key(0), x[:1]))
    estimate = jax.jit(lambda: recalibrated(run, network, Part(x, x, None), jnp.asarray, pooled=True))
    found, wide = estimate()["norm"], np.asarray(x, np.float64)
    np.testing.assert_allclose(found["mean"], wide.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["var"], wide.var(0), rtol=1e-5)
    with pytest.raises(InputError, match="cannot be pooled: the state has largest, mean, slow, sum"):
        odd(pooled=True)


def test_statistics_that_are_not_finite_are_seen():
    x = np.ones((600, 3), np.float32)
    x[17] = np.inf
    _, after, _ = odd(x=x)
    assert not np.any(np.isfinite(after["mean"]))


def test_a_wrong_name_gives_the_nearest():
    with pytest.raises(InputError, match="did you mean 'recalibrated'"):
        Evaluation(statistics="recalibratd")
