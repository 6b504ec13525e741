# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a mask does to the symmetry of a network, and what that does to training
#
# The hidden units of a dense layer can be relabelled without changing what the network computes. A mask says
# which weights may be other than zero, and keeps only those relabellings that leave it as it is. Here such
# masks are counted, small networks are trained under them, and any measure is set against any other.
#
# Everything runs in about a minute on a laptop: 8 × 8 digits, two hidden layers of 16.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import weightspace as ws
from weightspace.experiments.symmetry.masked import ShuffledMask
from weightspace.models.zoo import make
from weightspace.symmetry.automorphisms import automorphisms
from weightspace.symmetry.numbers import orderings, scientific

OUT = Path("out/symmetry-notebook")

# %% [markdown]
# ## How many relabellings are there?
#
# N! for each hidden layer of N units. The README of the study has (16!)⁶ for six hidden layers; if the sixth
# layer is the output, its units stay where they are and there are (16!)⁵.

# %%
{name: scientific(number) for name, number in orderings(16, 6).items()}

# %% [markdown]
# ## What does a mask leave of them?
#
# A mask by hand: two hidden layers of three units, each unit of the second sees its own unit of the first.
# No two units have equal neighbours, and still both layers can be relabelled together, in 3! ways.

# %%
dense_in, dense_out = np.ones((2, 3, 1), bool), np.ones((3, 1, 1), bool)
diagonal = np.eye(3, dtype=bool)[:, :, None]
found = automorphisms([dense_in, diagonal, dense_out])
print(found.order, "of", 6 * 6, "relabellings are left;", f"{found.lost_digits:.2f} digits are lost")

# %% [markdown]
# Masks of a pattern are drawn by seed, and counted in one table. `alive_…` leaves out units that lie on no
# path from an input to an output. At equal sparsity random masks lose nearly
# all symmetry, symmetric ones none.

# %%
shape, seeds = (8, 8, 1), ws.Seeds(0)
model = make("mnist_fc:widths=16,16", shape, 10)
rows = []
for pattern in ("random", "per_neuron", "symmetric", "block_repeat:repeat=4", "circulant"):
    mask = ws.PatternMask(model, shape, seeds, pattern, 0.75).output("mask")
    rows.append(ws.Row({"pattern": pattern}, ws.Symmetry(model, shape, mask)))
counted = ws.sweep(rows, OUT / "counted")
COUNTED = ["units", "order", "twin_digits", "order_digits", "lost_digits"]
counted[["pattern", *(f"alive_{name}" for name in COUNTED)]]

# %% [markdown]
# ## Training under such masks
#
# Each network is trained under a mask, from a start that goes by the inputs each unit has left. The sum of
# gradient norms along training and the distance from the start are recorded beside the accuracy.

# %%
experiment = ShuffledMask(
    model="mnist_fc:widths=16,16",
    epochs=5.0,
    seeds=("3",),
    patterns=("random", "per_neuron", "symmetric"),
    sparsities=(0.5, 0.75, 0.9),
)
ws.sweep(experiment, OUT / "trained")
table = ws.summary(OUT / "trained")
SHOWN = ["test_accuracy", "gradient_norm_sum", "alive_units", "alive_lost_digits"]
table.groupby(["pattern", "sparsity"])[SHOWN].mean().round(3)

# %% [markdown]
# ## Any tag against any tag
#
# `ws.summary` has a row for each set of labels and a column for each tag: labels, what was measured of the
# training, what was counted of its mask. `weightspace export OUT --to json` writes the same as a file, which
# `ws.read_summary` reads back; `--to tensorboard` is for TensorBoard.


# %%
def name(tag):
    """A tag in words."""
    return tag.replace("_", " ")


def scatter(x, y, hue="pattern", of=table):
    """Every run as a dot."""
    _, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
    for value, rows in of.groupby(hue):
        axes.plot(rows[x], rows[y], "o", alpha=0.6, label=name(str(value)))
    axes.set(xlabel=name(x), ylabel=name(y))
    axes.legend(fontsize=8)


def means(x, y, hue="pattern", of=table):
    """Means with one standard deviation (n - 1), at each value of x."""
    _, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
    for value, rows in of.groupby(hue):
        each = rows.groupby(x)[y].agg(["mean", "std"])
        axes.errorbar(each.index, each["mean"], each["std"], marker="o", capsize=2, label=name(str(value)))
    axes.set(xlabel=name(x), ylabel=name(y))
    axes.legend(fontsize=8)


# %%
means("sparsity", "test_accuracy")

# %%
means("sparsity", "gradient_norm_sum")

# %%
scatter("alive_lost_digits", "test_accuracy")

# %%
scatter("alive_lost_digits", "gradient_norm_sum")

# %% [markdown]
# ## What it says, and what it does not
#
# The dots stand in columns: one amount of symmetry lost goes with many accuracies. Symmetric masks, which
# have lost none, do worst, because they also cut whole inputs: at one sparsity the rank correlation over all
# patterns is one of patterns. Where units die there is less to lose, so that symmetry lost stands for the
# number of units alive: hold that fixed before reading anything into it. A ticket's mask and a random one
# have equally little symmetry, and train differently; what matters is how a mask and its start fit together.


# %%
def correlations(rows):
    """Spearman's ρ of the test accuracy with the others."""
    return rows[SHOWN].corr("spearman")["test_accuracy"].drop("test_accuracy").round(2)


table.groupby("sparsity").apply(correlations)
