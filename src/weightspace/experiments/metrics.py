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
    Metric("best_step", "t", "steps", "", "reading of least validation loss"),
    Metric("best_validation_loss", "L", "nats", "lower", "least validation loss at an reading"),
    Metric("distance", "‖w - w₀‖", "weight units", "", "Euclidean distance of the weights from their start"),
    Metric("path_length", "ℓ", "coordinate units", "", "Σ ‖θ(t+1) - θ(t)‖ over all steps"),
    Metric("path_length_window", "ℓ", "coordinate units", "", "the same since the last reading"),
    Metric("tortuosity", "", "", "", "path_length / ‖θ(t) - θ(0)‖"),
    Metric("trajectory", "Σφ", "", "", "Σ ‖∂ŷ/∂b‖ over the steps since the last reading"),
    Metric("trajectory_mean", "φ", "", "", "the same per step: an estimate of the mean λ"),
    Metric("trajectory_total", "Σφ", "", "", "Σ φ over all steps"),
    Metric("trajectory_total_mean", "Σφ/N", "", "", "trajectory_total over the steps of an epoch"),
    Metric("phi_batch", "φ", "", "", "‖∂L/∂b‖ / mean ε: of the mean gradient of a batch"),
    Metric("phi_max", "max φ", "", "", "largest φ since the last reading"),
    Metric("phi_q50, phi_q90, phi_q99", "φ", "", "", "quantiles of φ since the last reading"),
    Metric("loss_derivative", "ε", "", "", "mean ‖∂ℓ/∂ŷ‖ since the last reading"),
    Metric(
        "update_length", "Σ‖Δb‖/η", "", "", "length of the optimiser's own steps of the bias over the rate"
    ),
    Metric("bias_variance", "", "weight units²", "", "mean ‖b_t - mean b‖² since the last reading"),
    Metric("bias_variance_normalised", "", "", "", "the same over the squared learning rate"),
    Metric("bias_distance", "‖b - b₀‖", "weight units", "", "distance of a bias from its start"),
    Metric("lipschitz_sampled", "λ", "", "", "mean ‖∇ₓŷ‖ at the examples of the steps, before each update"),
    Metric("lipschitz_mean, lipschitz_max", "λ", "", "", "mean and maximum of ‖∇ₓŷ‖ over a set of examples"),
    Metric(
        "lipschitz_inside, lipschitz_outside",
        "λ",
        "",
        "",
        "of the gradient's parts in and off the data's plane",
    ),
    Metric("sigma_max, sigma_min", "σ₁, σₙ", "", "", "extreme singular values of a layer's matrix"),
    Metric("flip_rate", "", "fraction", "", "units × examples whose activation changed between readings"),
    Metric("least_active", "", "fraction", "", "smallest share of examples at which a unit is active"),
    Metric("p_min", "p_min", "fraction", "", "the same over units that are active at some example"),
    Metric("sharpness", "λ_max", "", "", "largest eigenvalue of the Hessian of the training loss"),
    Metric("barrier_error, barrier_loss", "", "", "lower", "largest on a line less the mean of its ends"),
    Metric("stable", "", "fraction", "", "whether the error barrier is below 2 %"),
    Metric("distance_ab", "‖a - b‖", "weight units", "", "distance of the two ends"),
    Metric("iou, expected_iou", "", "fraction", "", "overlap of two masks, and of independent ones"),
    Metric("sign_agreement", "", "fraction", "", "share of weights with one sign in both trainings"),
    Metric("density_<layer>", "", "fraction", "", "share of ones of a layer's mask"),
    Metric("expected_density", "", "fraction", "", "mean probability of a one"),
    Metric("compression", "D/d", "", "higher", "weights of the model over degrees of freedom"),
    Metric("d_star", "d*", "dimensions", "lower", "min {d : success probability ≥ 1 - δ}"),
    Metric("local_angular_dimension", "D - d*", "dimensions", "higher", "weights of the model minus d*"),
    Metric("sparsity", "", "fraction", "", "share of weights that are zero"),
    Metric("density", "", "fraction", "", "share of weights that are not zero"),
    Metric(
        "seconds", "s", "seconds", "lower", "wall time of the run's block over its runs, without compilation"
    ),
)
