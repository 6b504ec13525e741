"""Many networks on the same examples: how good each is, how good together, and how they differ.

All of it follows from their outputs [networks, examples, classes] and the true classes, so that any number of
networks is compared after one reading of the data. Probabilities keep the outputs' own type, since a
confidence at the edge of a bin belongs to another bin once it is cast; sums are in double precision.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from weightspace.errors import check_choice

Outputs = Float[np.ndarray, "n classes"]
Labels = Int[np.ndarray, " n"]
Matrix = Float[np.ndarray, "k k"]

BINS = 20
WAYS = ("logit_sum", "logit_mean", "probability_mean")
"""How networks vote: softmax of the sum of their outputs, of the mean, or the mean of their probabilities."""
SCORES = ("accuracy", "nll", "brier", "ece")


def log_probabilities(outputs: Float[np.ndarray, "*k n classes"]) -> Float[np.ndarray, "*k n classes"]:
    """Log softmax over the last axis, in the outputs' own type."""
    shifted = outputs - outputs.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def calibration_error(confidence: Float[np.ndarray, " n"], right: np.ndarray, bins: int = BINS) -> float:
    """Σ_b |Σ_{i in b} (right_i - confidence_i)| / n with bin min(⌊bins · c⌋, bins - 1), in the type of c.

    A confidence of exactly 1 lies in the last bin, one at an edge in the bin above it. Confidences are not
    cast before they are binned: in float32 and float64 seven of the edges of twenty bins fall differently.

    >>> calibration_error(np.array([1.0, 0.55], np.float32), np.array([True, False]))
    0.2750000059604645
    """
    if np.isnan(confidence).any():
        return float("nan")
    place = np.floor(confidence * confidence.dtype.type(bins)).astype(np.int64).clip(0, bins - 1)
    excess = right.astype(np.float64) - confidence.astype(np.float64)
    return float(np.abs(np.bincount(place, weights=excess, minlength=bins)).sum() / len(confidence))


def reliability(log_p: Outputs, y: Labels, bins: int = BINS) -> Float[np.ndarray, "bins 3"]:
    """Of each bin of the calibration error: its examples, the sum of confidences, how many are right."""
    confidence, right = np.exp(log_p).max(-1), log_p.argmax(-1) == y
    if np.isnan(confidence).any():
        return np.full((bins, 3), np.nan)
    place = np.floor(confidence * confidence.dtype.type(bins)).astype(np.int64).clip(0, bins - 1)
    columns = (np.ones(len(y)), confidence.astype(np.float64), right.astype(np.float64))
    return np.stack([np.bincount(place, weights=each, minlength=bins) for each in columns], axis=1)


def scores(log_p: Outputs, y: Labels, bins: int = BINS) -> dict[str, float]:
    """Accuracy, mean -log p of the true class, Brier's score Σ_k (p_k - 1[y = k])², calibration error.

    Where an example has no probabilities (NaN), all are NaN.
    """
    if np.isnan(log_p).any():
        return dict.fromkeys(SCORES, float("nan"))
    p, rows = np.exp(log_p), np.arange(len(y))
    right = log_p.argmax(-1) == y
    true = np.zeros(p.shape, np.float64)
    true[rows, y] = 1
    return {
        "accuracy": float(right.mean()),
        "nll": float(-log_p[rows, y].astype(np.float64).mean()),
        "brier": float(np.square(p.astype(np.float64) - true).sum(-1).mean()),
        "ece": calibration_error(p.max(-1), right, bins),
    }


def together(outputs: Float[np.ndarray, "k n classes"], way: str = "logit_sum") -> Outputs:
    """Log probabilities of an ensemble.

    Args:
      outputs: Of its members.
      way: One of `WAYS`. The first two choose the same class; the sum is surer of it.
    """
    check_choice("way of an ensemble", way, WAYS)
    if way == "probability_mean":
        log_p = log_probabilities(outputs)
        top = log_p.max(0)
        # A class that no member believes in has log p = -inf, as it should.
        with np.errstate(divide="ignore", invalid="ignore"):
            found = top + np.log(np.exp(log_p - top).mean(0))
        return np.where(np.isneginf(top), top, found)
    whole = outputs.sum(0)
    return log_probabilities(whole if way == "logit_sum" else whole / outputs.dtype.type(len(outputs)))


def ensemble_scores(
    outputs: Float[np.ndarray, "k n classes"], y: Labels, way: str = "logit_sum", bins: int = BINS
) -> dict[str, Matrix]:
    """Scores of each pair of networks as an ensemble; on the diagonal those of the networks alone."""
    count = len(outputs)
    found = {name: np.full((count, count), np.nan) for name in SCORES}
    for i, j in itertools.combinations_with_replacement(range(count), 2):
        # A network with itself is the network: its own outputs, not twice them.
        log_p = log_probabilities(outputs[i]) if i == j else together(outputs[[i, j]], way)
        for name, value in scores(log_p, y, bins).items():
            found[name][i, j] = found[name][j, i] = value
    return found


def differences(outputs: Float[np.ndarray, "k n classes"], y: Labels) -> dict[str, Matrix]:
    """How predictions of each pair differ, as means over examples.

    `total_variation` is ½ Σ_c |p_c - q_c|; `disagreement` the share of examples put into different classes;
    `disagree_correct` the share of these where one of both is right, of all examples.
    """
    count, p = len(outputs), np.exp(log_probabilities(outputs))
    classes, broken = outputs.argmax(-1), [bool(np.isnan(each).any()) for each in outputs]
    right = classes == y
    names = ("total_variation", "disagreement", "disagree_correct")
    found = {name: np.zeros((count, count)) for name in names}
    for i, j in itertools.combinations(range(count), 2):
        differ = classes[i] != classes[j]
        values = (
            float(np.abs(p[i] - p[j]).sum(-1, dtype=np.float64).mean() / 2),
            float(differ.mean()),
            float((differ & (right[i] | right[j])).mean()),
        )
        for name, value in zip(names, values, strict=True):
            known = np.nan if broken[i] or broken[j] else value
            found[name][i, j] = found[name][j, i] = known
    return found


def pair_mean(matrix: Matrix) -> float:
    """The mean over pairs of different networks; NaN where there is one alone."""
    return float(matrix[np.triu_indices(len(matrix), 1)].mean()) if len(matrix) > 1 else float("nan")


def barriers(values: Float[np.ndarray, " k"], places: Sequence[float]) -> dict[str, float]:
    """How far values rise on the way, by the three definitions in use; ends come first and last.

    `barrier_ends` is max v - (v_0 + v_1)/2 (Frankle et al., 2020), `barrier_chord` the largest excess over
    the straight line between the ends' values (Entezari et al., 2021), `barrier_worse` max v - max(v_0, v_1).

    >>> barriers(np.array([0.0, 1.0, 1.0]), (0.0, 0.5, 1.0))
    {'barrier_ends': 0.5, 'barrier_chord': 0.5, 'barrier_worse': 0.0}
    """
    t = (np.asarray(places, np.float64) - places[0]) / (places[-1] - places[0])
    chord = (1 - t) * values[0] + t * values[-1]
    top = values.max()
    return {
        "barrier_ends": float(top - (values[0] + values[-1]) / 2),
        "barrier_chord": float((values - chord).max()),
        "barrier_worse": float(top - max(values[0], values[-1])),
    }
