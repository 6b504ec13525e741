"""Chain: a ReLU network as a list of affine layers, in double precision on the host.

f = A_d ∘ relu ∘ A_{d-1} ∘ … ∘ relu ∘ A_1 with A_l(h) = W_l h + b_l is all that exact statements on linear
regions need. It is read off a model's weights by their layout and then compared with the model itself, so
that whatever is no such chain (a skip connection, another activation, normalisation) is refused.
"""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from weightspace import platform, tree
from weightspace.errors import InputError
from weightspace.models.base import Model, example, layout_of
from weightspace.models.layout import Layout
from weightspace.tree import Tree

NEEDED = "dense layers in sequence with ReLU between them (a bias alone is an identity layer)"
_TRIALS = 8
_SCALES = (0.1, 1.0, 10.0)
_TOLERANCE = 1e-4
_BLOCK = 1 << 22

Points = Float[np.ndarray, "n inputs"]


@dataclasses.dataclass(frozen=True, eq=False)
class AffineLayer:
    """h ↦ W h + b.

    Attributes:
      matrix: W; None for the identity.
      bias: b.
    """

    matrix: Float[np.ndarray, "units inputs"] | None
    bias: Float[np.ndarray, " units"]

    @property
    def units(self) -> int:
        """The length of what it gives."""
        return len(self.bias)

    @property
    def inputs(self) -> int:
        """The length of what it takes."""
        return self.units if self.matrix is None else self.matrix.shape[1]

    def __call__(self, h: Float[np.ndarray, "*batch inputs"]) -> Float[np.ndarray, "*batch units"]:
        """W h + b for each row."""
        return self.linear(h) + self.bias

    def linear(self, h: Float[np.ndarray, "*batch inputs"]) -> Float[np.ndarray, "*batch units"]:
        """W h for each row."""
        return h if self.matrix is None else h @ self.matrix.T

    def pull_back(self, v: Float[np.ndarray, "*batch units"]) -> Float[np.ndarray, "*batch inputs"]:
        """Wᵀ v for each row."""
        return v if self.matrix is None else v @ self.matrix

    def singular_values(self) -> Float[np.ndarray, " k"]:
        """Those of W, largest first."""
        return np.ones(self.units) if self.matrix is None else np.linalg.svd(self.matrix, compute_uv=False)


Chain = tuple[AffineLayer, ...]
"""Affine layers in forward order, a ReLU between each two."""


def hidden_widths(chain: Chain) -> tuple[int, ...]:
    """Units of each hidden layer."""
    return tuple(layer.units for layer in chain[:-1])


def forward(chain: Chain, x: Points) -> Iterator[Float[np.ndarray, "n units"]]:
    """What each layer gives before its ReLU, the outputs last."""
    h = x
    for layer in chain:
        z = layer(h)
        yield z
        h = np.maximum(z, 0.0)


def outputs(chain: Chain, x: Points) -> Float[np.ndarray, "n outputs"]:
    """f(x) for each point."""
    return np.concatenate([list(forward(chain, block))[-1] for block in blocks(chain, x)])


def blocks(chain: Chain, x: Points) -> Iterator[Points]:
    """The points in pieces whose activations fit into little memory; one piece at least."""
    rows = max(1, _BLOCK // sum(layer.units for layer in chain))
    return (x[start : start + rows] for start in range(0, max(len(x), 1), rows))


def chain_of(model: Model, weights: Tree, x_shape: tuple[int, ...]) -> Chain:
    """A network's layers, checked against the network.

    Args:
      model: The network; its inputs are flattened.
      weights: As the model takes them.
      x_shape: The shape of one input.

    Raises:
      InputError: If the model is no chain of dense layers with ReLU between them.
    """
    shape = tuple(x_shape)
    # The layout comes first: adapters keep what they trace, and must not trace it in double precision.
    layout = layout_of(model, shape, "float32")
    key = jax.random.key(0, impl="threefry2x32")
    state = jax.eval_shape(model.init, key, example(shape))[1]
    if jax.tree.leaves(state):
        raise InputError(f"{model.name} keeps a state, but linear regions need {NEEDED}")
    arrays = _arrays(model.name, layout, weights)
    chain = _joined(model.name, _layers(model.name, layout, arrays), int(np.prod(shape)))
    _check_against(model, weights, state, shape, chain)
    return chain


def _arrays(name: str, layout: Layout, weights: Tree) -> dict[str, np.ndarray]:
    """The weights by path in double precision; shapes are the model's, numbers are finite."""
    given = tree.flat_dict(weights)
    for leaf in layout:
        if leaf.path not in given or np.shape(given[leaf.path]) != leaf.shape:
            raise InputError(f"{name} takes '{leaf.path}' of shape {leaf.shape}, which these weights lack")
        if not np.isfinite(np.asarray(given[leaf.path], np.float64)).all():
            raise InputError(f"'{leaf.path}' holds numbers that are not finite; did the run diverge?")
    return {leaf.path: np.asarray(given[leaf.path], np.float64) for leaf in layout}


@dataclasses.dataclass
class _Found:
    """A layer as the walk over the leaves finds it."""

    path: str
    module: str
    matrix: np.ndarray | None = None
    bias: np.ndarray | None = None


def _layers(name: str, layout: Layout, arrays: dict[str, np.ndarray]) -> list[_Found]:
    """In forward order, a kernel opens a layer; a bias that follows no kernel of its module is one itself."""
    found: list[_Found] = []
    for leaf in layout:
        array, last = arrays[leaf.path], found[-1] if found else None
        if leaf.kind == "kernel" and array.ndim == 2:
            found.append(_Found(leaf.path, leaf.module, array if leaf.out_axis == 0 else array.T))
        elif leaf.kind == "bias" and array.ndim == 1:
            if last is not None and last.module == leaf.module and last.bias is None:
                last.bias = array
            else:
                found.append(_Found(leaf.path, leaf.module, bias=array))
        else:
            raise InputError(
                f"'{leaf.path}' of {name} is a {leaf.kind} of shape {leaf.shape}; linear regions need "
                f"{NEEDED}"
            )
    return found


def _joined(name: str, found: list[_Found], width: int) -> Chain:
    """The layers, each taking as many numbers as the one before it gives."""
    chain = []
    for layer in found:
        takes, gives = (width, width) if layer.matrix is None else layer.matrix.shape[::-1]
        bias = np.zeros(gives) if layer.bias is None else layer.bias
        if takes != width or len(bias) != gives:
            raise InputError(
                f"'{layer.path}' of {name} is no layer for {width} numbers, which the one before it gives; "
                f"linear regions need {NEEDED}"
            )
        chain.append(AffineLayer(layer.matrix, bias))
        width = gives
    return tuple(chain)


def _check_against(model: Model, weights: Tree, state: Tree, shape: tuple[int, ...], chain: Chain) -> None:
    """Raise unless model and chain agree on random inputs of several lengths."""
    x = np.random.default_rng(0).normal(size=(len(_SCALES), _TRIALS, *shape))
    x *= np.reshape(_SCALES, (-1,) + (1,) * (x.ndim - 1))
    count, key = len(_SCALES) * _TRIALS, jax.random.key(0, impl="threefry2x32")
    with platform.arithmetic("float64", "highest"):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(jnp.float64), weights)
        made, _ = model.apply(wide, state, jnp.asarray(x.reshape(count, *shape)), train=False, key=key)
        expected = np.asarray(made, np.float64).reshape(count, -1)
    found = outputs(chain, x.reshape(count, -1))
    agree = found.shape == expected.shape
    for ours, theirs in zip(np.split(found, len(_SCALES)), np.split(expected, len(_SCALES)), strict=True):
        close = _TOLERANCE * max(np.abs(theirs).max(), np.finfo(np.float64).tiny)
        agree = agree and np.abs(ours - theirs).max() <= close
    if not agree:
        raise InputError(
            f"{model.name} does not compute what its kernels and biases do with ReLU between them; linear "
            f"regions need {NEEDED}, without skip connections, pooling or another activation"
        )
