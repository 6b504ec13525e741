"""Products with the curvature of the training loss at given weights: the Hessian's, or Gauss and Newton's.

Examples are taken in batches whose products are averaged by their sizes, so that a smaller last batch counts
for less. To be called within `platform.arithmetic`, whose types the numbers have.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import compiler
from weightspace.data.order import spread_order
from weightspace.errors import InputError
from weightspace.measure.host import keeps_statistics
from weightspace.measure.network import Network
from weightspace.models.base import layout_of
from weightspace.models.fit import check_finite_tree, check_fit
from weightspace.models.layout import Layout
from weightspace.streams import Seeds, Stream, key
from weightspace.theory.lanczos import Product, by_examples
from weightspace.tree import Tree, ravel

KINDS = ("hessian", "ggn")


def checked_layout(model: Any, task: Any, network: Network, what: str) -> Layout:
    """What each leaf of the weights is.

    Raises:
      InputError: If the network is of another architecture, or not finite.
    """
    layout = layout_of(model, tuple(task.data.shape), "float32")
    check_fit(what, network.weights, layout)
    check_finite_tree(what, network.weights)
    return layout


def examples_of(task: Any, seeds: Seeds, count: int, dtype: str = "float32") -> tuple[Any, Any]:
    """Inputs and targets as training decodes and labels them, of the train split, spread evenly over it."""
    data = task.data
    arrays = data.drawn(seeds)
    arrays = data.arrays() if arrays is None else arrays
    labels, rows = data.labels(arrays, seeds), data.partition(seeds).train
    some = np.asarray(spread_order(data.size))[:count]
    chosen = some if rows is None else np.asarray(rows)[some]
    x = data.decode(arrays, jnp.asarray(np.asarray(arrays.train.x)[chosen]), jnp.dtype(dtype))
    return x, jnp.asarray(np.asarray(arrays.train.y if labels is None else labels)[chosen])


def state_of(model: Any, task: Any, network: Network, seeds: Seeds) -> Tree:
    """The network's state, or that of a new one where it has none.

    Raises:
      InputError: If training would change the state: a new network's statistics say nothing of these weights.
    """
    if network.state is not None:
        return jax.tree.map(jnp.asarray, network.state)
    data = task.data
    if keeps_statistics(model, tuple(data.shape)):
        raise InputError(
            "curvature is asked of weights without the normalisation statistics that go with them; give "
            "run.network(), which has both"
        )
    blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))
    return model.init(key(seeds, Stream.INIT, 0), blank)[1]


class Curved:
    """The mean loss of some examples about a network, and its curvature there.

    Args:
      model: The network.
      task: Data and loss.
      network: Weights and state.
      seeds: Of the run, by which its examples were chosen.
      examples: Inputs and targets, as `examples_of` gives them.
      kind: Of `KINDS`: the Hessian by the weights, or Σ JᵀH_out J / n, J the derivative of an example's
        outputs by the weights and H_out the Hessian of its loss by the outputs.
      batch: Examples of a product; all at once where it is 0.
      dtype: Of weights and products.
    """

    def __init__(
        self,
        model: Any,
        task: Any,
        network: Network,
        seeds: Seeds,
        examples: tuple[Any, Any],
        kind: str = "ggn",
        batch: int = 0,
        dtype: str = "float32",
    ) -> None:
        self._weights = jax.tree.map(lambda w: jnp.asarray(w, dtype), network.weights)
        self._state = state_of(model, task, network, seeds)
        self._product, self._loss = _programs(model, task.loss, kind)
        self._own, self._dtype = key(seeds, Stream.DROPOUT, 0), dtype
        x, y = examples
        step = batch or len(x)
        self._batches = [(x[i : i + step], y[i : i + step]) for i in range(0, len(x), step)]
        self._sizes = [len(part) for part, _ in self._batches]

    @property
    def product(self) -> Product:
        """V -> H v."""
        return by_examples([self._of(*batch) for batch in self._batches], self._sizes)

    @property
    def loss(self) -> float:
        """The mean over all examples."""
        each = [self._loss(self._weights, self._state, x, y, self._own) for x, y in self._batches]
        return float(np.average(np.asarray(each, np.float64), weights=self._sizes))

    def _of(self, x: Any, y: Any) -> Product:
        def product(v: np.ndarray) -> np.ndarray:
            made = self._product(self._weights, self._state, x, y, self._own, jnp.asarray(v, self._dtype))
            return np.asarray(made)

        return product


@functools.lru_cache(maxsize=16)
def _programs(model: Any, loss: Any, kind: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Product and loss of a batch, compiled once for all weights of a model."""

    def mean(out: Any, y: Any) -> Any:
        return jnp.mean(loss(out, y))

    def outputs(weights: Tree, state: Tree, x: Any, own: Any) -> Any:
        return model.apply(weights, state, x, train=False, key=own)[0]

    @compiler.jit
    def product(weights: Tree, state: Tree, x: Any, y: Any, own: Any, v: Any) -> Any:
        flat, back = ravel(weights)

        def at(flat: Any) -> Any:
            return outputs(back(flat), state, x, own)

        if kind == "hessian":
            return jax.jvp(jax.grad(lambda flat: mean(at(flat), y)), (flat,), (v,))[1]
        out, pushed = jax.jvp(at, (flat,), (v,))
        bent = jax.jvp(jax.grad(lambda out: mean(out, y)), (out,), (pushed,))[1]
        return jax.vjp(at, flat)[1](bent)[0]

    @compiler.jit
    def value(weights: Tree, state: Tree, x: Any, y: Any, own: Any) -> Any:
        return mean(outputs(weights, state, x, own), y)

    return product, value
