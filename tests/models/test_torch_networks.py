"""Networks as people write them in PyTorch give PyTorch's numbers: outputs, gradients, running statistics."""

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
    "resnet18": (nets.ResNet18, batch((16, 16, 3), 16), {}),
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


def close(ours, theirs, tolerance):
    theirs = theirs.detach().numpy()
    scale = max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(np.asarray(ours) / scale, theirs / scale, rtol=tolerance, atol=tolerance)


def check(model, module, weights, state, x, dtype, *, train):
    """One pass through both, each from the same weights and statistics."""
    outputs, after, gradients = pulled(model, weights, state, jnp.asarray(x), train=train)
    module.train(train).zero_grad()
    theirs = module(as_torch(x, dtype))
    theirs.sin().sum().backward()
    assert outputs.dtype == dtype
    close(outputs, theirs, PRECISIONS[dtype])
    named = dict(module.named_parameters())
    flat = tree.flat_dict(gradients)
    assert set(flat) == {name.replace(".", "/") for name in named}
    for name, parameter in named.items():
        close(flat[name.replace(".", "/")], parameter.grad, PRECISIONS[dtype])
    buffers = tree.flat_dict(after)
    for name, buffer in module.named_buffers():
        close(buffers[name.replace(".", "/")], buffer, PRECISIONS[dtype])
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
            module = model.assembled(own, after, x)
            own_x = x if x.dtype == np.int32 else x.astype(dtype)
            check(model, module, own, after, own_x, dtype, train=False)
            for step in range(5):
                moved = own_x if x.dtype == np.int32 else own_x * (1 + step / 4)
                after = check(model, module, own, after, moved, dtype, train=True)
            check(model, module, own, after, own_x, dtype, train=False)
