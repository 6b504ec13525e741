"""The README and the docs are run: what they show works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import weightspace as ws
from tests.builders import small_run
from weightspace.cli import main
from weightspace.cli.run import read, run
from weightspace.derived.random_mask import RandomMask
from weightspace.experiments import experiment_class
from weightspace.run import Row
from weightspace.spaces.masked import Masked
from weightspace.store.base import Store
from weightspace.store.read import results
from weightspace.sweeps import sweep

ROOT = Path(__file__).parent.parent


def blocks(file):
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def module(folder, name, code):
    (folder / f"{name}.py").write_text(code)
    return __import__(name)


def test_the_readme_s_ten_lines(here):
    (code,) = blocks("README.md")
    code = code.replace('"20ep"', '"2ep"').replace("range(3)", "range(2)")
    table = module(here, "readme_block", code).table
    assert sorted(table["dim"]) == [4, 4, 16, 16, 64, 64]
    assert set(table["status"]) == {"ok"}
    assert table["test_accuracy"].between(0.3, 1).all()


@pytest.mark.parametrize("library", ["nnx", "linen", "equinox"])
def test_models_of_every_library(here, library):
    *models, train = blocks("docs/models.md")
    code = models[["nnx", "linen", "equinox"].index(library)]
    made = module(here, f"docs_{library}", code + "\n" + train)
    record = Store(here / "out" / "own").record(made.run.digest)
    assert record.status == "ok"
    assert {"train_accuracy", "test_accuracy"} <= record.metrics


def test_tickets_in_python(here):
    """All arms, whatever their actions, are trained as one cohort."""
    (code,) = blocks("docs/tickets.md")
    given = small_run(0, model="fc:widths=8", length="2ep")
    names = {"model": given.model, "task": given.task, "recipe": given.recipe}
    exec(code, names)
    table = names["table"]
    assert list(table["arm"]) == ["rewind and zero", "signs", "late"]
    assert set(table["status"]) == {"ok"}
    assert table["test_loss"].nunique() == 3
    assert len(list((here / "out" / "tickets" / "runs").glob("*.parquet"))) == 2


def test_the_first_hour(here, capsys):
    """Every block in its order, and then every command."""
    code = "\n".join(blocks("docs/first_hour.md"))
    hour = module(here, "first_hour", code.replace('"5ep"', '"2ep"'))
    assert set(ws.results("out/dims")["status"]) == {"ok"}
    tickets = ws.results("out/ticket").set_index("arm")
    assert set(tickets["status"]) == {"ok"}
    assert tickets["test_accuracy"].between(0.2, 1).all()
    assert hour.found.measure("test")["test_loss"] == pytest.approx(tickets.test_loss["rewound"], abs=1e-5)
    for kernel in (hour.found.module.conv.kernel[...], hour.found.module.out.kernel[...]):
        assert float((kernel != 0).mean()) == pytest.approx(0.9**7, abs=0.02)
    assert ws.results("out/mask")["density"].between(0.1, 0.9).all()
    assert ws.history("out/path", wide=True)["path_length"].is_monotonic_increasing
    (commands,) = re.findall(r"```bash\n(.*?)```", (ROOT / "docs/first_hour.md").read_text(), re.DOTALL)
    for command in commands.splitlines():
        assert main(command.split()[1:]) == 0, command
    assert (here / "out" / "dims" / "report" / "index.html").is_file()


def test_weight_symmetry_in_python(here, capsys):
    """Masks are counted by a sweep, and nets of one's own by hand."""
    masks, nets = blocks("docs/symmetry.md")
    table = module(here, "symmetry_block", masks).table.set_index("pattern")
    assert table.alive_order["circulant"] % 16 == 0
    assert table.alive_twin_order["circulant"] == 1
    assert table.alive_order["block_repeat:repeat=4"] % 24 == 0
    module(here, "nets_block", nets)
    assert "6 1 0.778" in capsys.readouterr().out


def test_sparse_training_in_python(here):
    """Every arm is trained, exchanged masks keep their size, and an edit of one's own acts."""
    code, own = blocks("docs/sparsity.md")
    table = module(here, "sparse_block", code.replace('"10ep"', '"2ep"')).table.set_index("arm")
    assert set(table["status"]) == {"ok"}
    assert table.loc[["rigl", "set", "gradual"], "mask_density"].between(0.09, 0.11).all()
    assert table.loc["set", "mask_explored"] > 0.11
    made = module(here, "own_edit", own)
    space, edits = Masked(random_mask()), (made.Thin(0.05, at=10),)
    thin = small_run(0, model="fc:widths=8", length="12it", space=space, edits=edits)
    assert 0.1 < sweep([Row({}, thin)], here / "out" / "thin")["mask_density"].iloc[0] < 1


def test_lines_of_networks_in_python(here):
    """Lines, curves, tickets and random subspaces: all train, and their points are compared."""
    (code,) = blocks("docs/subspaces.md")
    table = module(here, "line_block", code.replace('"10ep"', '"2ep"')).table.set_index("space")
    assert set(table["status"]) == {"ok"}
    points = table.dropna(subset=["path_length"])
    assert len(points) == len(table) - len(points) == 5
    assert points["mean_accuracy"].between(0.1, 1).all()
    assert (points["path_length"] > 0).all()


def random_mask():
    """A mask that keeps everything, for `fc:widths=8` on digits."""
    run = small_run(0, model="fc:widths=8")
    return RandomMask(run.model, tuple(run.task.data.shape), run.seeds, 1.0, "uniform").output("mask")


def commands(file):
    """The commands of a page's last column, with what they are said to equal."""
    lines = [line.split("|") for line in (ROOT / file).read_text().splitlines() if line.startswith("| ")]
    found = [(cells[1].strip(), cells[-2].strip().strip("`")) for cells in lines]
    return [(theirs, ours.split()[2:]) for theirs, ours in found if ours.startswith("weightspace run ")]


def test_a_whole_experiment_from_outside_the_package(here):
    """The tutorial's file by the real command line, in a folder that has nothing else."""
    (code,) = blocks("docs/write_an_experiment.md")
    assert code.count("\n") <= 60
    (here / "widths.py").write_text(code)
    text = (ROOT / "docs/write_an_experiment.md").read_text()
    lines = [line.split("#")[0].split() for line in text.splitlines() if line.startswith("weightspace ")]
    line = next(line for line in lines if "out/widths" in line)
    command, environment = [sys.executable, "-m", *line, "--format", "svg"], {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run(command, check=True, cwd=here, env=os.environ | environment, capture_output=True)
    folder = here / "out" / "widths"
    assert {file.stem for file in folder.rglob("*.svg")} == {"width", "training", "dots"}
    (numbers,) = folder.rglob("width.csv")
    assert set(pd.read_csv(numbers)["width"]) == {8, 64}
    assert set(results(folder)["width"]) == {8, 64}
    assert "Does a wider network do better, seed by seed?" in (folder / "report" / "index.html").read_text()


TICKETS = commands("docs/tickets.md")


SAID = {
    "random_reinit ": {"kept": "reinit"}, "random_reshuffle": {"kept": "reshuffle"},
    "rand_signed_constant": {"kept": "constant"}, "signed_reinit": {"kept": "signed_reinit"},
    "signed_reshuffle": {"kept": "signed_reshuffle"}, "mask signed_constant": {"kept": "signed_constant"},
    "random_reinit_rescaling": {"kept": "reinit:rescaled=true"}, "freeze_init none": {"pruned": "at_init"},
    "zero_mask": {"kept": "rewind", "pruned": "zero_shrunk"},
    "zero_all": {"kept": "shrunk", "pruned": "zero_shrunk"}, "zero_reshuffle": {"pruned": "zero_shuffled"},
    "zero_rev": {"pruned": "zero_grown"}, "multiplier 2 --dynamic_scaling": {"arm": "both"},
    "large_final -1 mask none": {"criterion": "large_final", "kept": "rewind", "pruned": "zero"},
    "--signed_constant 0.1": {"kept": "signed_constant:value=0.1"}, "--sigmoid_bias 1": {"logit": 1.0},
}  # fmt: skip
"""What an option of the original means, in labels of ours."""


@pytest.mark.parametrize(("theirs", "ours"), TICKETS, ids=[" ".join(ours) for _, ours in TICKETS])
def test_every_command_of_the_original_has_its_equal(theirs, ours):
    name, *arguments = ours
    small = ["--data", "digits", "--validation", "100", "--model", "fc:widths=8"]
    small += ["--rounds", "2"] if name in ("tickets.iterative", "tickets.kept-values") else []
    experiment, _ = read(experiment_class(name), [*arguments, *small])
    rows = next(experiment.ask())
    assert {row.labels["seed"] for row in rows} == {0}
    arms = {tuple(row.labels.get(name) for name in ("criterion", "kept", "pruned", "arm")) for row in rows}
    arms -= {("dense", None, None, None)}
    meant = [labels for option, labels in SAID.items() if option in theirs]
    for row in rows:
        if row.labels.get("criterion") != "dense":
            assert all(labels.items() <= row.labels.items() for labels in meant)
    # As many as the original's command has: one, but at init all of its criteria.
    assert len(arms) == {"tickets.dense": 0, "tickets.at-init": 13, "tickets.from-supermask": 2}.get(name, 1)


def test_the_table_of_tickets_is_whole():
    """The examples of the original's README, and its options."""
    assert len(TICKETS) == 23
    assert all(any(option in theirs for theirs, _ in TICKETS) for option in SAID)
    assert {ours[0] for _, ours in TICKETS} >= {f"tickets.{name}" for name in (
        "dense", "iterative", "kept-values", "pruned-values", "at-init", "supermask", "from-supermask"
    )}  # fmt: skip


def test_an_equal_can_be_tried_without_doing_anything(here, capsys):
    _, ours = TICKETS[1]
    small = ["--data", "digits", "--validation", "100", "--model", "fc:widths=8", "--rounds", "2"]
    assert run([*ours, *small, "--dry-run", "--out", "out"]) == 0
    assert "run-steps" in capsys.readouterr().out
    assert not (here / "out").exists()
