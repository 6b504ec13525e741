"""Notebooks are percent scripts: their cells run in order, in a folder that has nothing else."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"


def cells(text):
    """Code of the cells, each ending in the line that it shows; the header and prose are left out."""
    parts = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)
    return [code for kind, code in zip(parts[1::2], parts[2::2], strict=True) if "[markdown]" not in kind]


def test_cells_are_told_from_prose():
    assert cells("# ---\n# %% [markdown]\n# # T\n# %%\na = 1\n# %%\na\n") == ["\na = 1\n", "\na\n"]


@pytest.fixture
def figures(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = mpl.get_backend()
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")
    mpl.use(before)


def test_symmetry_against_training(figures, capsys):
    """Every cell runs, with fewer and shorter trainings; what the prose says is in the numbers."""
    text = (FOLDER / "symmetry.py").read_text()
    smaller = {
        "mnist_fc:widths=16,16": "mnist_fc:widths=16",
        "epochs=5.0": "epochs=1.0",
        'seeds=("3",)': 'seeds=("2",)',
        "(0.5, 0.75, 0.9)": "(0.5,)",
        '("random", "per_neuron", "symmetric"),': '("random", "symmetric"),',
    }
    for old, new in smaller.items():
        assert old in text
        text = text.replace(old, new)
    names = {}
    for code in cells(text):
        exec(compile(code, "symmetry.py", "exec"), names)
    assert "6 of 36 relabellings" in capsys.readouterr().out
    assert len(figures.get_fignums()) == 4
    table = names["table"]
    assert len(table) == 2 * 2
    assert (table.loc[table["pattern"] == "symmetric", "alive_lost_digits"] == 0).all()
    assert (table.loc[table["pattern"] == "random", "alive_order"] < 10).all()
    counted = names["counted"].set_index("pattern")
    assert counted["alive_order_digits"].idxmax() == "symmetric"
    axes = figures.figure(figures.get_fignums()[0]).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("sparsity", "test accuracy")
