"""The metrics by name: symbol, unit, direction and formula. Columns of results are named after them."""

from typing import NamedTuple


class Metric(NamedTuple):
    """What a column means."""

    name: str
    symbol: str
    unit: str
    better: str
    formula: str


METRICS = (
    Metric(
        "<split>_loss",
        "L",
        "nats (cross-entropy)",
        "lower",
        "mean over the split of the loss of each example",
    ),
    Metric(
        "<split>_accuracy", "acc", "fraction", "higher", "share of examples whose largest output is the label"
    ),
    Metric("best_step", "t", "steps", "", "evaluation point of least validation loss"),
    Metric("best_validation_loss", "L", "nats", "lower", "least validation loss at an evaluation point"),
    Metric("distance", "‖w - w₀‖", "weight units", "", "Euclidean distance of the weights from their start"),
    Metric("path_length", "ℓ", "coordinate units", "", "Σ ‖θ(t+1) - θ(t)‖ over all steps"),
    Metric("path_length_window", "ℓ", "coordinate units", "", "the same since the last evaluation point"),
    Metric("compression", "D/d", "", "higher", "weights of the model over degrees of freedom"),
    Metric("d_star", "d*", "dimensions", "lower", "min {d : success probability ≥ 1 - δ}"),
    Metric("local_angular_dimension", "D - d*", "dimensions", "higher", "weights of the model minus d*"),
    Metric("sparsity", "", "fraction", "", "share of weights that are zero"),
    Metric("density", "", "fraction", "", "share of weights that are not zero"),
    Metric(
        "seconds", "s", "seconds", "lower", "wall time of the run's block over its runs, without compilation"
    ),
)
