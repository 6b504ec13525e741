"""The README and the docs are run, block by block and page by page: what they show works.

A page is one test: its blocks share a module, and need those before them. `PAGE` says what a page needs to be
quick and what must come out; a page that is not named there is run as it stands.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from flax import nnx

import weightspace as ws
from tests.builders import small_run
from tests.pages import LANGUAGES, PAGES, ROOT, languages, run_page
from weightspace.derived.random_mask import RandomMask
from weightspace.run import Row
from weightspace.spaces.masked import Masked
from weightspace.store.base import Store
from weightspace.store.read import results
from weightspace.sweeps.ask import sweep

ELSEWHERE = {"docs/models.md": "test_models_of_every_library", "docs/torch.md": "tests/test_docs_torch.py"}
"""Pages whose blocks are run by a test of their own."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def readme(page, here, said):
    table = page.table
    assert sorted(table["dim"]) == [4, 4, 16, 16, 64, 64]
    assert set(table["status"]) == {"ok"}
    assert table["test_accuracy"].between(0.3, 1).all()


def tickets(page, here, said):
    """All arms, whatever their actions, are trained as one cohort."""
    table = page.table
    assert list(table["arm"]) == ["rewind and zero", "signs", "late"]
    assert set(table["status"]) == {"ok"}
    assert table["test_loss"].nunique() == 3
    assert len(list((here / "out" / "tickets" / "runs").glob("*.parquet"))) == 2


def first_hour(page, here, said):
    """Its commands were carried out after its blocks."""
    assert set(ws.results("out/dims")["status"]) == {"ok"}
    tickets = ws.results("out/ticket").set_index("arm")
    assert set(tickets["status"]) == {"ok"}
    assert tickets["test_accuracy"].between(0.2, 1).all()
    assert page.found.measure("test")["test_loss"] == pytest.approx(tickets.test_loss["rewound"], abs=1e-5)
    for kernel in (page.found.module.conv.kernel[...], page.found.module.out.kernel[...]):
        assert float((kernel != 0).mean()) == pytest.approx(0.9**7, abs=0.02)
    assert ws.results("out/mask")["density"].between(0.1, 0.9).all()
    assert ws.history("out/path", wide=True)["path_length"].is_monotonic_increasing
    assert (here / "out" / "dims" / "report" / "index.html").is_file()


def symmetry(page, here, said):
    """Masks are counted by a sweep, and nets of one's own by hand."""
    table = page.table.set_index("pattern")
    assert table.alive_order["circulant"] % 16 == 0
    assert table.alive_twin_order["circulant"] == 1
    assert table.alive_order["block_repeat:repeat=4"] % 24 == 0
    assert "6 1 0.778" in said


def sparsity(page, here, said):
    """Every arm is trained, exchanged masks keep their size, and an edit of one's own acts."""
    table = page.table.set_index("arm")
    assert set(table["status"]) == {"ok"}
    assert table.loc[["rigl", "set", "gradual"], "mask_density"].between(0.09, 0.11).all()
    assert table.loc["set", "mask_explored"] > 0.11
    space, edits = Masked(random_mask()), (page.Thin(0.05, at=10),)
    thin = small_run(0, model="fc:widths=8", length="12it", space=space, edits=edits)
    assert 0.1 < sweep([Row({}, thin)], here / "out" / "thin")["mask_density"].iloc[0] < 1


def random_mask():
    """A mask that keeps everything, for `fc:widths=8` on digits."""
    run = small_run(0, model="fc:widths=8")
    return RandomMask(run.model, tuple(run.task.data.shape), run.seeds, 1.0, "uniform").output("mask")


def lines(page, here, said):
    """Lines, curves, tickets and random subspaces: all train, and their points are compared."""
    table = page.table.set_index("space")
    assert set(table["status"]) == {"ok"}
    points = table.dropna(subset=["path_length"])
    assert len(points) == len(table) - len(points) == 5
    assert points["mean_accuracy"].between(0.1, 1).all()
    assert (points["path_length"] > 0).all()


def freedom(page, here, said):
    assert set(page.table["status"]) == {"ok"}
    assert list(page.table["dim"]) == [8, 32]


def graph(page, here, said):
    """The child's start is the donor's end, and nothing else of it is kept."""
    assert page.child.space.offset == page.donor.final()
    table = sweep([Row({}, page.child)], here / "out" / "graph")
    assert set(table["status"]) == {"ok"}


def own_data(page, here, said):
    """Inputs around 1.7e9 are told apart, since they are normalised in double precision."""
    model = ws.from_nnx(nnx.Linear, in_features=3, out_features=2)
    run = ws.Run(model, page.task, ws.Full(), ws.Recipe(ws.Adam(0.1), "5ep", batch=40), ws.Seeds(0))
    assert sweep([Row({}, run)], here / "out" / "data")["test_accuracy"].item() > 0.9


def whole_experiment(page, here, said):
    """The tutorial's file by the real command line, in a folder that has nothing else."""
    text = (ROOT / "docs/write_an_experiment.md").read_text()
    assert len((here / "widths.py").read_text().strip().splitlines()) <= 60
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


def public():
    """As `from weightspace import *` gives."""
    return {name: getattr(ws, name) for name in ws.__all__}


def trained(length):
    """What pages say that their reader has: the parts of a run, and how they are called."""
    run = small_run(0, model="fc:widths=8", length=length)
    return {"model": run.model, "task": run.task, "recipe": run.recipe}


TORCH = importlib.util.find_spec("torch") is not None
"""Whether the README's network of PyTorch can be trained here; tests/test_docs_torch.py looks at it."""

PAGE = {
    "README.md": (
        readme,
        {"smaller": {'"20ep"': '"2ep"', "range(3)": "range(2)"}, "without": () if TORCH else (1,)},
    ),
    "docs/first_hour.md": (first_hour, {"smaller": {'"5ep"': '"2ep"'}, "carry_out": True}),
    "docs/all_of_it.md": (
        graph,
        {"given": public() | trained("2it")},
    ),
    "docs/data.md": (own_data, {}),
    "docs/freedom.md": (
        freedom,
        {"smaller": {'"5ep"': '"1ep"', "(8, 32, 128)": "(8, 32)", "range(3)": "range(1)"}},
    ),
    "docs/sparsity.md": (sparsity, {"smaller": {'"10ep"': '"2ep"'}}),
    "docs/subspaces.md": (lines, {"smaller": {'"10ep"': '"2ep"'}}),
    "docs/symmetry.md": (symmetry, {}),
    "docs/tickets.md": (tickets, {"given": trained("2ep")}),
    "docs/write_an_experiment.md": (whole_experiment, {"name": "widths"}),
}


RUN = [page for page in PAGES if page not in ELSEWHERE and {"python", "bash"} & {*languages(page)}]


@pytest.mark.parametrize("file", RUN)
def test_every_block_of_a_page(here, capsys, file):
    check, settings = PAGE.get(file, (None, {}))
    ran = run_page(file, **settings)
    assert len(ran.blocks) == languages(file).count("python") - len(settings.get("without", ()))
    assert ran.skipped == {}
    if check is not None:
        check(ran.module, here, capsys.readouterr().out)


@pytest.mark.parametrize("library", ["nnx", "linen", "equinox"])
def test_models_of_every_library(here, library):
    """The last blocks train each of the three nets above them, and load it again."""
    others = {0, 1, 2} - {["nnx", "linen", "equinox"].index(library)}
    ran = run_page("docs/models.md", name=f"docs_{library}", without=others)
    assert len(ran.blocks) == 3
    assert ran.skipped == {}
    record = Store(here / "out" / "own").record(ran.module.run.digest)
    assert record.status == "ok"
    assert {"train_accuracy", "test_accuracy"} <= record.metrics


def test_no_page_is_left_out():
    """Every block is of a kind that is run, or of one that is no program; what is named is there."""
    assert {language for page in PAGES for language in languages(page)} <= {*LANGUAGES}
    assert {*PAGE, *ELSEWHERE} <= {*PAGES}
    assert all(page in RUN for page in PAGE)
    for page, test in ELSEWHERE.items():
        text = (ROOT / test if test.endswith(".py") else Path(__file__)).read_text()
        assert f'run_page("{page}"' in text
    assert sum(languages(page).count("python") for page in PAGES) >= 24
