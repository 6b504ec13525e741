"""Each operator of the table against PyTorch's: values and gradients in float64."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.models.adapters.common import library_rules
from weightspace.models.aten.evaluate import evaluate
from weightspace.models.aten.table import TABLE, Image

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812

from weightspace.models.adapters.torch_export import exported  # noqa: E402

KEY = jax.random.key(0, impl="threefry2x32")
PLAIN = """exp expm1 sin cos tanh sinh cosh atan abs neg sigmoid erf erfc square sign floor ceil round
    relu asinh trunc selu"""
POSITIVE = "log log1p log2 log10 sqrt rsqrt reciprocal lgamma"
ACTIVATIONS = """relu6 leaky_relu elu celu silu mish hardswish hardsigmoid hardtanh softplus logsigmoid
    softsign tanhshrink hardshrink softshrink gelu"""
ENTRIES = {
    name: (lambda x, name=name: getattr(torch, name)(x))
    for name in PLAIN.split()
} | {
    name: (lambda x, name=name: getattr(torch, name)(x.abs() + 0.5))
    for name in POSITIVE.split()
} | {
    name: (lambda x, name=name: getattr(F, name)(x))
    for name in ACTIVATIONS.split()
} | {
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "glu": lambda x: F.glu(x, -1),
    "alpha": lambda x: torch.add(x, x * x, alpha=0.3) + torch.sub(x, 2.0, alpha=2) + (1 - x),
    "divisions": lambda x: x / 3 + 1 / (x.abs() + 1) + torch.div(x, 0.3, rounding_mode="floor"),
    "powers": lambda x: x**2 + x**3 + (x.abs() + 0.1) ** 0.5 + (x.abs() + 0.1) ** -1.5 + 2.0**x,
    "remainders": lambda x: torch.remainder(x, 0.7) + torch.fmod(x, 0.7) + x % 0.5,
    "clamps": lambda x: x.clamp(-0.5, 0.5) + x.clamp(min=0.1) + x.clamp(max=0.1),
    "at the kinks": lambda x: F.relu6(_whole(x)) + 2 * F.relu(_whole(x)) + 3 * _whole(x).clamp(-1, 1)
    + 4 * F.hardtanh(_whole(x)) + 5 * _whole(x).abs(),
    "at further kinks": lambda x: F.hardswish(3 * _whole(x)) + 3 * F.elu(_whole(x))
    + 4 * F.leaky_relu(_whole(x)) + 5 * F.hardshrink(_whole(x), 1.0)
    + 6 * F.softshrink(_whole(x), 1.0) + 7 * F.threshold(_whole(x), 1, 0),
    "hardsigmoid at its kinks": lambda x: F.hardsigmoid(3 * _whole(x)),
    "whole numbers": lambda x: x * torch.arange(6).clamp(min=0.5)
    + x * torch.tensor([1, 2, 4, 8, 16, 32]) ** -1.0
    + x[..., torch.div(torch.arange(-5, 1), 2, rounding_mode="trunc") + 2],
    "truncated": lambda x: torch.div(x, 0.3, rounding_mode="trunc") + x,
    "comparisons": lambda x: torch.where((x > 0) & (x <= 1) | ~(x < 2), x, 2 * x) * (x != 0.5),
    "fills": lambda x: x.masked_fill(x > 1, 0.0) + torch.maximum(x, x * x) + torch.minimum(x, x * 2),
    "threshold": lambda x: F.threshold(x, 0.1, 20.0),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.2], dtype=x.dtype)),
    "casts": lambda x: x.float().to(x.dtype) * 0 + (x > 0).to(x.dtype) + x.long(),
    "lerp": lambda x: torch.lerp(x, x * x, 0.3) + torch.addcmul(x, x, x, value=0.5),
}  # fmt: skip
SHAPES = {
    "views": lambda x: x.view(x.shape[0], -1) + x.flatten(1) + x.reshape(x.size(0), 24),
    "turned": lambda x: x.permute(0, 2, 1).transpose(1, 2) + x.mT.mT,
    "axes": lambda x: x.unsqueeze(1).squeeze(1) + x[:, None].squeeze(),
    "expanded": lambda x: x[:, :1].expand(-1, 4, -1) + x.repeat(1, 2, 1)[:, 4:] + x.tile((1, 1, 2))[..., 6:],
    "joined": lambda x: torch.cat([x, x * 2], 1)[:, 2:6] + torch.stack([x, x * 3], 2)[:, :, 1],
    "split": lambda x: torch.cat(torch.split(x, 3, 2)[::-1], 2) + torch.cat(x.chunk(2, 1)[::-1], 1),
    "unbound": lambda x: sum(x.unbind(1)) + x.select(1, -1),
    "slices": lambda x: x[:, 1:3, ::2] + x[:, -2:, 1::2] + x[..., :3][:, :2],
    "flips": lambda x: x.flip(1) + x.roll(2, 1) + torch.roll(x, (1, 2), (1, 2)),
    "windows": lambda x: x.unfold(2, 3, 2).sum(-1),
    "pads": lambda x: F.pad(x, (1, 2)) + F.pad(x, (2, 1), value=0.5) + F.pad(x, (3, 0), mode="reflect"),
    "edges": lambda x: F.pad(x, (1, 2), mode="replicate"),
    "made": lambda x: (
        x
        + torch.ones_like(x)
        + torch.zeros(4, 6, dtype=x.dtype)
        + torch.arange(6)
        + torch.full((4, 6), 0.5, dtype=x.dtype)
        + torch.linspace(0, 1, 6, dtype=x.dtype)
        + torch.eye(4, 6, dtype=x.dtype)
    ),
    "triangles": lambda x: x.tril() + x.triu(1) + torch.diagonal(x, 0, 1, 2)[:, :1, None],
    "picked": lambda x: x[:, [0, 2, 1]] + x.index_select(1, torch.tensor([1, 1, 3])) + x[:, 1:],
    "gathered": lambda x: torch.gather(x, 2, x.argsort(2)) + x.scatter(2, x[..., :2].argsort(2), 0.3),
    "added": lambda x: x.scatter_add(2, torch.zeros_like(x, dtype=torch.long), x),
    "one hot": lambda x: F.one_hot(x.argmax(2), 6).to(x.dtype) * x,
    "put": lambda x: _put(x.clone()) + torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 3),
    "lengths": lambda x: x * (x.shape[0] * 0 + x.shape[1] // 2) + x.shape[2] / 4,
}
REDUCTIONS = {
    "sums": lambda x: x.sum(1) + x.mean(1) + x.sum((1, 2), keepdim=True)[:, 0] + x.mean(-2),
    "extremes": lambda x: (
        x.amax(1) + x.amin(1) + x.max(1)[0] + x.min(1).values + x.max(1, keepdim=True)[0][:, 0]
    ),
    "places": lambda x: x.argmax(2) + x.argmin(2) + 0.0 * x[..., 0],
    "spreads": lambda x: (
        x.var(1) + x.std(1) + x.var((1, 2), unbiased=False)[:, None] + torch.var_mean(x, 1)[1]
    ),
    "norms": lambda x: x.norm(dim=1) + x.norm(p=1, dim=1) + torch.linalg.vector_norm(x, 3, dim=1),
    "unit": lambda x: F.normalize(x, dim=1) + F.cosine_similarity(x, x * x + 1, dim=1)[:, None],
    "soft": lambda x: F.softmax(x, 1) + F.log_softmax(x, 2) + x.logsumexp(1, keepdim=True),
    "accumulated": lambda x: x.cumsum(1) + x.cumprod(2),
    "norms of nothing": lambda x: (
        _parted(x).norm(dim=2)
        + torch.linalg.vector_norm(_parted(x), 3, dim=2)
        + F.cosine_similarity(_parted(x), x, dim=2)
        + F.normalize(_parted(x), dim=2)[..., 0]
        + 2 * _parted(x).norm(p=1, dim=2)
        + torch.linalg.vector_norm(_parted(x), float("inf"), dim=2)
    ),
    "deviations of nothing": lambda x: _parted(x).std(2) + torch.std_mean(_parted(x), 2)[0],
    "products": lambda x: x.prod(1),
    "sorted": lambda x: x.sort(1)[0][:, :2] + x.topk(2, dim=1)[0] + x.topk(2, 1, largest=False).values,
    "sorted by name": lambda x: (
        torch.sort(x, dim=1, descending=True, stable=True)[0]
        + x.gather(1, torch.argsort(x, dim=1, stable=True))
    ),
    "any": lambda x: x * (x > 1).any(1, keepdim=True) * (x < 9).all(2, keepdim=True),
    "matrices": lambda x: x @ x.mT + torch.bmm(x, x.transpose(1, 2)) + torch.einsum("bij,bkj->bik", x, x),
    "added products": lambda x: torch.baddbmm(x @ x.mT, x, x.mT, beta=0.3, alpha=0.7),
    "attention": lambda x: (
        F.scaled_dot_product_attention(x, x, x * 2)
        + F.scaled_dot_product_attention(x, x, x, is_causal=True)
        + F.scaled_dot_product_attention(x, x, x, attn_mask=torch.eye(4, dtype=torch.bool), scale=0.2)
        + F.scaled_dot_product_attention(x, x, x, attn_mask=torch.eye(4, dtype=x.dtype))
    ),
    "attention to nothing": lambda x: (
        F.scaled_dot_product_attention(x, x, x * 2, attn_mask=_parted_mask())
        + F.scaled_dot_product_attention(
            x, x, x, attn_mask=torch.where(_parted_mask(), 0.0, -torch.inf).to(x.dtype)
        )
    ),
    "layer norm": lambda x: F.layer_norm(x, (6,)) + F.layer_norm(x, (4, 6)) + F.rms_norm(x, (6,)),
    "group norm": lambda x: F.group_norm(x, 2, x[0, :, 0], x[0, :, 1]) + F.instance_norm(x),
}
IMAGES = {
    "pools": lambda x: F.max_pool2d(x, 2) + F.avg_pool2d(x, 2),
    "overlapping": lambda x: F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 3, 2, 1),
    "more pools": lambda x: F.max_pool2d(x, (2, 3), ceil_mode=True, dilation=(1, 2))
    + F.avg_pool2d(x, (3, 2), 2, ceil_mode=True, count_include_pad=False, padding=1).mean(),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (3, 2))
    + F.adaptive_max_pool2d(x, (3, 2))
    + F.adaptive_avg_pool2d(x, 1),
    "pools of equals": lambda x: F.adaptive_max_pool2d(_whole(x), (3, 2)) * torch.arange(2) + F.max_pool2d(
        _whole(x), (2, 3)
    ),
    "convolution": lambda x: F.conv2d(x, _kernel(4, 4, 3, 3), x[0, :, 0, 0], padding=1),
    "strided": lambda x: F.conv2d(x, _kernel(3, 4, 3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    "depthwise": lambda x: F.conv2d(x, _kernel(8, 1, 3, 3), groups=4, padding="same"),
    "transposed": lambda x: F.conv_transpose2d(x, _kernel(4, 3, 3, 3), stride=2, padding=1, output_padding=1),
    "transposed groups": lambda x: F.conv_transpose2d(x, _kernel(4, 3, 2, 3), groups=2, dilation=(2, 1)),
    "one axis": lambda x: F.conv1d(x.flatten(2), _kernel(2, 4, 3), padding=1, stride=2),
    "pools of one axis": lambda x: F.max_pool1d(x.flatten(2), 3, 2, 1) + F.avg_pool1d(x.flatten(2), 3, 2, 1),
    "three axes": lambda x: F.max_pool3d(F.conv3d(x[:, None], _kernel(2, 1, 2, 3, 3)), 2),
    "means": lambda x: x.mean([2, 3])
    + x.sum((2, 3))
    + x.amax((-1, -2))
    + F.adaptive_avg_pool2d(x, 1).flatten(1),
    "gates": lambda x: _convolved(x, 4) * torch.sigmoid(x.mean([2, 3], keepdim=True)) + x,
    "channels": lambda x: torch.cat([_convolved(x, 2), _convolved(x * x, 2)], 1)[:, ::2],
    "batch norm": lambda x: F.batch_norm(x, None, None, x[0, :, 0, 0], x[0, :, 0, 1], training=True)
    + F.batch_norm(x, x[0, :, 1, 0].detach(), x[0, :, 1, 1].detach() ** 2),
    "group norm": lambda x: F.group_norm(F.conv2d(x, _kernel(4, 4, 1, 1)), 2, x[0, :, 0, 0], x[0, :, 0, 1]),
    "instance norm": lambda x: F.instance_norm(F.conv2d(x, _kernel(4, 4, 1, 1))),
    "shuffled": lambda x: F.pixel_shuffle(x, 2),
    "larger": lambda x: F.interpolate(x, scale_factor=2) + F.interpolate(x, size=(12, 14), mode="nearest"),
    "bilinear": lambda x: F.interpolate(x, size=(5, 9), mode="bilinear", align_corners=False),
    "padded": lambda x: F.pad(x, (1, 0, 2, 1), mode="reflect") + F.pad(x, (0, 1, 1, 2), mode="circular"),
}  # fmt: skip


LOOSE = {"hardsigmoid": 1e-7, "hardsigmoid at its kinks": 1e-7}
"""PyTorch's gradient is 1/6 rounded to float32, in float64 too."""


def _kernel(*shape):
    count = int(np.prod(shape))
    return torch.cos(torch.arange(count, dtype=torch.float64)).reshape(shape)


def _whole(x):
    """Exactly whole numbers, through which gradients go."""
    return (x - x.detach()) + x.detach().round()


def _parted(x):
    """Zeros beside other rows."""
    return torch.cat([x[:, :2] * 0, x[:, 2:]], 1)


def _parted_mask():
    return torch.tensor([[True, False, False, False], [False] * 4, [True] * 4, [False] * 4])


def _convolved(x, outputs):
    return F.conv2d(x, _kernel(outputs, 4, 1, 1))


def _put(x):
    x[:, 0] = 0.5
    x[:, 1:3, ::2] = x[:, 2:, 1::2] * 2
    x[:, 3].fill_(0.25)
    return x


class Each(torch.nn.Module):
    """All of a group, so that it is exported once."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def forward(self, x):
        return torch.cat([call(x).flatten(1).to(x.dtype) for call in self.calls], 1)


def check(calls, x, given):
    module = Each(list(calls.values()))
    theirs = torch.from_numpy(x).requires_grad_()
    lengths = [call(theirs).flatten(1).shape[1] for call in calls.values()]
    names = np.repeat(list(calls), lengths)
    with jax.enable_x64(True):
        graph = exported(module, torch.from_numpy(x), {}, "each", "float64")

        def loss(x, chosen):
            with library_rules():
                outputs, _ = evaluate(graph, {}, given(x), jnp.float64, KEY)
            return jnp.sum(jnp.sin(outputs) * chosen), outputs

        ends = np.cumsum(lengths)
        chosen = np.stack([(np.arange(ends[-1]) < end) & (np.arange(ends[-1]) >= end - n)
                           for end, n in zip(ends, lengths, strict=True)])  # fmt: skip
        each = jax.jit(jax.vmap(jax.grad(loss, has_aux=True), (None, 0)))
        pulled, outputs = each(jnp.asarray(x), jnp.asarray(chosen[:, None], jnp.float64))
    expected = module(theirs)
    off = ~np.isclose(outputs[0], expected.detach().numpy(), rtol=1e-9, atol=1e-9).all(0)
    assert not set(names[off])
    for name, call, gradient in zip(calls, calls.values(), pulled, strict=True):
        theirs.grad = None
        made = call(theirs)
        if made.requires_grad:
            made.sin().sum().backward()
        wanted = np.zeros_like(x) if theirs.grad is None else theirs.grad.numpy()
        tolerance = LOOSE.get(name, 1e-9)
        np.testing.assert_allclose(gradient, wanted, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("calls", [ENTRIES, SHAPES, REDUCTIONS], ids=["entries", "shapes", "reductions"])
def test_operators_are_pytorchs(calls):
    check(calls, np.random.default_rng(1).normal(0.2, 1, (3, 4, 6)), lambda x: x)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("held", ["channels first", "channels last"])
def test_operators_on_images_are_pytorchs_however_images_are_held(held):
    x = np.random.default_rng(1).normal(0.2, 1, (3, 4, 6, 7))
    check(IMAGES, x, (lambda x: x) if held == "channels first" else Image.of)


UNUSED = {
    *("device", "layout", "pin_memory", "memory_format", "non_blocking"),  # where and how it lies
    *("generator", "implicit"),  # our keys; of a copy
    *("stable", "sparse_grad"),  # always; never
}


def test_operators_take_by_name_what_pytorch_gives_by_name():
    for name, operator in TABLE.items():
        if not name.startswith("aten.") or "sym_constrain" in name:
            continue
        _, op, overload = name.split(".")
        found = getattr(getattr(torch.ops.aten, op, None), overload, None)
        given = {a.name for a in found._schema.arguments if a.kwarg_only} if found else set()
        if given - UNUSED:
            assert given - UNUSED <= inspect.signature(operator.call).parameters.keys(), name
