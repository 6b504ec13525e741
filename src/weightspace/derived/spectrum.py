"""Spectrum of the Gauss-Newton matrix about a training: the well that predicts its degrees of freedom.

The well of the loss about a minimum w*, seen from w_t, is known by two measures: Σ δ(λ_i) of the whole
spectrum, and Σ p_i² δ(λ_i) of the displacement p = w* - w_t. Both are found by products alone.
"""

from typing import Any

import jax
import numpy as np

from weightspace import platform
from weightspace.derived.curvature import Curved, checked_layout, examples_of
from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.network import Network
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.theory.lanczos import ROUNDING, predicted_well
from weightspace.tree import Tree

ENDS = ("end", "start")
DTYPES = tuple(ROUNDING)
CURVATURES = np.logspace(-5, 0, 26)
"""At which tails are given, five a decade, as shares of the largest."""


@spec
class Spectrum(Derived):
    """Gauss quadratures of the Gauss-Newton matrix G of the mean training loss, by Lanczos' method.

    Outputs `eigenvalues` with `counts` (Σ = D, from normal starts) and `nodes` with `masses` (Σ = R², from
    p = w* - w_t); and both as tails: `stiffer`, how many dimensions have at least each of the `curvatures`
    (shares of λ_max), and `stiffer_share`, the share of R² that lies in them.

    Columns `curvature_trace` Σ λ, `curvature_top` λ_max, `curvature_participation` (Σλ)² / Σλ²,
    `displacement` R = ‖p‖, `loss_start` L(w_t), `loss_end` L(w*), and `well_loss` L₀ = ½ pᵀGp, what a
    quadratic well rises from w* to w_t; where the loss is no well, that is not L(w_t) - L(w*).

    Quadratures have sums over the spectrum right long before they resolve its smallest eigenvalues: the rank
    is not to be had of them, nor d* at levels so near L(w*) that these decide.

    Attributes:
      model: The network.
      task: Data and loss.
      start: Weights w_t and state, from where the well is seen.
      end: Those at w*, the point that is taken for the minimum.
      seeds: Of the run, by which its examples were chosen.
      at: Where G is taken: at the `end`, as for a well, or at the `start`.
      examples: Of the train split, spread evenly over it; all where it has no more.
      batch: Examples of a product; products are averaged by examples.
      iterations: Lanczos products from each start, at most.
      draws: Normal starts.
      dtype: Arithmetic of products: float32, whose rounding hides eigenvalues below 1e-5 of the largest, or
        float64 (1e-10).
    """

    model: Any
    task: Any
    start: Network
    end: Network
    seeds: Seeds
    at: str = static(default="end")
    examples: int = static(default=2_000)
    batch: int = static(default=500)
    iterations: int = static(default=80)
    draws: int = static(default=4)
    dtype: str = static(default="float32")

    def validate(self) -> None:
        """Known ends and arithmetic, and something to do."""
        check_choice("where the curvature is taken", self.at, ENDS)
        check_choice("arithmetic of a spectrum", self.dtype, DTYPES)
        for name, value in (
            ("examples of a spectrum", self.examples),
            ("examples of a product", self.batch),
            ("iterations of Lanczos' method", self.iterations),
            ("normal starts", self.draws),
        ):
            check_number(name, value, least=1)

    def compute(self) -> dict[str, Tree]:
        """By Lanczos' method."""
        ends = {"start": self.start, "end": self.end}
        for name, network in ends.items():
            checked_layout(self.model, self.task, network, f"the {name} of a spectrum")
        p = _flat(self.end.weights) - _flat(self.start.weights)
        if not np.any(p):
            raise InputError(
                "the start and the end of a spectrum are the same weights: nothing is left to train; take a "
                "minimum of a longer training"
            )
        with platform.arithmetic(self.dtype, "highest"):
            examples = examples_of(self.task, self.seeds, self.examples, self.dtype)
            curved = {
                name: Curved(
                    self.model, self.task, network, self.seeds, examples, batch=self.batch, dtype=self.dtype
                )
                for name, network in ends.items()
            }
            losses = {f"loss_{name}": each.loss for name, each in curved.items()}
            found = predicted_well(
                curved[self.at].product, p, self.iterations, self.draws, int(self.seeds.base),
                ROUNDING[self.dtype],
            )  # fmt: skip
        top = float(max(found.eigenvalues.max(), found.nodes.max()))
        return {
            "curvature_trace": float(found.counts @ found.eigenvalues),
            "curvature_top": top,
            "curvature_participation": _participation(found.eigenvalues, found.counts),
            "displacement": float(np.linalg.norm(p)),
            "well_loss": found.loss,
            **losses,
            "eigenvalues": found.eigenvalues,
            "counts": found.counts,
            "nodes": found.nodes,
            "masses": found.masses,
            "curvatures": CURVATURES,
            "stiffer": _tail(found.eigenvalues / (top or 1), found.counts),
            "stiffer_share": _tail(found.nodes / (top or 1), found.masses) / found.masses.sum(),
        }


def _flat(weights: Tree) -> np.ndarray:
    """All leaves as one vector in float64, in the order of `ravel`."""
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(weights)])


def _tail(places: np.ndarray, masses: np.ndarray) -> np.ndarray:
    # The last place is the largest curvature itself, whatever its rounding.
    return (places >= CURVATURES[:, None] * (1 - 1e-9)) @ masses


def _participation(places: np.ndarray, masses: np.ndarray) -> float:
    whole = float(masses @ places)
    return whole**2 / float(masses @ places**2) if whole else 0.0
