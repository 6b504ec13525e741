"""What from_torch makes of a module: initial weights, identity, modes, gradients that stop, refusals."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_torch
from weightspace.models.zoo.user import adapt

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402

from tests.models import torch_nets as nets  # noqa: E402

KEY = jax.random.key(0, impl="threefry2x32")
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
X = jnp.asarray(np.random.default_rng(0).normal(size=(4, 8, 8, 1)), jnp.float32)
FLAT = X.reshape(4, 64)


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def apply(model, weights, state, x, *, train=False, key=KEY):
    return model.apply(weights, state, x, train=train, key=key)


def as_arrays(module):
    return {name.replace(".", "/"): p.detach().numpy() for name, p in module.state_dict().items()}


def test_initial_weights_are_what_pytorch_draws_for_a_number_from_the_key():
    model = from_torch(nets.Mlp, width=5)
    before = torch.get_rng_state()
    keys = jax.random.split(KEY, 3)
    weights, _ = jax.jit(jax.vmap(model.init, (0, None)))(keys, X)
    assert torch.equal(before, torch.get_rng_state())
    for at, key in enumerate(keys):
        high, low = (int(word) for word in jax.random.key_data(key))
        with torch.random.fork_rng():
            torch.manual_seed((high << 32 | low) % 2**63)
            expected = as_arrays(nets.Mlp(5))
        for path, leaf in tree.flat_dict(weights).items():
            np.testing.assert_array_equal(leaf[at], expected[path])


def test_a_finished_module_starts_all_runs_from_its_present_values():
    module = nets.Mlp(5)
    model, same = from_torch(module), from_torch(nets.Mlp(5))
    assert model == from_torch(module)
    assert model != same
    assert model.name.endswith("torch_nets:Mlp")
    expected = {name: value.copy() for name, value in as_arrays(module).items()}
    with torch.no_grad():
        module.hidden.weight.zero_()
    for key in jax.random.split(KEY, 2):
        weights, _ = model.init(key, X)
        for path, leaf in tree.flat_dict(weights).items():
            np.testing.assert_array_equal(leaf, expected[path])
    assert model != from_torch(module)
    same_values = nets.Mlp(5)
    same_values.load_state_dict(module.state_dict())
    assert from_torch(module).code.identity == from_torch(same_values).code.identity


def test_tensors_count_by_content_wherever_they_lie():
    def scaled(scale):
        return Scaled(scale)

    one, other, same = (from_torch(scaled, scale=torch.tensor([v, 1.0])) for v in (2.0, 3.0, 2.0))
    assert one == same != other


IN_ANOTHER_PROCESS = """
import torch
from tests.models.test_from_torch import digests
print(*digests())
"""


def digests():
    """Of a factory, of one with a tensor among its arguments, and of a finished module."""
    torch.manual_seed(7)
    models = (
        from_torch(nets.Tied),
        from_torch(Scaled, scale=torch.tensor([2.0, 1.0])),
        from_torch(torch.nn.Sequential(nets.Mlp(3), torch.nn.Dropout(0.5))),
    )
    return [model.digest for model in models]


def test_another_process_gives_the_same_digests():
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS]
    there = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    assert there.stdout.split() == digests()


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale
        self.out = nn.Linear(64, 2)

    def forward(self, x):
        return self.out(x.flatten(1)) * self.scale


def test_constants_of_the_code_are_in_the_graph_and_in_the_identity():
    model = from_torch(Scaled, scale=torch.tensor([0.0, 3.0]))
    weights, state = model.init(KEY, X)
    outputs = apply(model, weights, state, X)[0]
    assert not outputs[:, 0].any()
    assert outputs[:, 1].all()


class DropAll(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate, self.scale = rate, nn.Parameter(torch.ones(64))

    def forward(self, x):
        return F.dropout(x * 0 + self.scale, self.rate, training=self.training)


def test_dropout_keeps_the_share_it_should_and_scales_what_it_keeps():
    model = from_torch(DropAll, rate=0.3)
    weights, state = model.init(KEY, FLAT)
    many = jnp.zeros((400, 64))
    outputs = np.asarray(apply(model, weights, state, many, train=True)[0])
    kept = outputs > 0
    np.testing.assert_allclose(outputs[kept], 1 / 0.7, rtol=1e-6)
    assert kept.mean() == pytest.approx(0.7, abs=0.015)  # five deviations
    other = apply(model, weights, state, many, train=True, key=jax.random.fold_in(KEY, 1))[0]
    assert np.mean(kept == (np.asarray(other) > 0)) == pytest.approx(0.58, abs=0.02)
    np.testing.assert_array_equal(apply(model, weights, state, many)[0], 1)


class Stopping(nn.Module):
    """Parameters that learn, that are frozen, and that lie behind what no gradient passes."""

    def __init__(self):
        super().__init__()
        self.learned, self.frozen = nn.Linear(64, 2), nn.Linear(64, 2)
        self.quiet, self.cut = nn.Linear(64, 2), nn.Linear(64, 2)
        self.unused = nn.Parameter(torch.zeros(3))
        self.frozen.requires_grad_(False)
        self.register_buffer("table", torch.arange(2.0), persistent=False)

    def forward(self, x):
        x = x.flatten(1)
        with torch.no_grad():
            quiet = self.quiet(x) * 2
        return self.learned(x) * quiet + self.frozen(x) + self.cut(x).detach() + self.table


def test_what_does_not_learn_is_state():
    model = from_torch(Stopping)
    weights, state = jax.jit(model.init)(KEY, X)
    assert set(tree.paths(weights)) == {"learned/weight", "learned/bias"}
    assert {path.split("/")[0] for path in tree.paths(state)} == {"frozen", "quiet", "cut", "unused", "table"}
    module = model.assembled(weights, state, X)
    theirs = module(torch.from_numpy(np.array(X)).movedim(-1, 1))
    theirs.sin().sum().backward()
    ours = jax.grad(lambda w: jnp.sum(jnp.sin(apply(model, w, state, X, train=True)[0])))(weights)
    for name, parameter in module.learned.named_parameters():
        np.testing.assert_allclose(ours["learned"][name], parameter.grad, rtol=1e-4, atol=1e-4)


def test_a_tied_parameter_is_one_leaf_and_two_names():
    model = from_torch(nets.Tied)
    words = jnp.zeros((2, 7), jnp.int32)
    weights, _ = model.init(KEY, words)
    assert set(tree.paths(weights)) == {"words/weight", "mix/weight", "mix/bias"}
    assert model.layout(words).size == 12 * 6 + 6 * 6 + 6


def kinds(model, x):
    return {leaf.path: (leaf.kind, leaf.fan_in, leaf.out_axis) for leaf in model.layout(x)}


def test_the_layout_says_what_pytorchs_arrays_are():
    colours = jnp.zeros((1, 8, 8, 3))
    found = kinds(from_torch(nets.MobileNet), colours)
    assert found["stem/0/weight"] == ("kernel", 27, 0)
    assert found["deep/0/weight"] == ("kernel", 9, 0)
    assert found["stem/1/weight"][0] == "scale"
    assert found["stem/1/bias"][0] == "shift"
    assert found["project/bias"][0] == "bias"
    found = kinds(from_torch(nets.Vit), colours)
    assert found["patches/weight"] == ("kernel", 48, 0)
    assert found["attention/in_proj_weight"][:2] == ("kernel", 8)
    assert found["attention/out_proj/weight"] == ("kernel", 8, 0)
    assert (found["token"][0], found["places"][0]) == ("other", "bias")
    assert found["norm1/weight"][0] == "scale"
    found = kinds(from_torch(nets.Lstm), jnp.zeros((1, 6, 4)))
    assert found["rnn/weight_ih_l0"] == ("kernel", 4, 0)
    assert found["rnn/weight_hh_l0"] == ("kernel", 5, 0)
    assert found["rnn/bias_ih_l0"][0] == "bias"
    assert kinds(from_torch(nets.Bag), jnp.zeros((1, 7), jnp.int32))["words/weight"][0] == "other"


def test_intermediates_are_those_of_the_modules_with_channels_last():
    model = from_torch(nets.LeNet)
    weights, state = model.init(KEY, X)
    found = jax.jit(model.intermediates)(weights, state, X)
    assert {name: value.shape for name, value in found.items()} == {
        "conv1": (4, 8, 8, 3), "conv2": (4, 2, 2, 4), "fc1": (4, 6), "fc2": (4, 10), "": (4, 10),
    }  # fmt: skip
    module, seen = model.assembled(weights, state, X), {}
    module.conv2.register_forward_hook(lambda *held: seen.update(conv2=held[2].detach()))
    module(torch.from_numpy(np.array(X)).movedim(-1, 1))
    np.testing.assert_allclose(found["conv2"], seen["conv2"].movedim(1, -1), rtol=1e-5, atol=1e-5)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(64, 64)

    def forward(self, x):
        return self.mix(torch.tanh(self.mix(x)))


def test_a_module_that_is_called_twice_has_two_activations():
    model = from_torch(Twice)
    assert tuple(model.intermediates(*model.init(KEY, FLAT), FLAT)) == ("mix", "mix#2", "")


def first_pixel(images):
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.scale * x[:, :, 0, 0]

    return from_torch(First, name="first", version=1, images=images)


def test_images_are_handed_over_channels_first_or_as_they_are():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 5, 3)), jnp.float32)
    for images, expected in (("NCHW", x[:, 0, 0, :]), ("NHWC", x[:, :, 0, 0])):
        model = first_pixel(images)
        np.testing.assert_array_equal(apply(model, *model.init(KEY, x), x)[0], expected)
    with pytest.raises(InputError, match="images is 'CHW'; it is NCHW"):
        first_pixel("CHW")


class Rare(nn.Module):
    """What people also write: other norms, cells, dropout of channels, in-place changes, lists of parts."""

    def __init__(self):
        super().__init__()
        parts = nn.utils.parametrizations
        self.first = parts.spectral_norm(nn.Linear(64, 12))
        self.second = parts.weight_norm(nn.Linear(12, 12))
        self.cell, self.both = nn.GRUCell(6, 6), nn.Bilinear(6, 6, 4)
        self.gains = nn.ParameterList([torch.ones(12), torch.ones(12)])
        self.drop = nn.Dropout2d(0.0)

    def forward(self, x):
        x = x.flatten(1)
        x.mul_(0.5)
        x = self.first(x)
        for gain in self.gains:
            x = x + torch.utils.checkpoint.checkpoint(self.second, x, use_reentrant=False).relu_() * gain
        a, b = self.drop(x.view(-1, 3, 2, 2)).flatten(1).chunk(2, 1)
        return self.both(self.cell(a, b), b).div_(3)


def test_what_people_also_write():
    model = from_torch(Rare)
    weights, state = jax.jit(model.init)(KEY, X)
    module = model.assembled(weights, state, X).train()
    theirs = module(torch.from_numpy(np.array(X)).movedim(-1, 1))
    theirs.sin().sum().backward()

    def loss(weights):
        outputs, after = model.apply(weights, state, X, train=True, key=KEY)
        return jnp.sum(jnp.sin(outputs)), (outputs, after)

    gradient, (outputs, after) = jax.jit(jax.grad(loss, has_aux=True))(weights)
    np.testing.assert_allclose(outputs, theirs.detach().numpy(), rtol=1e-5, atol=1e-5)
    for path, leaf in tree.flat_dict(gradient).items():
        expected = module.get_parameter(path.replace("/", ".")).grad.numpy()
        np.testing.assert_allclose(leaf, expected, rtol=1e-4, atol=1e-5)
    for name, buffer in module.named_buffers():
        np.testing.assert_allclose(
            tree.flat_dict(after)[name.replace(".", "/")], buffer, rtol=1e-5, atol=1e-5
        )


def test_dropout_of_channels_drops_whole_channels():
    class Channels(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.drop = nn.Parameter(torch.ones(1)), nn.Dropout2d(0.5)

        def forward(self, x):
            return self.drop((x * 0 + self.scale).view(-1, 16, 2, 2))

    model = from_torch(Channels, name="channels", version=1)
    outputs = np.asarray(apply(model, *model.init(KEY, FLAT), jnp.zeros((100, 64)), train=True)[0])
    assert set(np.unique(outputs)) == {0.0, 2.0}
    assert (outputs == outputs[:, :, :1, :1]).all()
    assert (outputs > 0).mean() == pytest.approx(0.5, abs=0.05)


def test_a_module_comes_back_in_the_precision_of_its_weights():
    model = from_torch(nets.Mlp)
    weights, state = model.init(KEY, X)
    assert model.assembled(tree.cast(weights, "bfloat16"), state, X).out.weight.dtype == torch.bfloat16
    with jax.enable_x64(True):
        assert model.assembled(tree.cast(weights, "float64"), state, X).out.weight.dtype == torch.float64


def test_a_network_told_by_an_argument_whether_it_trains():
    class Told(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(64, 2)

        def forward(self, x, train=False):
            return self.out(x) * (2 if train else 1)

    model = from_torch(Told, name="told", version=1)
    weights, state = model.init(KEY, FLAT)
    tested, trained = (apply(model, weights, state, FLAT, train=train)[0] for train in (False, True))
    np.testing.assert_allclose(trained, 2 * tested, rtol=1e-6)


def test_a_class_a_factory_or_a_module_may_be_named_on_the_command_line():
    assert adapt(nets.Mlp, "mlp", (64,), 10, {}) == from_torch(nets.Mlp)
    assert adapt(nets.Mlp, "mlp", (64,), 10, {"width": 3}) == from_torch(nets.Mlp, width=3)
    assert adapt(lambda: nets.Mlp(4), "mlp", (64,), 10, {}).layout(FLAT).size == 64 * 4 + 4 + 4 * 10 + 10
    with pytest.raises(
        InputError, match=r"gives outputs of shape \(10,\) for an example, but the data have 3"
    ):
        adapt(nets.Mlp(), "mlp", (64,), 3, {})


class ByValue(nn.Linear):
    def forward(self, x):
        if x.sum() > 0:
            return super().forward(x)
        return super().forward(-x)


class Inverting(nn.Linear):
    def forward(self, x):
        return super().forward(torch.linalg.inv(x.reshape(-1, 8, 8)).flatten(1))


class FixedBatch(nn.Linear):
    def forward(self, x):
        return super().forward(x.reshape(3, 64))


class TwoOutputs(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


class AlwaysDrops(nn.Linear):
    def forward(self, x):
        return F.dropout(super().forward(x))


class HalfWithin(nn.Linear):
    def forward(self, x):
        return super().forward(x).half().float()


class UnseenNoise(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(np.array(next(NOISE))))


class Masking(nn.Linear):
    def forward(self, x):
        return super().forward(x) * x[x > 0].sum()


class Clamping(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            self.weight.clamp_(-0.1, 0.1)
        return super().forward(x)


class Casting(nn.Linear):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x)


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        del ctx
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        del ctx
        return gradient


class OwnGradient(nn.Linear):
    def forward(self, x):
        return Straight.apply(super().forward(x))


class Reversed(nn.Linear):
    def forward(self, x):
        made = super().forward(x)
        made.register_hook(torch.neg)
        return made


class Features(nn.Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.directions = [torch.randn(64, 64)]

    def forward(self, x):
        return super().forward(torch.sin(x @ self.directions[0]))


class DataOf(nn.Linear):
    def forward(self, x):
        return super().forward(x) + self.weight.data.sum()


NOISE = (np.random.default_rng(seed).normal(size=(2, 64)) for seed in range(9))
ON_USE = {
    "if": (ByValue, r"goes by the values of its inputs \(test_from_torch.py, line \d+: if x.sum\(\) > 0:\)"),
    "operator": (
        Inverting,
        r"uses the operator aten.linalg_inv_ex.default, which is not known here \(test_from_torch.py, line "
        r"\d+: return super\(\).forward\(torch.linalg.inv",
    ),
    "batch": (FixedBatch, "fixes the number of examples in a batch"),
    "outputs": (TwoOutputs, "gives 2 outputs, but must give one tensor"),
    "dropout": (
        AlwaysDrops,
        "random at test time.*pass `training=self.training` to functions such as F.dropout",
    ),
    "mask": (Masking, r"goes by the values of its inputs \(test_from_torch.py, line \d+: .*x\[x > 0\].sum"),
    "parameter": (Clamping, "changes its parameter 'weight', which here only training does"),
    "autocast": (Casting, "computes in bfloat16.*leave casts and autocast out"),
    "gradient": (
        OwnGradient,
        r"goes through Straight, a torch.autograd.Function, of its own \(test_from_torch.py, line \d+: "
        r"return Straight.apply.*detach\(\)",
    ),
    "hook": (Reversed, r"goes through a hook of its own \(test_from_torch.py, line \d+: made.register_hook"),
    "drawn": (
        Features,
        r"draws a tensor that is neither a parameter nor a buffer \(test_from_torch.py, line \d+: .*"
        r"self.directions\[0\]\).*register_buffer",
    ),
    "data": (DataOf, r"takes the .data of a tensor .*write .detach\(\)"),
    "half": (HalfWithin, r"computes in float16 \(test_from_torch.py, line \d+: return super"),
}


@pytest.mark.parametrize(("factory", "text"), ON_USE.values(), ids=ON_USE)
def test_a_module_that_cannot_be_one_graph_is_refused_with_its_line(factory, text):
    model = from_torch(factory, in_features=64, out_features=2)
    with pytest.raises(InputError, match=text):
        model.layout(FLAT)


def test_a_wrong_shape_of_inputs_is_refused_with_what_mends_it():
    model = from_torch(nn.Linear, in_features=64, out_features=2)
    with pytest.raises(
        InputError, match=r"takes examples of shape \(64,\), but is given \(32, 2\): .*reshape"
    ):
        model.layout(jnp.zeros((1, 32, 2)))
    with pytest.raises(InputError, match=r"cannot take examples of shape \(5,\).*reduction dim"):
        model.layout(jnp.zeros((1, 5)))
    with pytest.raises(InputError, match="channels come last here"):
        from_torch(nets.LeNet).layout(jnp.zeros((1, 1, 8, 8)))


def on_meta():
    return nn.Linear(3, 2, device="meta")


def lazy():
    return nn.LazyLinear(2)


def hooked(module):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    if module:
        net[0].register_full_backward_hook(lambda *_: None)
    else:
        net[0].weight.register_hook(torch.neg)
    return net


def one_memory():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight.data = net[0].weight.data
    return net


AT_ONCE = {
    "hook of a parameter": (lambda: hooked(False), r"the gradient of '0.weight' of .* goes through a hook"),
    "hook of a module": (hooked(True), r"the gradient of '0' of Sequential goes through a hook"),
    "one memory": (one_memory, "'0.weight' and '1.weight' of .* are two parameters in one memory"),
    "device": (on_meta, "'weight' of .*:on_meta is on the device 'meta', but a module is read on the CPU"),
    "half": (lambda: nn.Linear(3, 2).half(), r"'weight' of .* is float16: call .float\(\)"),
    "bfloat16": (nn.Linear(3, 2).bfloat16(), r"'weight' of Linear is bfloat16: call .float\(\)"),
    "average": (lambda: nn.BatchNorm1d(3, momentum=None), "has momentum=None: its running averages"),
    "lazy": (lazy, "'weight' of .* has no shape before it sees data"),
    "no module": (lambda: 3, "gives a value of type int, but from_torch takes a module of PyTorch"),
    "another call": (nn.MultiheadAttention(4, 2), "the call of MultiheadAttention needs 'key'|needs 'value'"),
}


@pytest.mark.parametrize(("factory", "text"), AT_ONCE.values(), ids=AT_ONCE)
def test_a_module_that_cannot_be_read_is_refused_at_once(factory, text):
    with pytest.raises(InputError, match=text):
        from_torch(factory)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")
def test_a_compiled_module_is_refused():
    with pytest.raises(InputError, match=r"is compiled by torch\.jit: give the module that it was made of"):
        from_torch(torch.jit.script(nn.Linear(3, 2)))


def test_arguments_of_a_finished_module_and_foreign_noise_are_refused():
    with pytest.raises(InputError, match="a finished Linear takes no arguments, but was given 'width'"):
        from_torch(nn.Linear(3, 2), width=3)
    with pytest.raises(InputError, match="builds from one seed differ in 'weight'"):
        from_torch(UnseenNoise, name="noise", version=1, inputs=64, outputs=2)


def test_without_pytorch_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InputError, match=r"pip install 'weightspace\[torch\]'"):
        from_torch(lambda: None)
