"""Networks from files: a model's own names, PyTorch's, strict by name, known by content."""

import json
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

import weightspace as ws
from tests.builders import small_run
from weightspace.errors import DataError, InputError
from weightspace.models.base import layout_of
from weightspace.models.zoo import make
from weightspace.tree import flat_dict

RNG = np.random.default_rng(0)
SHAPE = (8, 8, 1)
MODEL = make("conv2:channels=2,3", SHAPE, 10)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def torch_conv2():
    """As `torch.nn` holds it: kernels [out, in, h, w], the dense layer over a map [channels, h, w]."""
    return {
        "convs.0.weight": normal(2, 1, 3, 3), "convs.0.bias": normal(2),
        "convs.1.weight": normal(3, 2, 3, 3), "convs.1.bias": normal(3),
        "output.weight": normal(10, 12), "output.bias": normal(10),
    }  # fmt: skip


def conv(x, kernel, bias):
    """Cross-correlation of [n, in, h, w] with padding 1, as loops over the kernel."""
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = x.shape[2:]
    found = np.zeros((len(x), len(kernel), height, width))
    for i in range(3):
        for j in range(3):
            found += np.einsum("nchw,oc->nohw", wide[:, :, i : i + height, j : j + width], kernel[:, :, i, j])
    return found + bias[:, None, None]


def torch_forward(state, x):
    for layer in ("convs.0", "convs.1"):
        x = np.maximum(conv(x, state[f"{layer}.weight"], state[f"{layer}.bias"]), 0)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
    return x.reshape(len(x), -1) @ state["output.weight"].T + state["output.bias"]


def applied(model, network, x):
    key = jax.random.key(0, impl="threefry2x32")
    weights, state, x = jax.tree.map(jnp.asarray, (network.weights, network.state, x))
    return np.asarray(model.apply(weights, state, x, train=False, key=key)[0])


def test_a_state_dict_of_torch_is_the_same_function(tmp_path):
    """Convolutions, the dense layer behind a map of several channels, biases."""
    state, x = torch_conv2(), normal(4, 8, 8, 1)
    save_file(state, tmp_path / "theirs.safetensors")
    found = ws.StoredNetwork.of(tmp_path / "theirs.safetensors", MODEL, SHAPE).network_now()
    expected = torch_forward(state, x.transpose(0, 3, 1, 2).astype(np.float64))
    assert np.abs(applied(MODEL, found, x) - expected).max() < 1e-4


def test_images_of_several_channels_before_a_dense_layer(tmp_path):
    """PyTorch flattens [channels, h, w]."""
    model, x = make("fc:widths=5", (4, 3, 3), 2), normal(6, 4, 3, 3)
    state = {
        "hidden.0.weight": normal(5, 36), "hidden.0.bias": normal(5),
        "output.weight": normal(2, 5), "output.bias": normal(2),
    }  # fmt: skip
    save_file(state, tmp_path / "fc.safetensors")
    found = ws.StoredNetwork.of(tmp_path / "fc.safetensors", model, (4, 3, 3)).network_now()
    flat = x.transpose(0, 3, 1, 2).reshape(6, -1)
    hidden = np.maximum(flat @ state["hidden.0.weight"].T + state["hidden.0.bias"], 0)
    expected = hidden @ state["output.weight"].T + state["output.bias"]
    assert np.abs(applied(model, found, x) - expected).max() < 1e-4


class Normed(nnx.Module):
    def __init__(self, rngs):
        self.a, self.bn = nnx.Linear(4, 3, rngs=rngs), nnx.BatchNorm(3, rngs=rngs)
        self.o = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        return self.o(nnx.relu(self.bn(self.a(x))))


TORCH_NORMED = {
    "a.weight": normal(3, 4), "a.bias": normal(3), "bn.weight": normal(3), "bn.bias": normal(3),
    "bn.running_mean": normal(3), "bn.running_var": np.abs(normal(3)) + 0.5,
    "bn.num_batches_tracked": np.asarray(7), "o.weight": normal(2, 3), "o.bias": normal(2),
}  # fmt: skip


def test_running_statistics_are_the_state(tmp_path):
    model, x, t = ws.from_nnx(Normed), normal(5, 4), TORCH_NORMED
    save_file(t, tmp_path / "bn.safetensors")
    stored = ws.StoredNetwork.of(tmp_path / "bn.safetensors", model, (4,))
    assert stored.network().state is not None
    a = x @ t["a.weight"].T + t["a.bias"]
    a = (a - t["bn.running_mean"]) / np.sqrt(t["bn.running_var"] + 1e-5) * t["bn.weight"] + t["bn.bias"]
    expected = np.maximum(a, 0) @ t["o.weight"].T + t["o.bias"]
    assert np.abs(applied(model, stored.network_now(), x) - expected).max() < 1e-4


def ours(**changes):
    layout = layout_of(MODEL, SHAPE, "float32")
    return {leaf.path: normal(*leaf.shape) for leaf in layout} | changes


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (lambda: {k: v for k, v in ours().items() if k != "convs/1/bias"}, "lacks 'convs/1/bias' of shape"),
        (
            lambda: ours(**{"convs/2/bias": normal(3)}),
            r"'convs/2/bias', which the model has not \(the nearest is",
        ),
        (
            lambda: ours(**{"output/kernel": normal(11, 10)}),
            r"has shape \(11, 10\), but the model's has \(12, 10\)",
        ),
        (lambda: ours(**{"output/bias": np.zeros(10, np.int32)}), "holds int32, but weights are floats"),
        (lambda: ours(**{"output/bias": np.full(10, np.nan, np.float32)}), "is not finite"),
        (lambda: {k: v for k, v in torch_conv2().items() if k != "output.bias"}, "lacks 'output.bias'"),
        (
            lambda: torch_conv2() | {"convs.2.weight": normal(1)},
            "holds 'convs.2.weight', which the model has not",
        ),
        (lambda: torch_conv2() | {"output.weight": normal(10, 13)}, r"shape \(13, 10\)"),
        (lambda: dict(TORCH_NORMED), "which the model has not"),
    ],
)
def test_another_network_is_refused_by_name(tmp_path, arrays, text):
    save_file(arrays(), tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=text):
        ws.StoredNetwork.of(tmp_path / "other.safetensors", MODEL, SHAPE)


def test_a_part_of_the_statistics_is_refused(tmp_path):
    given = {k: v for k, v in TORCH_NORMED.items() if k != "bn.running_var"}
    save_file(given, tmp_path / "bn.safetensors")
    with pytest.raises(InputError, match="lacks 'bn/var'"):
        ws.StoredNetwork.of(tmp_path / "bn.safetensors", ws.from_nnx(Normed), (4,))
    save_file({k: v for k, v in given.items() if "running" not in k}, tmp_path / "bn.safetensors")
    alone = ws.StoredNetwork.of(tmp_path / "bn.safetensors", ws.from_nnx(Normed), (4,))
    assert alone.network().state is None
    with pytest.raises(InputError, match=r"has weights alone, but .* keeps statistics"):
        ws.load_file(tmp_path / "bn.safetensors", ws.from_nnx(Normed), shape=(4,))


def test_damaged_and_missing_files(tmp_path):
    good = tmp_path / "good.safetensors"
    save_file(ours(), good)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(good.read_bytes()[:-40])
    (tmp_path / "empty").write_bytes(b"")
    for file in (torn, tmp_path / "empty"):
        with pytest.raises(DataError, match="damaged or in another format than safetensors"):
            ws.StoredNetwork.of(file, MODEL, SHAPE)
    with pytest.raises(DataError, match=r"there is no file .*did you mean .*good\.safetensors"):
        ws.StoredNetwork.of(tmp_path / "goood.safetensors", MODEL, SHAPE)
    with pytest.raises(DataError, match="is a folder"):
        ws.StoredNetwork.of(tmp_path, MODEL, SHAPE)


def test_identity_is_the_content_and_a_changed_file_is_another(tmp_path):
    first, moved = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    arrays = ours()
    save_file(arrays, first)
    moved.write_bytes(first.read_bytes())
    one, same = (ws.StoredNetwork.of(file, MODEL, SHAPE) for file in (first, moved))
    assert one.digest == same.digest
    starts = [
        small_run(model="conv2:channels=2,3", space=ws.Full(each.output("weights"))) for each in (one, same)
    ]
    assert starts[0].digest == starts[1].digest != small_run(model="conv2:channels=2,3").digest
    save_file(arrays | {"output/bias": normal(10)}, first)
    assert ws.StoredNetwork.of(first, MODEL, SHAPE).digest != one.digest
    with pytest.raises(DataError, match="has changed since it was named"):
        one.compute()


def test_trainings_start_from_it_whatever_the_space(tmp_path):
    """Alone, as a vertex of a line, as the offset of a random subspace; and from what `load` gives."""
    file = tmp_path / "start.safetensors"
    run = small_run(model="fc:widths=4", lr=0.0, length="1it")
    layout = layout_of(run.model, SHAPE, "float32")
    arrays = {leaf.path: normal(*leaf.shape) for leaf in layout}
    save_file(arrays, file)
    start = ws.StoredNetwork.of(file, run.model, run.task).output("weights")
    spaces = {
        "full": ws.Full(start), "line": ws.Line(starts=(start, None), beta=None),
        "subspace": ws.Affine(ws.Gaussian(3), offset=start),
    }  # fmt: skip
    runs = {
        name: small_run(model="fc:widths=4", lr=0.0, length="1it", space=each)
        for name, each in spaces.items()
    }
    ws.sweep(list(runs.values()), tmp_path / "out", keep="final")
    found = {
        name: ws.load(tmp_path / "out", each, at="vertex0" if name == "line" else None)
        for name, each in runs.items()
    }
    for each in found.values():
        flat = flat_dict(each.weights)
        assert all(np.array_equal(flat[path], arrays[path]) for path in arrays)
    again = small_run(model="fc:widths=4", space=ws.Full(found["full"].weights), lr=0.0, length="1it")
    table = ws.sweep([again, runs["full"]], tmp_path / "out")
    assert table["test_loss"].nunique() == 1


def test_halves_become_floats_and_headers_are_read(tmp_path):
    import ml_dtypes

    arrays = {name: each.astype(ml_dtypes.bfloat16) for name, each in ours().items()}
    save_file(arrays, tmp_path / "half.safetensors", {"by": "hand"})
    network = ws.StoredNetwork.of(tmp_path / "half.safetensors", MODEL, SHAPE).network_now()
    assert network.weights["output"]["bias"].dtype == np.float32
    size = struct.unpack("<Q", (tmp_path / "half.safetensors").read_bytes()[:8])[0]
    header = json.loads((tmp_path / "half.safetensors").read_bytes()[8 : 8 + size])
    assert header["__metadata__"] == {"by": "hand"}
    loaded = ws.load_file(tmp_path / "half.safetensors", MODEL)
    assert loaded(np.zeros((2, *SHAPE), np.float32)).shape == (2, 10)
    with pytest.raises(InputError, match="does not say of which model it is; give model="):
        ws.load_file(tmp_path / "half.safetensors")


class Counting(Normed):
    """With a counter beside the statistics, as moving averages of several libraries have."""

    def __init__(self, rngs):
        super().__init__(rngs)
        self.count = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        if not self.bn.use_running_average:
            self.count[...] = self.count[...] + 1
        return super().__call__(x)


def test_counters_of_the_state_come_back_as_whole_numbers(tmp_path):
    model = ws.from_nnx(Counting)
    layout = layout_of(model, (4,), "float32")
    arrays = {leaf.path: normal(*leaf.shape) for leaf in layout}
    arrays |= {"bn/mean": normal(3), "bn/var": np.ones(3, np.float32), "count": np.asarray(7, np.int32)}
    save_file(arrays, tmp_path / "counted.safetensors")
    found = ws.load_file(tmp_path / "counted.safetensors", model, shape=(4,)).state
    assert found["count"] == 7
    assert found["count"].dtype == jnp.int32
    assert np.array_equal(found["bn"]["mean"], arrays["bn/mean"])
    save_file(arrays | {"count": np.asarray(7.0, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"'count' of .* holds float32, but the model's are int32"):
        ws.load_file(tmp_path / "other.safetensors", model, shape=(4,))


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.safetensors", "net"])
def test_pickled_checkpoints_are_refused_with_what_converts_them(tmp_path, name):
    """By name, or by their first bytes whatever they are called; nothing of them is read."""
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 no archive")
    model = make("fc:widths=4", (3,), 2)
    with pytest.raises(DataError, match=r"may run any code when it is read; convert it.*save_model"):
        ws.StoredNetwork.of(path, model, (3,))
