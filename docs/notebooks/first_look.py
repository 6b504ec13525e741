# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A first look at a network of one's own
#
# Three questions about one small network: how well does it train, how few directions does it need for that,
# and how few of its weights? Every part is one list of rows and one call, and every run is stored, so that
# running this again trains nothing.
#
# The data are scikit-learn's handwritten digits, 8 × 8 pixels. All of it takes under a minute on a laptop.
# `ws.look(Net, (x, y))` asks the same questions in one call and writes a page.

# %%
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx
from sklearn.datasets import load_digits

import weightspace as ws

OUT = Path("out/first-look")
SEEDS = range(3)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(64, 32, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)))


x, y = load_digits(return_X_y=True)
data = ws.Data(ws.from_arrays(x / 16, y))
model, task = ws.from_nnx(Net), ws.Task(data, ws.CrossEntropy())
recipe = ws.Recipe(ws.Adam(0.01), "15ep", batch=64)

# %% [markdown]
# ## It trains
#
# A run is a model, a task, a space that its weights may lie in, a recipe and seeds. `Full()` is the space of
# all weights. Beside loss and accuracy the length of the path is recorded, and the distance from its start.

# %%
dense = [ws.Run(model, task, ws.Full(), recipe, ws.Seeds(seed)) for seed in SEEDS]
watch = ws.Watch("1ep", (ws.PathLength(), ws.Distance()))
full = ws.sweep([ws.Row({"seed": run.seeds.base}, run, watch) for run in dense], OUT / "dense")
full[["seed", "test_accuracy", "train_accuracy", "path_length", "distance"]].round(3)

# %%
curves = ws.history(OUT / "dense", wide=True)
_, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for _, run in curves.groupby("seed"):
    left.plot(run["step"], run["test_loss"], color="C0")
    left.plot(run["step"], run["train_loss"], color="C1")
    right.plot(run["step"], run["path_length"], color="C0")
    right.plot(run["step"], run["distance"], color="C1")
left.set(xlabel="step", ylabel="loss", yscale="log")
left.legend(["test", "train"])
right.set(xlabel="step", ylabel="in weight space")
_ = right.legend(["length of the path", "distance from the start"])

# %% [markdown]
# The path is longer than the distance, as every path is: training turns.
#
# ## How many directions does it need?
#
# `Affine(Gaussian(d))` draws d directions at random through the initial weights, w = w₀ + B θ, and trains the
# d numbers θ only. At how few is it as good as with all?

# %%
DIMS = (4, 16, 64, 256)


def sliced(dim, seed):
    """The same training along random directions only."""
    return ws.Run(model, task, ws.Affine(ws.Gaussian(dim)), recipe, ws.Seeds(seed))


rows = [ws.Row({"dim": d, "seed": s}, sliced(d, s)) for d in DIMS for s in SEEDS]
slices = ws.sweep(rows, OUT / "slices")
by_dim = slices.groupby("dim")["test_accuracy"].agg(["mean", "std", "count"])
by_dim.round(3)

# %%
weights = sum(leaf.size for leaf in jax.tree.leaves(ws.load(OUT / "dense", dense[0]).weights))
goal = 0.9 * full["test_accuracy"].mean()
enough = by_dim.index[by_dim["mean"] >= goal].min()
_, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
mean, sd = by_dim["mean"], by_dim["std"]
axes.errorbar(by_dim.index, mean, sd, marker="o", capsize=2, label="random directions")
axes.axhline(full["test_accuracy"].mean(), color="0.4", linestyle="--", label="all weights")
axes.axhline(goal, color="0.4", linestyle=":", label="nine tenths of it")
axes.set(xlabel="dimension d", ylabel="test accuracy", xscale="log")
axes.legend(fontsize=8)
print(f"{enough} of {weights} numbers are the fewest asked that keep nine tenths of the accuracy")

# %% [markdown]
# ## How few weights does it need?
#
# A lottery ticket: keep the weights that are largest after training, set the others to zero, put what is
# kept back to where it started, train again. Each round of pruning keeps the same share of a layer, so
# `power=8` is eight rounds at once. The control keeps the same places and draws their starting values anew.

# %%
POWERS = (4, 8, 12, 16)
rows = []
for run in dense:
    for power in POWERS:
        ends = run.at(0), run.final()
        prune = ws.Prune(model, data.shape, "large_final", *ends, run.seeds, power=power)
        for arm, kept in {"rewound": "rewind", "drawn anew": "reinit:draw=fresh"}.items():
            space = ws.ticket(run, prune.output("mask"), kept=kept)
            labels = {"power": power, "arm": arm, "seed": run.seeds.base}
            rows.append(ws.Row(labels, ws.Run(model, task, space, recipe, run.seeds)))
tickets = ws.sweep(rows, OUT / "tickets")


def kept(row):
    """The share of its kernels that a trained ticket has left."""
    found = ws.load(OUT / "tickets", row.node)
    kernels = [np.asarray(layer.kernel[...]) for layer in (found.module.hidden, found.module.out)]
    return sum((kernel != 0).sum() for kernel in kernels) / sum(kernel.size for kernel in kernels)


shares = {power: kept(row) for power, row in zip(POWERS, rows[::2], strict=False)}
tickets["kept"] = tickets["power"].map(shares)
tickets.groupby(["kept", "arm"])["test_accuracy"].agg(["mean", "std", "count"]).round(3)

# %%
_, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
for arm, of_arm in tickets.groupby("arm", sort=False):
    each = of_arm.groupby("kept")["test_accuracy"].agg(["mean", "std"])
    axes.errorbar(each.index, each["mean"], each["std"], marker="o", capsize=2, label=arm)
axes.axhline(full["test_accuracy"].mean(), color="0.4", linestyle="--", label="all weights")
axes.set(xlabel="share of weights kept", ylabel="test accuracy", xscale="log")
_ = axes.legend(fontsize=8)

# %% [markdown]
# ## The network itself
#
# What was trained comes back as an object of one's own class.

# %%
found = ws.load(OUT / "tickets", rows[2].node)
print(type(found.module).__name__, found.measure("test"))
print("says", found(x[:10] / 16).argmax(axis=1), "of", y[:10])
