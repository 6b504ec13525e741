"""Fault 18: whole-number inputs are names (tokens) unless a normalisation says that they are amounts."""

import dataclasses

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import weightspace as ws
from tests.builders import small_run
from weightspace.data import Data, from_arrays, make_data
from weightspace.derived.restart import Restart
from weightspace.errors import DataError, InputError
from weightspace.masks.kept import Reinit
from weightspace.models import zoo
from weightspace.models.base import layout_of, output_shape_of
from weightspace.precision import Precision
from weightspace.probes import LipschitzSet
from weightspace.sweeps.requests import Request, check_run

RNG = np.random.default_rng(0)
VOCABULARY, LENGTH, WIDTH = 30, 4, 3
TOKENS = RNG.integers(0, VOCABULARY, (200, LENGTH))
LABELS = TOKENS[:, 0] % 2


def handed(data, dtype="float32"):
    arrays = jax.device_put(data.arrays())
    return data.decode(arrays, arrays.train.x, dtype)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int16, np.uint16, np.uint32])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_tokens_are_handed_on_as_they_are(kind, dtype):
    data = Data(from_arrays(TOKENS.astype(kind), LABELS, TOKENS, LABELS))
    found = handed(data, dtype)
    assert found.dtype == jnp.int32
    assert np.array_equal(found, TOKENS)
    assert data.input_dtype(dtype) == "int32"
    data.check()
    assert data.digest == Data(from_arrays(TOKENS, LABELS, TOKENS, LABELS), normalise="none").digest


def test_truth_values_and_single_tokens():
    truth = handed(Data(from_arrays(TOKENS > 3, LABELS)))
    assert (truth.dtype, int(truth.min()), int(truth.max())) == (jnp.int32, 0, 1)
    assert handed(Data(from_arrays(TOKENS[:, 0], LABELS))).shape == (160, 1)
    negative = handed(Data(from_arrays(TOKENS - 1, LABELS)))
    assert int(negative.min()) == -1


@pytest.mark.parametrize("rule", ["standard", "mean_image"])
def test_a_normalisation_says_that_they_are_amounts(rule):
    data = Data(from_arrays(TOKENS, LABELS, TOKENS, LABELS), normalise=rule)
    found = np.asarray(handed(data))
    assert (found.dtype, data.input_dtype("float32")) == (np.float32, "float32")
    # One axis of four tokens: each is a channel, with statistics of its own.
    spread = TOKENS.std(axis=0) if rule == "standard" else 1
    assert np.abs(found - (TOKENS - TOKENS.mean(axis=0)) / spread).max() < 1e-5


def test_a_full_scale_says_so_too():
    data = Data(from_arrays(TOKENS.astype(np.uint16), LABELS, full_scale=VOCABULARY))
    assert (data.rule, handed(data).dtype) == ("mean_image", jnp.float32)
    with pytest.raises(InputError, match="divides by the full scale"):
        Data(from_arrays(TOKENS, LABELS), normalise="unit").check()


def test_images_of_uint8_and_floats_are_amounts_as_before():
    assert Data(from_arrays(TOKENS.astype(np.uint8), LABELS)).rule == "mean_image"
    assert handed(Data(from_arrays(TOKENS.astype(np.uint8), LABELS), normalise="none")).dtype == jnp.float32
    assert Data(from_arrays(TOKENS.astype(float), LABELS)).rule == "mean_image"


def test_the_default_is_no_part_of_the_digest():
    """Digests are those of `mean_image`, which was the default's name."""
    x = RNG.normal(size=(60, 4)).astype(np.float32)
    plain, named = (
        Data(from_arrays(x, LABELS[:60])),
        Data(from_arrays(x, LABELS[:60]), normalise="mean_image"),
    )
    assert plain == named
    assert plain.canonical["normalise"] == "mean_image"


def test_names_that_int32_does_not_hold():
    ids = TOKENS + 2**40
    data = Data(from_arrays(ids, LABELS))
    for refused in (data.check, data.arrays):
        with pytest.raises(InputError, match="must fit int32: number them from 0; if they are amounts"):
            refused()
    Data(from_arrays(ids, LABELS), normalise="standard").check()
    with pytest.raises(DataError, match="more than int64 holds"):
        from_arrays(np.full((40, 2), 2**64 - 1, np.uint64), np.arange(40) % 2)


def test_both_parts_are_of_one_type():
    small, large = TOKENS, TOKENS + 2**40
    data = Data(from_arrays(small, LABELS, large, LABELS), normalise="standard")
    assert data.source.loaded.train.x.dtype == data.source.loaded.test.x.dtype == np.int64
    with pytest.raises(DataError, match="must be of one shape and type"):
        from_arrays(TOKENS, LABELS, TOKENS.astype(float), LABELS)


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.e = nnx.Embed(VOCABULARY, WIDTH, rngs=rngs)
        self.o = nnx.Linear(LENGTH * WIDTH, 2, rngs=rngs)

    def __call__(self, x):
        return self.o(self.e(x).reshape(len(x), -1))


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.Embed(VOCABULARY, WIDTH)(x).reshape(len(x), -1))


class Equinox(eqx.Module):
    e: eqx.nn.Embedding
    o: eqx.nn.Linear

    def __init__(self, key):
        one, two = jax.random.split(key)
        self.e = eqx.nn.Embedding(VOCABULARY, WIDTH, key=one)
        self.o = eqx.nn.Linear(LENGTH * WIDTH, 2, key=two)

    def __call__(self, x):
        return self.o(jax.vmap(self.e)(x).reshape(-1))


def init(key, x):
    one, two = jax.random.split(key)
    return {
        "e": {"embedding": jax.random.normal(one, (VOCABULARY, WIDTH))},
        "o": {"kernel": jax.random.normal(two, (LENGTH * WIDTH, 2))},
    }


def look_up(weights, x):
    return weights["e"]["embedding"][x].reshape(len(x), -1) @ weights["o"]["kernel"]


MODELS = {
    "nnx": ws.from_nnx(Nnx),
    "linen": ws.from_linen(Linen),
    "equinox": ws.from_equinox(Equinox),
    "function": ws.from_function(init, look_up),
}
DATA = Data(from_arrays(TOKENS, LABELS, TOKENS, LABELS))


def run_of(model, precision="float32"):
    recipe = ws.Recipe(ws.Adam(0.05), "15ep", batch=40)
    task = ws.Task(DATA, ws.CrossEntropy())
    return ws.Run(model, task, ws.Full(), recipe, ws.Seeds(0), precision=ws.Precision(precision))


@pytest.mark.parametrize("name", MODELS)
def test_shapes_and_layout_of_networks_that_embed(name):
    model = MODELS[name]
    assert output_shape_of(model, (LENGTH,), "int32") == (2,)
    size = VOCABULARY * WIDTH + LENGTH * WIDTH * 2 + (0 if name == "function" else 2)
    assert layout_of(model, (LENGTH,), "int32").size == size
    # Where the inputs' type is not known (masks, pruning) the layout is the same.
    assert layout_of(model, (LENGTH,), "float32") == layout_of(model, (LENGTH,), "int32")


def test_networks_that_embed_are_trained(tmp_path):
    """The embedding alone can tell even tokens from odd ones: all is learnt by heart."""
    runs = [run_of(model) for model in MODELS.values()] + [run_of(MODELS["nnx"], "bfloat16")]
    table = ws.sweep(runs, tmp_path)
    assert list(table.status) == ["ok"] * len(runs)
    assert table.test_accuracy.min() > 0.95


def test_gradients_by_tokens_are_refused(tmp_path):
    one = ws.Task(Data(from_arrays(TOKENS, LABELS)), ws.BinaryCrossEntropy())
    run = ws.Run(MODELS["nnx"], one, ws.Full(), ws.Recipe(ws.Sgd(0.1), "1it", batch=40), ws.Seeds(0))
    with pytest.raises(InputError, match=r"whole numbers \(names\), which cannot be moved"):
        LipschitzSet().check(run, layout_of(MODELS["nnx"], (LENGTH,), "int32"))


def test_a_user_s_factory_is_tried_on_tokens(tmp_path, monkeypatch):
    (tmp_path / "my_tokens.py").write_text(
        "import numpy as np\nfrom flax import nnx\n"
        "def data():\n    x = np.arange(80).reshape(20, 4) % 7\n    return x, x[:, 0] % 2\n"
        "class Net(nnx.Module):\n"
        "    def __init__(self, outputs, rngs):\n"
        "        self.e, self.o = nnx.Embed(7, 3, rngs=rngs), nnx.Linear(12, outputs, rngs=rngs)\n"
        "    def __call__(self, x):\n        return self.o(self.e(x).reshape(len(x), -1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = make_data("my_tokens:data")
    zoo.make("my_tokens:Net", data.shape, data.outputs, data.input_dtype("float32"))
    with pytest.raises(InputError, match=r"type float32"):
        zoo.make("my_tokens:Net", data.shape, data.outputs)


def test_masks_of_networks_that_embed():
    """A derived value knows the shape of an input alone; it finds out that the network takes tokens."""
    mask = {"e": {"embedding": np.arange(VOCABULARY * WIDTH).reshape(-1, WIDTH) % 2 == 0}}
    mask["o"] = {"kernel": np.ones((LENGTH * WIDTH, 2), bool)}
    start = jax.tree.map(lambda m: np.ones(m.shape, np.float32), mask)
    restart = Restart(MODELS["function"], (LENGTH,), mask, start, ws.Seeds(0), Reinit(draw="fresh"))
    weights = restart.compute()["start"]
    assert jax.tree.map(jnp.shape, weights) == jax.tree.map(jnp.shape, start)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(weights))
    assert len(np.unique(weights["o"]["kernel"])) > 1


def as_floats(values, rule="none"):
    return Data(from_arrays(np.asarray(values), np.arange(len(values)) % 2), normalise=rule)


IDS = np.random.default_rng(5).integers(0, 1000, (200, 3))
MANY = 2**24 + np.arange(200.0)


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (IDS.astype(np.float32), "bfloat16", "column 0 of the inputs .* reach 99., where bfloat16 merges"),
        (IDS.astype(np.float16), "bfloat16", "give names as whole numbers"),
        (np.c_[RNG.normal(size=200), IDS[:, 0]], "bfloat16", "column 1 of the inputs"),
        (300.0 - IDS, "bfloat16", "precision float32"),
        (np.c_[1e9 * RNG.integers(0, 2, 200), MANY][:, ::-1], "float32", "where float32 merges .* float64"),
        ((1000 + RNG.normal(size=(200, 2))).astype(np.float32), "bfloat16", "use normalise='standard'"),
    ],
)
def test_names_given_as_floats_are_refused_where_the_arithmetic_merges_them(values, dtype, message):
    with pytest.raises(InputError, match=message):
        as_floats(values).check_digits(dtype)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ((IDS % 256).astype(np.float32), "none"),
        (4.0 * (IDS % 256), "none"),
        ((IDS % 256).astype(np.uint8), "none"),
        ((IDS % 256).astype(np.uint8), "mean_image"),
        (IDS, "none"),
        (IDS, "standard"),
        (IDS.astype(np.float32), "standard"),
        ((10 + RNG.normal(size=(200, 2))).astype(np.float32), "none"),
    ],
)
def test_bfloat16_where_it_holds_all_that_differs(values, rule):
    as_floats(values, rule).check_digits("bfloat16")


def test_a_sweep_asks_by_the_arithmetic_of_the_run():
    run = small_run(data=as_floats(IDS.astype(np.float32)), precision=Precision("bfloat16"))
    with pytest.raises(InputError, match="where bfloat16 merges values"):
        check_run(Request(run))
    check_run(Request(dataclasses.replace(run, precision=Precision("float32"))))
