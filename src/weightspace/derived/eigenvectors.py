"""The leading eigenvectors of the loss's curvature at given weights: the Hessian, or Gauss and Newton's.

Lanczos' method with full reorthogonalisation, twice, on vectors that are kept in float64 on the host;
products are computed in float32. Where a Krylov space is used up, a new random direction goes on beside it,
so that multiple eigenvalues are all found.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from weightspace import compiler, platform
from weightspace.data.order import spread_order
from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.network import FLOAT32, Network, Subject, forward
from weightspace.models.base import layout_of
from weightspace.models.fit import check_finite_tree, check_fit
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key
from weightspace.tree import Tree, ravel

Vector = Float[np.ndarray, " D"]
KINDS = ("hessian", "ggn")
_USED_UP = 1e-6
"""What is left of a product, as a share of the largest so far, that float32 cannot tell from nothing."""


def leading_eigenvectors(
    product: Callable[[Vector], Vector], size: int, count: int, iterations: int, seed: int = 0
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k D"], Float[np.ndarray, " k"]]:
    """The algebraically largest eigenvalues, falling, with orthonormal eigenvectors as rows and residuals.

    Args:
      product: v -> H v of a symmetric H.
      size: D.
      count: How many; at most D.
      iterations: Products, at most D of which are made and at least `count`.
      seed: Of the directions that it starts from.
    """
    rng = np.random.default_rng(seed)
    steps = min(max(iterations, count), size)
    basis = np.zeros((steps, size))
    diagonal, beside, scale = np.zeros(steps), np.zeros(steps), 0.0
    rest = rng.normal(size=size)
    for k in range(steps):
        basis[k] = _apart(rest, basis[:k])
        made = np.asarray(product(basis[k]), np.float64)
        diagonal[k] = made @ basis[k]
        rest = made - diagonal[k] * basis[k]
        for _ in range(2):
            rest = rest - basis[: k + 1].T @ (basis[: k + 1] @ rest)
        length = float(np.linalg.norm(rest))
        scale = max(scale, abs(diagonal[k]) + length)
        if length > _USED_UP * scale:
            beside[k] = length
        else:
            rest = rng.normal(size=size)
    matrix = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    values, vectors = np.linalg.eigh(matrix)
    chosen = np.argsort(values)[::-1][:count]
    residuals = beside[-1] * np.abs(vectors[-1, chosen]) if steps < size else np.zeros(len(chosen))
    return values[chosen], vectors[:, chosen].T @ basis, residuals


def _apart(vector: Vector, others: Float[np.ndarray, "k D"]) -> Vector:
    """Of unit norm and orthogonal to the others."""
    for _ in range(2):
        vector = vector - others.T @ (others @ vector)
        vector = vector / np.linalg.norm(vector)
    return vector


@spec
class Eigenvectors(Derived):
    """Outputs `columns` [count, D] (orthonormal, of the largest eigenvalues), `values` and `residuals`.

    Columns `curvature_top` (the largest eigenvalue) and `curvature_residual` (the greatest ‖Hv - λv‖ of
    those given, over it).

    Attributes:
      model: The network.
      task: Data and loss.
      network: Weights and state.
      seeds: Of the run, by which its examples were chosen.
      count: How many eigenvectors.
      kind: `hessian` of the mean training loss by the weights, or `ggn`: Σ JᵀH_out J / n, J the derivative of
        an example's outputs by the weights and H_out the Hessian of its loss by the outputs; never negative.
      examples: Of the train split, spread evenly over it.
      iterations: Products; 0 takes 2 · count + 20.
    """

    model: Any
    task: Any
    network: Network
    seeds: Seeds
    count: int = static()
    kind: str = static(default="hessian")
    examples: int = static(default=1_000)
    iterations: int = static(default=0)

    def validate(self) -> None:
        """At least one, of a known kind."""
        check_number("eigenvectors", self.count, least=1)
        check_number("examples of the curvature", self.examples, least=1)
        check_number("iterations of Lanczos' method", self.iterations, least=0)
        check_choice("kind", self.kind, KINDS)

    def blank(self) -> dict[str, Tree]:
        """Its shape."""
        size = layout_of(self.model, tuple(self.task.data.shape), "float32").size
        return {"columns": np.broadcast_to(np.zeros((), np.float32), (self.count, size))}

    def compute(self) -> dict[str, Tree]:
        """By Lanczos' method."""
        layout = layout_of(self.model, tuple(self.task.data.shape), "float32")
        check_fit("a network whose curvature is asked for", self.network.weights, layout)
        check_finite_tree("the network", self.network.weights)
        if self.count > layout.size:
            raise InputError(
                f"{self.count} eigenvectors are asked of D = {layout.size} weights; ask for fewer"
            )
        with platform.arithmetic("float32", "highest"):
            product = self._product()
            values, vectors, residuals = leading_eigenvectors(
                product, layout.size, self.count, self.iterations or 2 * self.count + 20,
                int(self.seeds.base),
            )  # fmt: skip
        if not np.isfinite(values).all():
            raise InputError("the curvature is not finite; take weights of a run that did not diverge")
        return {
            "curvature_top": float(values[0]),
            "curvature_residual": float(residuals.max() / max(abs(values[0]), np.finfo(float).tiny)),
            "columns": vectors.astype(np.float32),
            "values": values,
            "residuals": residuals,
        }

    def _product(self) -> Callable[[Vector], Vector]:
        """H v, over all examples at once."""
        x, y = self._chosen()
        state = jax.tree.map(jnp.asarray, self._state())
        flat, back = ravel(jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), self.network.weights))
        subject = Subject(self.model, self.task, self.seeds, FLOAT32)
        own, task, full = key(self.seeds, Stream.DROPOUT, 0), self.task, self.kind == "hessian"

        @compiler.jit
        def product(flat: Any, x: Any, y: Any, v: Any) -> Any:
            def outputs(at: Any) -> Any:
                return forward(subject, Network(back(at), state), x, train=False, key=own)[0]

            def loss(out: Any) -> Any:
                return jnp.mean(task.loss(out, y))

            if full:
                return jax.jvp(jax.grad(lambda at: loss(outputs(at))), (flat,), (v,))[1]
            out, pushed = jax.jvp(outputs, (flat,), (v,))
            bent = jax.jvp(jax.grad(loss), (out,), (pushed,))[1]
            return jax.vjp(outputs, flat)[1](bent)[0]

        return lambda v: np.asarray(product(flat, x, y, jnp.asarray(v, jnp.float32)))

    def _state(self) -> Tree:
        """The network's, or that of a new one where it has none."""
        if self.network.state is not None:
            return self.network.state
        data = self.task.data
        blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))
        return self.model.init(key(self.seeds, Stream.INIT, 0), blank)[1]

    def _chosen(self) -> tuple[Any, Any]:
        """Inputs and targets, as training decodes and labels them."""
        data = self.task.data
        arrays = data.drawn(self.seeds)
        arrays = data.arrays() if arrays is None else arrays
        labels, rows = data.labels(arrays, self.seeds), data.partition(self.seeds).train
        some = np.asarray(spread_order(data.size))[: self.examples]
        chosen = some if rows is None else np.asarray(rows)[some]
        x = data.decode(arrays, jnp.asarray(np.asarray(arrays.train.x)[chosen]), jnp.float32)
        return x, jnp.asarray(np.asarray(arrays.train.y if labels is None else labels)[chosen])
