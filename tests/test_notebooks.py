"""Notebooks are percent scripts: their cells run in order, in a folder that has nothing else."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import weightspace as ws
from tests.pages import changed, module_in

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"


def cells(text):
    """Code of the cells, each ending in the line that it shows; the header and prose are left out."""
    parts = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)
    return [code for kind, code in zip(parts[1::2], parts[2::2], strict=True) if "[markdown]" not in kind]


def test_cells_are_told_from_prose():
    assert cells("# ---\n# %% [markdown]\n# # T\n# %%\na = 1\n# %%\na\n") == ["\na = 1\n", "\na\n"]


def run_notebook(name, smaller):
    """The module that the cells leave; its file has them all, so that its classes have a source."""
    text = (FOLDER / f"{name}.py").read_text()
    assert all(old in text for old in smaller), [old for old in smaller if old not in text]
    text = changed(text, smaller)
    module = module_in(f"notebook_{name}")
    Path(module.__file__).write_text(text)
    for code in cells(text):
        line = text[: text.index(code)].count("\n")
        exec(compile("\n" * line + code, module.__file__, "exec"), vars(module))
    return module


@pytest.fixture
def figures(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = mpl.get_backend()
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield lambda: [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    mpl.use(before)


def labels(figure):
    return [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]


def test_a_first_look(figures, capsys):
    """Every cell runs, with fewer and shorter trainings; shares kept and accuracies are as NumPy has them."""
    smaller = {
        '"15ep"': '"3ep"',
        "range(3)": "range(2)",
        "(4, 16, 64, 256)": "(4, 256)",
        "(4, 8, 12, 16)": "(4, 12)",
    }
    seen = run_notebook("first_look", smaller)
    for table in (seen.full, seen.slices, seen.tickets):
        assert set(table["status"]) == {"ok"}
    assert (seen.full["path_length"] > seen.full["distance"]).all()
    said = capsys.readouterr().out
    assert "of 2410 numbers are the fewest asked" in said  # 64 · 32 + 32 + 32 · 10 + 10

    # A round keeps .8 of a layer, and .9 of the last.
    kept = {power: (2048 * 0.8**power + 320 * 0.9**power) / 2368 for power in (4, 12)}
    assert seen.shares == pytest.approx(kept, abs=1e-3)
    net, x = seen.found.module, np.asarray(seen.found.decoded(seen.x / 16))
    hidden, out = (
        [np.asarray(part[...]) for part in (each.kernel, each.bias)] for each in (net.hidden, net.out)
    )
    outputs = np.maximum(x @ hidden[0] + hidden[1], 0) @ out[0] + out[1]
    assert np.asarray(seen.found(seen.x / 16)) == pytest.approx(outputs, abs=1e-4)
    assert f"says {outputs[:10].argmax(axis=1)} of {seen.y[:10]}" in said

    training, slices, tickets = figures()
    assert labels(training) == [("step", "loss"), ("step", "in weight space")]
    assert labels(slices) == [("dimension d", "test accuracy")]
    assert labels(tickets) == [("share of weights kept", "test accuracy")]
    drawn = slices.axes[0].containers[0].lines[0]
    means = [seen.slices.loc[seen.slices["dim"] == dim, "test_accuracy"].mean() for dim in (4, 256)]
    assert list(drawn.get_xdata()) == [4, 256]
    assert list(drawn.get_ydata()) == pytest.approx(means)
    assert means[0] < means[1]


def test_a_line_of_networks(figures, capsys):
    """Every cell runs, with shorter trainings; the middle is the mean, and what is drawn was measured."""
    few = '"0", "0.125", "0.25", "0.375", "0.5", "0.625", "0.75", "0.875", "1"'
    seen = run_notebook("subspaces", {'"20ep"': '"3ep"', '"2ep"': '"1ep"', few: '"0", "0.5", "1"'})
    assert seen.off < 1e-6
    assert seen.a @ seen.b < np.linalg.norm(seen.a) * np.linalg.norm(seen.b) / 2
    assert f"length of the line: {np.linalg.norm(seen.a - seen.b):.2f}" in capsys.readouterr().out

    # Between two trained apart: the ends are these two, and the middle is worse than both.
    own = [ws.load(seen.OUT / "apart", run).measure("test")["test_accuracy"] for run in seen.apart]
    between = list(seen.between["test_accuracy"])
    assert [between[0], between[-1]] == pytest.approx(own, abs=1e-6)
    middle = ws.load(seen.OUT / "line", seen.line, at="0.5").measure("test")["test_accuracy"]
    assert seen.along[1] == pytest.approx(middle, abs=1e-6)

    together = seen.together.set_index("networks")
    ends = together.loc["two ends of the line", "mean_accuracy"]
    assert ends == pytest.approx((seen.along[0] + seen.along[2]) / 2, abs=1e-6)
    assert together.loc["two apart", "mean_accuracy"] == pytest.approx(np.mean(own), abs=1e-6)

    accuracy, losses = figures()
    assert labels(accuracy) == [("t", "test accuracy")]
    assert labels(losses) == [("step", "test loss")]
    learned, straight = accuracy.axes[0].lines
    assert list(learned.get_ydata()) == seen.along
    assert list(straight.get_ydata()) == between
    assert len(losses.axes[0].lines) == 3


def test_symmetry_against_training(figures, capsys):
    """Every cell runs, with fewer and shorter trainings; what the prose says is in the numbers."""
    smaller = {
        "mnist_fc:widths=16,16": "mnist_fc:widths=16",
        "epochs=5.0": "epochs=1.0",
        'seeds=("3",)': 'seeds=("2",)',
        "(0.5, 0.75, 0.9)": "(0.5,)",
        '("random", "per_neuron", "symmetric"),': '("random", "symmetric"),',
    }
    seen = run_notebook("symmetry", smaller)
    assert "6 of 36 relabellings" in capsys.readouterr().out
    drawn = figures()
    assert len(drawn) == 4
    assert len(seen.table) == 2 * 2
    assert (seen.table.loc[seen.table["pattern"] == "symmetric", "alive_lost_digits"] == 0).all()
    assert (seen.table.loc[seen.table["pattern"] == "random", "alive_order"] < 10).all()
    counted = seen.counted.set_index("pattern")
    assert counted["alive_order_digits"].idxmax() == "symmetric"
    assert labels(drawn[0]) == [("sparsity", "test accuracy")]


def test_every_notebook_is_run():
    """By a test here, and by `make docs`, whose pages are in the navigation."""
    run = re.findall(r'run_notebook\("(\w+)"', Path(__file__).read_text())
    assert sorted(run) == sorted(script.stem for script in FOLDER.glob("*.py"))
