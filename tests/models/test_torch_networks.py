"""Networks as people write them in PyTorch give PyTorch's numbers: outputs, gradients, running statistics."""

import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import tree
from weightspace.models.adapters import from_torch

torch = pytest.importorskip("torch")

from tests.models import torch_nets as nets  # noqa: E402 (needs torch)

KEY = jax.random.key(3, impl="threefry2x32")
RANDOM = np.random.default_rng(0)
GREY, COLOURS, SERIES = (8, 8, 1), (8, 8, 3), (6, 4)
WORDS = RANDOM.integers(0, 12, (4, 7)).astype(np.int32)


def batch(shape, size=4):
    return RANDOM.normal(0.3, 1, (size, *shape))


NETWORKS = {
    "mlp": (nets.Mlp, batch(GREY), {}),
    "lenet": (nets.LeNet, batch(GREY), {}),
    "resnet18": (nets.ResNet18, batch(COLOURS, 8), {}),
    "vgg": (nets.Vgg, batch(COLOURS), {}),
    "mobilenet": (nets.MobileNet, batch(COLOURS), {}),
    "vit": (nets.Vit, batch(COLOURS), {}),
    "lstm": (nets.Lstm, batch(SERIES), {}),
    "bidirectional lstm": (nets.Lstm, batch(SERIES), {"bidirectional": True}),
    "projected lstm": (nets.Lstm, batch(SERIES), {"proj_size": 3, "bias": False}),
    "gru": (nets.Lstm, batch(SERIES), {"kind": torch.nn.GRU, "num_layers": 2}),
    "rnn": (nets.Lstm, batch(SERIES), {"kind": torch.nn.RNN, "nonlinearity": "relu"}),
    "embedding": (nets.Bag, WORDS, {}),
    "tied": (nets.Tied, WORDS, {}),
    "functional dropout": (nets.Dropping, batch(GREY), {"rate": 0.0}),
}
PRECISIONS = {"float64": 1e-9, "float32": 1e-5}
FURTHER = ("bidirectional lstm", "projected lstm", "gru", "rnn")
"""In float64 alone."""


def as_torch(x, dtype):
    """A batch as PyTorch's modules take it."""
    x = torch.from_numpy(np.array(x))
    if not x.is_floating_point():
        return x.long()
    return (x.movedim(-1, 1) if x.ndim == 4 else x).to(getattr(torch, dtype))


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def pulled(model, weights, state, x, *, train):
    """Outputs, the state after them and the gradient of Σ sin(outputs)."""

    def loss(weights):
        outputs, after = model.apply(weights, state, x, train=train, key=KEY)
        return jnp.sum(jnp.sin(outputs)), (outputs, after)

    gradients, (outputs, after) = jax.grad(loss, has_aux=True)(weights)
    return outputs, after, gradients


def passed(module, x, dtype, *, train):
    """What PyTorch makes of a batch: outputs, gradients and buffers by name."""
    module = copy.deepcopy(module).to(getattr(torch, dtype)).train(train)
    outputs = module(as_torch(x, dtype))
    outputs.sin().sum().backward()
    found = {f"d {name}": parameter.grad for name, parameter in module.named_parameters()}
    found |= dict(module.named_buffers()) | {"outputs": outputs.detach()}
    return {name: value.numpy() for name, value in found.items()}


def check(model, weights, state, x, dtype, *, train):
    """One pass through both, each from the same weights and statistics; gives the statistics after it."""
    outputs, after, gradients = pulled(model, weights, state, jnp.asarray(x), train=train)
    assert outputs.dtype == dtype
    module = model.assembled(weights, state, x)
    theirs, exact = passed(module, x, dtype, train=train), passed(module, x, "float64", train=train)
    ours = {f"d {name}": leaf for name, leaf in tree.flat_dict(gradients).items()}
    ours |= tree.flat_dict(after) | {"outputs": outputs}
    assert set(ours) == {name.replace(".", "/") for name in theirs}
    for name, value in theirs.items():
        scale = max(1.0, float(np.abs(value).max()))
        # Gradients of the ResNet are rounded by about 1e-5 in float32, by PyTorch as by us.
        rounding = float(np.abs(value - exact[name]).max()) / scale
        tolerance = min(max(PRECISIONS[dtype], 10 * rounding), 1e-3)
        difference = float(np.abs(np.asarray(ours[name.replace(".", "/")]) - value).max()) / scale
        assert difference <= tolerance, name
    return after


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_gradients_and_statistics_are_those_of_pytorch(name):
    factory, x, arguments = NETWORKS[name]
    model = from_torch(factory, **arguments)
    weights, state = jax.jit(model.init)(KEY, jnp.asarray(x, None if x.dtype == np.int32 else jnp.float32))
    for dtype in PRECISIONS if name not in FURTHER else ["float64"]:
        with jax.enable_x64(dtype == "float64"):
            own, after = tree.cast((weights, state), dtype)
            own_x = x if x.dtype == np.int32 else x.astype(dtype)
            check(model, own, after, own_x, dtype, train=False)
            for step in range(5):
                moved = own_x if x.dtype == np.int32 else own_x * (1 + step / 4)
                after = check(model, own, after, moved, dtype, train=True)
            check(model, own, after, own_x, dtype, train=False)
