# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A line of networks, and what lies between two that were trained apart
#
# Two networks that were trained from different starts are both good; the networks on the straight line
# between them are worse. A line can also be learned: each step draws a point of it, trains the network there,
# and both ends share its gradient (Wortsman et al., 2021). One training then gives a whole line of networks.
#
# The data are 8 × 8 digits; all of it takes about half a minute on a laptop.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

import weightspace as ws

OUT = Path("out/lines-notebook")
POINTS = ("0", "0.125", "0.25", "0.375", "0.5", "0.625", "0.75", "0.875", "1")


class Net(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(64, 32, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x.reshape(len(x), -1))))


model, task = ws.from_nnx(Net), ws.Task(ws.make_data("digits"), ws.CrossEntropy())
recipe = ws.Recipe(ws.Adam(0.005), "20ep", batch=64)
seeds = ws.Seeds(0)

# %% [markdown]
# ## Three trainings
#
# Two networks apart, between which w = (1 - t) a + t b are measured, and a line. `Evaluation` with names
# watches points of the line while it is trained.

# %%
apart = [ws.Run(model, task, ws.Full(), recipe, ws.Seeds(seed)) for seed in (0, 1)]
ends = tuple(run.final() for run in apart)
rows = []
for t in map(float, POINTS):
    mixed = ws.Averaged(ends, (1 - t, t))
    network = ws.Network(mixed.output("weights"), None)
    rows.append(ws.Row({"t": t}, ws.Measured(model, task, network, seeds)))
between = ws.sweep(rows, OUT / "apart")

line = ws.Run(model, task, ws.Line(), recipe, seeds)
points = ws.Evaluation(("test",), names=POINTS)
learned = ws.sweep([ws.Row({}, line, ws.Watch("2ep", (points,)))], OUT / "line")
along = [learned[f"{name}_test_accuracy"].item() for name in POINTS]
between[["t", "test_accuracy", "test_loss"]].assign(learned=along).round(3)

# %%
figure, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
axes.plot(between["t"], along, "o-", label="learned line")
axes.plot(between["t"], between["test_accuracy"], "o-", label="between two trained apart")
axes.set(xlabel="t", ylabel="test accuracy")
_ = figure.legend(loc="outside upper center", ncols=2, fontsize=8)

# %% [markdown]
# ## It is a line, and its ends are two networks
#
# The network at ½ is the mean of the ends, weight by weight. The ends themselves are not one network: the
# squared cosine between them is what the penalty β cos² keeps small.

# %%
first, middle, last = (ws.load(OUT / "line", line, at=at).module for at in ("0", "0.5", "1"))


def flat(net):
    """All weights as one vector."""
    parts = (net.hidden.kernel, net.hidden.bias, net.out.kernel, net.out.bias)
    return np.concatenate([np.ravel(part[...]) for part in parts])


a, m, b = flat(first), flat(middle), flat(last)
off = np.abs(m - (a + b) / 2).max()
cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
print(f"off the mean of the ends: {off:.1e}; cos² of the ends: {cosine**2:.4f}")
print(f"length of the line: {np.linalg.norm(a - b):.2f}, of an end: {np.linalg.norm(a):.2f}")

# %% [markdown]
# ## While it is trained
#
# All points of the line get good together, its middle too, where no end ever was.

# %%
history = ws.history(OUT / "line", wide=True)
_, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
for i, name in enumerate(POINTS):
    loss, colour = history[f"{name}_test_loss"], plt.cm.viridis(i / (len(POINTS) - 1))
    axes.plot(history["step"], loss, color=colour, label=f"t = {name}")
axes.set(xlabel="step", ylabel="test loss", yscale="log")
_ = axes.legend(fontsize=6, ncols=2)

# %% [markdown]
# ## What several networks are worth together
#
# `Points` compares networks of a line in one reading of the test set: each alone, and all as one ensemble.
# `Compared` does the same for trainings apart. An ensemble gains where its members err on different examples.

# %%
both = tuple(run.network() for run in apart)
rows = [
    ws.Row({"networks": "five of the line"}, ws.Points.of(line, ("0", "0.25", "0.5", "0.75", "1"))),
    ws.Row({"networks": "two ends of the line"}, ws.Points.of(line, ("0", "1"))),
    ws.Row({"networks": "two apart"}, ws.Compared(model, task, both, seeds)),
]
together = ws.sweep(rows, OUT / "together")
together[["networks", "mean_accuracy", "all_accuracy", "pair_disagreement"]].round(3)
