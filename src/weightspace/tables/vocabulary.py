"""The vocabulary: every label and metric that the experiments declare and the store keeps, in words.

A test holds it: what an experiment names, and each column of its smoke runs, is here. `weightspace list
metrics` prints the metrics. An experiment adds words of its own in `words`.
"""

from weightspace.tables.metrics import METRICS
from weightspace.tables.words import Label, Metric, Part, Vocabulary

__all__ = ["ARMS", "FULL", "VOCABULARY", "Label", "Metric", "Vocabulary"]

ARMS = ("method", "burn_in", "optimiser", "lr", "noise")
"""Labels that tell the arms of a comparison of subspaces apart."""
FULL = "full"
"""The method of full-space training, the reference."""
LABELS = (
    Label("model", "model"),
    Label("data", "data"),
    Label("seed", "seed", "seed {:g}"),
    Label("method", "method", names=(("random", "random subspace"), (FULL, "full space"))),
    Label("panel", "network and data"),
    Label("dim", "dimension d", "d = {:g}", scale="log2", symbol="d"),
    Label("compression", "compression D/d", "{:g}×", scale="log2", symbol="D/d"),
    Label("burn_in", "burn-in t (steps)", "t = {:g}", order="always", scale="symlog", symbol="t"),
    Label("optimiser", "optimiser"),
    Label("lr", "learning rate", "rate {:g}", order="alone", scale="log", symbol="η"),
    Label("noise", "share of labels replaced", "noise {:g}", order="alone"),
    Label("frequency", "frequency", "frequency {:g}", order="always"),
    Label("corruption", "corruption", "corruption {:g}", order="always"),
    Label("examples", "training examples", "{:g} examples", scale="log"),
    Label("architecture", "architecture"),
    Label("batch", "examples of a step", "batch {:g}", scale="log2"),
    Label("rate", "learning rate", "rate {:g}", scale="log", symbol="η"),
    Label("dropout", "probability of dropping", "dropout {:g}", order="alone"),
    Label("part", "part"),
    Label("kind", "kind of node"),
    Label("criterion", "criterion"),
    Label("other", "other criterion"),
    Label("other_seed", "other seed", "seed {:g}"),
    Label("kept", "kept weights"),
    Label("pruned", "pruned weights"),
    Label("round", "rounds of pruning", "round {:g}", symbol="k"),
    Label("rewind", "step rewound to", "k = {:g}", scale="symlog", symbol="k"),
    Label("copy", "copy"),
    Label("mask", "mask"),
    Label("way", "way"),
    Label("arm", "arm", spaced=True),
    Label("logit", "logit at the start", "logit {:g}"),
    Label("target", "density aimed at", "target {:g}"),
    Label("keep", "share kept", "keep {:g}"),
    Label("setting", "setting"),
    Label("power", "power of pruning", symbol="k"),
    Label("level", "level to reach", "{:g}"),
    Label("step", "step", "step {:g}", symbol="t"),
    Label("epoch", "epoch", "epoch {:g}"),
    Label("alpha", "α", "α = {:g}", symbol="α"),
    Label("density", "weights left (%)", scale="percent"),
    Label("sparsity", "sparsity", "sparsity {:g}"),
)
BEFORE = (
    Part("best_", "{} at early stopping", "{}, at the reading of least validation loss"),
    Part("average_", "{} of averaged weights", "{}, of the mean of the weights at moments of training"),
    Part("ema_", "{} of the moving average", "{}, of the exponential moving average of the weights"),
    Part("swag_", "{} of SWAG's mean", "{}, of the mean of the weights at moments of training"),
    Part("sampled_sd_", "spread of {} over sampled masks", "standard deviation over sampled masks of: {}"),
    Part("sampled_", "{} of sampled masks", "mean over sampled masks of: {}"),
    Part("threshold_", "{} of the thresholded mask", "{}, of all probabilities above one half"),
    Part("sample0_", "{} of a sampled mask", "{}, of one sampled mask"),
    Part("exact_", "{}, of polygons", "{}, of the plane cut into its polygons"),
    Part("copies_", "{} of the copies", "mean over two copies of: {}"),
    Part("train_", "{}, training", "{}, on the training split"),
    Part("alive_", "{}, units alive", "of the units alive and their connections: {}"),
    Part("layer1_", "{}, second layer", "{}, of layer 1"),
)
AFTER = (
    Part("_last10", "{}", "{}, mean over the last ten readings"),
    Part("_sd", "spread of {}", "standard deviation over runs (n - 1) of: {}"),
    Part("_n", "runs with {}", "number of runs that have: {}"),
    Part("_low", "lower end of {}", "lower end of the interval of: {}"),
    Part("_high", "upper end of {}", "upper end of the interval of: {}"),
    Part("_max", "greatest {}", "greatest {}"),
)
VOCABULARY = Vocabulary(
    {label.name: label for label in LABELS}, {metric.name: metric for metric in METRICS}, BEFORE, AFTER
)
