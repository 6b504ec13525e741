"""The leading eigenvectors of the loss's curvature at given weights: the Hessian, or Gauss and Newton's.

Lanczos' method with full reorthogonalisation, twice, on vectors that are kept in float64 on the host;
products are computed in float32. Where a Krylov space is used up, a new random direction goes on beside it,
so that multiple eigenvalues are all found.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace import platform
from weightspace.derived.curvature import KINDS, Curved, checked_layout, examples_of
from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.network import Network
from weightspace.models.base import layout_of
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.theory.lanczos import krylov
from weightspace.tree import Tree

Vector = Float[np.ndarray, " D"]
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
    made = krylov(product, rng.normal(size=size), steps, _USED_UP, lambda: rng.normal(size=size))
    values, vectors = np.linalg.eigh(made.matrix)
    chosen = np.argsort(values)[::-1][:count]
    left = made.left if steps < size else 0.0
    return values[chosen], vectors[:, chosen].T @ made.basis, left * np.abs(vectors[-1, chosen])


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
        layout = checked_layout(self.model, self.task, self.network, "a network whose curvature is asked for")
        if self.count > layout.size:
            raise InputError(
                f"{self.count} eigenvectors are asked of D = {layout.size} weights; ask for fewer"
            )
        with platform.arithmetic("float32", "highest"):
            examples = examples_of(self.task, self.seeds, self.examples)
            at = Curved(self.model, self.task, self.network, self.seeds, examples, self.kind)
            values, vectors, residuals = leading_eigenvectors(
                at.product, layout.size, self.count, self.iterations or 2 * self.count + 20,
                int(self.seeds.base),
            )  # fmt: skip
        return {
            "curvature_top": float(values[0]),
            "curvature_residual": float(residuals.max() / max(abs(values[0]), np.finfo(float).tiny)),
            "columns": vectors.astype(np.float32),
            "values": values,
            "residuals": residuals,
        }
