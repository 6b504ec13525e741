"""Layers of the zoo: dense, convolution, normalisation; activations and initialisers by name.

Kernels are LeCun-normal unless an option says otherwise: a normal distribution cut off at two standard
deviations and widened so that its variance is 1 / fan-in, Flax's default. Biases start at zero.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from weightspace.models.channels import add_to_channels, channel_means
from weightspace.models.convolution import convolution
from weightspace.models.convolution_cpu import LAYOUT

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "identity": lambda x: x,
}
"""Activations by name."""

CUT_VARIANCE = 0.87962566103423978**2
"""Variance of a standard normal distribution cut off at two standard deviations."""

INITIALISERS: dict[str, Callable[..., Any]] = {
    "lecun_normal": initializers.lecun_normal(),
    "lecun_uniform": initializers.lecun_uniform(),
    "he_normal": initializers.he_normal(),
    "he_uniform": initializers.he_uniform(),
    "glorot_normal": initializers.glorot_normal(),
    "glorot_normal_uncorrected": initializers.variance_scaling(CUT_VARIANCE, "fan_avg", "truncated_normal"),
    "glorot_uniform": initializers.glorot_uniform(),
    "kaiming_normal": initializers.variance_scaling(2.0, "fan_in", "normal"),
    "orthogonal": initializers.orthogonal(),
    "torch": initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
}
"""Initialisers of kernels by name; `torch` draws kernels and biases from U(±1/√fan-in).

Normal ones are cut off at two standard deviations and widened to their nominal variance;
`glorot_normal_uncorrected` is not widened, so that its variance is 0.774 times that of `glorot_normal`;
`kaiming_normal` is not cut off, its variance 2 / fan-in.
"""


def dense(
    taken: int, made: int, rngs: nnx.Rngs, *, bias: bool = True, initialiser: str = "lecun_normal"
) -> nnx.Linear:
    """A fully connected layer."""
    return nnx.Linear(
        taken,
        made,
        use_bias=bias,
        kernel_init=INITIALISERS[initialiser],
        bias_init=_bias(initialiser, taken),
        rngs=rngs,
    )


def conv(
    taken: int,
    made: int,
    rngs: nnx.Rngs,
    *,
    size: int = 3,
    stride: int = 1,
    bias: bool = True,
    padding: str = "SAME",
    initialiser: str = "lecun_normal",
) -> "Conv":
    """A convolution; with padding `SAME` it keeps the size of the image, up to the stride."""
    return Conv(
        taken,
        made,
        (size, size),
        strides=(stride, stride),
        padding=padding,
        use_bias=bias,
        kernel_init=INITIALISERS[initialiser],
        bias_init=_bias(initialiser, size * size * taken),
        rngs=rngs,
    )


def _bias(initialiser: str, fan_in: int) -> Callable[..., Any]:
    return uniform_bias(fan_in) if initialiser == "torch" else initializers.zeros


def uniform_bias(fan_in: int) -> Callable[..., Any]:
    """Draws from U(±1/√fan-in)."""
    bound = 1 / math.sqrt(fan_in)

    def draw(key: Array, shape: tuple[int, ...], dtype: Any = "float32", **_: Any) -> Array:
        return jax.random.uniform(key, shape, dtype, minval=-bound, maxval=bound)

    return draw


class Conv(nnx.Conv):
    """Flax's two-dimensional convolution without dilation and groups, its bias added row by row."""

    def __call__(self, x: Array, *_: Any, **__: Any) -> Float[Array, "batch height width channels"]:
        """The convolved images."""
        bias = None if self.bias is None else self.bias[...]
        x, kernel, bias = self.promote_dtype((x, self.kernel[...], bias), dtype=self.dtype)
        strides, padding = cast(tuple[Any, Any], (self.strides, self.padding))
        y = convolution(x, kernel, strides, padding, dimension_numbers=LAYOUT)
        return y if bias is None else add_to_channels(y, bias)


class BatchNorm(nnx.BatchNorm):
    """Flax's batch normalisation, computed as x·a + b with one a and b a channel: half the time on a CPU.

    It computes in the precision of its statistics and gives its inputs' type.
    """

    def __call__(self, x: Array, *_: Any, **__: Any) -> Float[Array, "*batch channels"]:
        """The normalised inputs."""
        wide = x.astype(self.mean[...].dtype)
        mean, var = self.mean[...], self.var[...]
        if not self.use_running_average:
            mean = channel_means(wide)
            var = jnp.maximum(channel_means(wide * wide) - mean * mean, 0)
            keep = self.momentum
            self.mean[...] = keep * self.mean[...] + (1 - keep) * jax.lax.stop_gradient(mean)
            self.var[...] = keep * self.var[...] + (1 - keep) * jax.lax.stop_gradient(var)
        scale, shift = cast(nnx.Param, self.scale)[...], cast(nnx.Param, self.bias)[...]
        factor = scale.astype(wide.dtype) * jax.lax.rsqrt(var + self.epsilon)
        return (wide * factor + (shift.astype(wide.dtype) - mean * factor)).astype(x.dtype)


def norm(channels: int, momentum: float, rngs: nnx.Rngs) -> BatchNorm:
    """Batch normalisation with scale 1 and shift 0."""
    return BatchNorm(channels, momentum=momentum, epsilon=1e-5, rngs=rngs)


def flat(x: Array) -> Array:
    """Examples as vectors."""
    return x.reshape(x.shape[0], -1)
