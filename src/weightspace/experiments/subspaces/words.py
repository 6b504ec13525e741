"""What columns of learned regions are called."""

from weightspace.experiments.base import Paper
from weightspace.tables.words import Label, Metric

WORTSMAN_2021 = Paper(
    "Learning neural network subspaces",
    "@inproceedings{wortsman2021subspaces, author={Wortsman, Mitchell and Horton, Maxwell and Guestrin, "
    "Carlos and Farhadi, Ali and Rastegari, Mohammad}, title={Learning Neural Network Subspaces}, "
    "booktitle={ICML}, year={2021}}",
)
GARIPOV_2018 = Paper(
    "Loss surfaces, mode connectivity, and fast ensembling of DNNs",
    "@inproceedings{garipov2018loss, author={Garipov, Timur and Izmailov, Pavel and Podoprikhin, Dmitrii and "
    "Vetrov, Dmitry and Wilson, Andrew Gordon}, title={Loss Surfaces, Mode Connectivity, and Fast Ensembling "
    "of DNNs}, booktitle={NeurIPS}, year={2018}}",
)
_SCORES = (
    ("accuracy", "accuracy", "fraction", "higher", "share of the test examples that are right"),
    ("nll", "negative log-likelihood", "nats", "lower", "mean -log p of the true class"),
    ("brier", "Brier score", "", "lower", "mean Σ_k (p_k - 1[y = k])²"),
    ("ece", "calibration error", "fraction", "lower",
     "20 bins, bin = min(⌊20 c⌋, 19), Σ_b |Σ right - Σ c| / n"),
)  # fmt: skip
_OF = (
    ("all_", "{} of what is compared", "{}; all networks of the row vote as one"),
    ("mean_", "mean {} of single networks", "mean over networks of the row of {}"),
    ("mean_uncalibrated_", "mean {} without recalibration", "likewise by running statistics of {}"),
    ("pair_", "mean {} of pairs", "mean over pairs of different networks, voting as one, of {}"),
    ("", "{}", "{}"),
)
_DIFFERENCES = (
    ("total_variation", "total variation", "½ Σ |p - q|, mean over examples"),
    ("disagreement", "disagreement", "share of test examples put into different classes"),
    ("disagree_correct", "disagreement where one is right", "share of test examples of that kind"),
    ("distance", "distance", "Euclidean, of all weights"),
    ("cosine_squared", "cos²", "⟨a, b⟩² / (|a|² |b|²) of all weights"),
)
_BARRIERS = (
    ("barrier_ends", "over the mean of the ends", "max v - (v_0 + v_1) / 2"),
    ("barrier_chord", "over the chord", "largest excess over the straight line between the ends' values"),
    ("barrier_worse", "over the worse end", "max v - max(v_0, v_1)"),
)
WORDS = (
    *(Metric(f"{of}{name}", words.format(what), "", unit, better, formula.format(told))
      for of, words, formula in _OF for name, what, unit, better, told in _SCORES),
    *(Metric(f"pair_{name}", f"mean {what} of pairs", "", "", "", told) for name, what, told in _DIFFERENCES),
    *(Metric(f"ends_{name}", f"{what} of the ends", "", "", "", told) for name, what, told in _DIFFERENCES),
    *(Metric(f"{name}_{value}", f"{value} barrier {what}", "", "", "lower", told)
      for value in ("error", "nll") for name, what, told in _BARRIERS),
    Metric("sd_accuracy", "spread of the accuracy", "", "fraction", "", "over networks of the row (n - 1)"),
    Metric("kernel_cosine_squared", "cos² of vertices", "", "", "", "⟨a, b⟩² / (|a|² |b|²) of all kernels"),
    Metric("kernel_distance", "distance of vertices", "", "", "", "Euclidean, of kernels"),
    Metric("midpoint_accuracy", "accuracy of the midpoint", "", "fraction", "higher", "of test examples"),
    Metric("vertices_accuracy", "accuracy of vertices", "", "fraction", "higher", "mean over vertices"),
    Metric("ensemble_accuracy", "accuracy of pairs of vertices", "", "fraction", "higher", "as ensembles"),
    Metric("plane_worst_accuracy", "worst accuracy on the plane", "", "fraction", "higher", "of its grid"),
    Metric("path_length", "length of the path", "", "", "", "through all points, Euclidean"),
    Metric("mean_error_along", "mean error along the path", "", "fraction", "lower", "∫ error ds / length"),
    Metric("soup_models", "networks in the soup", "n", "networks", "", "networks that the greedy soup kept"),
    Metric("soup_validation_accuracy", "validation accuracy of the soup", "", "fraction", "higher",
           "of the mean of the networks kept; the split has picked them"),
    Metric("soup_first_accuracy", "validation accuracy of the best network", "", "fraction", "higher",
           "of the best of the networks alone; the split has picked it"),
    Label("confidence", "confidence", order="always", symbol="c"),
    Label("severity", "severity", "severity {:g}", order="always"),
    Label("epoch", "epoch", "epoch {:g}", order="always"),
    Label("cost", "cost", "{:g} trainings", order="always"),
    Label("alpha", "α", order="always", symbol="α"),
    Label("method", "method"),
    Label("part", "part"),
    Label("kind", "kind of network"),
    Label("reading", "which networks"),
    Label("vertices", "number of vertices", "{:g} vertices", order="always", symbol="m"),
)  # fmt: skip
METRICS = (
    "all_accuracy", "all_nll", "all_ece", "barrier_ends_error", "ends_cosine_squared", "ends_distance",
    "ends_disagreement", "test_accuracy", "test_loss",
)  # fmt: skip
AVERAGED = (
    "Ensembles vote by the mean of their probabilities unless `way` says otherwise (a sum of outputs makes "
    "them the surer the more they are). Statistics of normalisation are estimated anew for each network and "
    "each average. Differences are paired by seed."
)
READING = (
    "A midpoint is one network; a pair votes by the sum of its outputs, as two separate trainings do "
    "beside it. Statistics of normalisation are estimated anew at each point, but where it says otherwise. "
    "Differences are paired by seed."
)
