"""An experiment that is registered nowhere: run, resumed, drawn; a folder runs nothing by itself."""

import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

import weightspace as ws
from weightspace.cli import main
from weightspace.errors import InputError
from weightspace.experiments import experiment_class
from weightspace.experiments.answered import answered
from weightspace.experiments.plain import Runs
from weightspace.experiments.restore import RestoreWarning
from weightspace.report.page import write_report
from weightspace.store.base import Store
from weightspace.store.read import results

MINE = '''
"""A line of networks, and the norm of each, in one table."""
import pathlib
pathlib.Path("imported").touch()
import dataclasses
import numpy as np
from weightspace import Derived, Found
from weightspace.experiments import Answer, Experiment, Row, Training, swept
from weightspace.figures.charts import Curve, Dots, Matrix
from weightspace.node import Output
from weightspace.spaces.full import Full
from weightspace.spec import spec
from weightspace.tables.base import Table
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means


@spec
class Norm(Derived):
    weights: Output

    def compute(self):
        import jax
        squares = sum(np.square(each).sum() for each in jax.tree.leaves(self.weights))
        return Found({"norm": float(squares ** 0.5)})


@dataclasses.dataclass(frozen=True)
class Wrong(Table):
    def of(self, given):
        return given.rows["colour"]


class Bare(Experiment, name="mine.bare", presets={"quick": {}}):
    """What its first line does not tell, its rows do."""

    training: Training = Training(epochs=1, seeds=2)
    widths: tuple[int, ...] = swept(4, 8, least=1)

    def ask(self):
        for width in self.widths:
            for rate in (0.01, 0.1):
                for seeds in self.training.each_seed():
                    run = self.training.run(Full(), seeds, f"fc:widths={width}", lr=rate)
                    yield Row({"width": width, "rate": rate, "model": "fc"}, run)

    answers = (
        Answer("wrong", Wrong()),
        Answer("right", Curves(("test_accuracy",), "width")),
    )


class Mine(Experiment, name="mine.norms", reference="theirs.csv", by=("width",),
           metrics=("test_accuracy", "norm"), presets={"quick": {}, "tiny": {"training.epochs": 1}}):
    """Is a wider network a longer one?"""

    training: Training = Training(epochs=2, seeds=("2",))
    widths: tuple[int, ...] = swept(4, 8, least=1)

    def ask(self):
        for width in self.widths:
            for seeds in self.training.each_seed():
                run = self.training.run(Full(), seeds, f"fc:widths={width}")
                yield Row({"width": width, "model": "fc"}, run)
                yield Row({"width": width, "model": "fc"}, Norm(run.final()))

    answers = (
        Answer("norms", Curves(("norm",), "width"), Curve("width", name="norms"),
               Dots("width", (("norm", "runs"),))),
        Answer("means", Means(("norm", "test_accuracy"), ("width",))),
    )
'''
THEIRS = "width,metric,value,n,source\n4,norm,3.0,2,a table\n8,norm,4.0,2,a table\n"
RUN = ["run", "mine:Mine", "--preset", "tiny", "--format", "svg", "--yes", "--out", "out"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the module and what its run has left."""
    folder = tmp_path_factory.mktemp("stranger")
    with pytest.MonkeyPatch.context() as patch:
        at(folder, patch)
        (folder / "mine.py").write_text(MINE)
        (folder / "theirs.csv").write_text(THEIRS)
        assert main(RUN) == 0
        (folder / "imported").unlink()
    return folder


def at(folder, patch):
    patch.chdir(folder)
    patch.syspath_prepend(str(folder))
    sys.modules.pop("mine", None)


@pytest.fixture
def here(home, tmp_path, monkeypatch):
    """A copy of it, in which the module is not imported yet."""
    folder = tmp_path / "copy"
    shutil.copytree(home, folder)
    at(folder, monkeypatch)
    yield folder
    sys.modules.pop("mine", None)


def drawn(folder):
    return {file.name for file in (folder / "out" / "figures").rglob("*.svg")}


def test_it_has_its_figures_its_page_and_its_comparison(here, capsys):
    assert drawn(here) == {"norms.svg", "dots.svg"}
    page = (here / "out" / "report" / "index.html").read_text()
    assert "Is a wider network a longer one?" in page
    assert "Compared with the reference" in page
    table = results(here / "out")
    assert sorted(table["width"]) == [4] * 4 + [8] * 4
    assert main(["compare", "out", "--experiments", "mine", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("mine.norms,fc,digits,4,norm,")


def test_nodes_of_one_row_are_one_row_over_seeds(here):
    (part,) = answered(Store(here / "out"), experiments=[experiment_class("mine:Mine")])
    assert len(part.table) == 8
    assert len(part.measured) == 4
    assert part.measured[["test_accuracy", "norm", "run_1"]].notna().all(axis=None)
    summary = part.summary.set_index("width")
    assert summary["n"].to_dict() == {4: 2, 8: 2}
    raw = results(here / "out").groupby("width")["norm"].mean()
    assert summary["norm"].to_dict() == pytest.approx(raw.to_dict())
    assert set(part.analyses) == {"norms", "means"}


def test_the_same_command_again_trains_nothing_and_more_seeds_only_theirs(here, capsys):
    before = set(results(here / "out")["run"])
    assert main(RUN) == 0
    assert set(results(here / "out")["run"]) == before
    assert main([*RUN, "--dry-run", "--training.seeds", "3"]) == 0
    assert "2" in capsys.readouterr().out
    assert set(results(here / "out")["run"]) == before


def test_help_has_its_question_and_settings(here, capsys):
    with pytest.raises(SystemExit):
        main(["run", "mine:Mine", "--help"])
    out = capsys.readouterr().out
    for text in ("Is a wider network a longer one?", "--widths", "--epochs", "Passes over the training data"):
        assert text in out


@pytest.mark.parametrize("named", ["mine", "mine:Mine"])
def test_a_reader_who_names_the_module_has_its_figures(here, named):
    shutil.rmtree(here / "out" / "figures")
    assert main(["figures", "out", "--format", "svg", "--experiments", named]) == 0
    assert drawn(here) == {"norms.svg", "dots.svg"}
    assert (here / "imported").exists()


def test_a_folder_alone_imports_nothing_and_is_shown_as_tables(here, capsys):
    shutil.rmtree(here / "out" / "figures")
    for verb in ("figures", "report", "results", "compare", "status"):
        assert main([verb, "out"]) == 0
    assert not (here / "imported").exists()
    assert "mine" not in sys.modules
    assert drawn(here) == {"against-width.svg", "time-accuracy.svg", "time-loss.svg"}
    (part,) = answered(Store(here / "out"))
    assert isinstance(part.experiment, Runs)
    assert main(["results", "out", "--table", "means", "--experiments", "mine", "--format", "csv"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mine:Mien"], "module 'mine' has no 'Mien'"),
        (["run", "mine:Norm"], "'mine:Norm' is no experiment"),
        (["run", "absent:Mine"], "cannot import module 'absent'"),
        (["run", "mine:Mine", "--width", "4"], "unknown flag --width; did you mean --widths?"),
        (["run", "mine:Mine", "--widths", "0"], "widths is 0, but must lie in"),
        (["run", "mine:Mine", "--preset", "smoke"], "unknown preset 'smoke'"),
        (["figures", "out", "--experiments", "absent"], "cannot import module 'absent'"),
        (["figures", "out", "--experiments", "json"], "module 'json' has no experiment"),
    ],
)
def test_wrong_words_are_one_line(here, capsys, arguments, message):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_from_python_the_same(here):
    sys.path.insert(0, str(here))
    mine = experiment_class("mine:Mine")
    table = ws.sweep(mine.preset("tiny"), here / "out")
    assert len(table) == 8
    assert set(table["status"]) == {"ok"}
    assert isinstance(table, pd.DataFrame)


@pytest.mark.filterwarnings("default::weightspace.experiments.restore.RestoreWarning")
def test_a_class_that_says_nothing_of_its_lines_has_one_for_each_label_set(here, capsys):
    """Its table that cannot be made costs neither the others nor the page."""
    assert main(["run", "mine:Bare", "--format", "svg", "--out", "bare"]) == 0
    assert "the answer wrong of mine.bare cannot be made" in capsys.readouterr().err
    assert main(["results", "bare", "--table", "summary", "--experiments", "mine", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("experiment,model,data,width,rate,n,test_accuracy")
    kept = [line.split(",")[3:6] for line in lines[1:]]
    assert kept == [["4", "0.01", "2"], ["4", "0.1", "2"], ["8", "0.01", "2"], ["8", "0.1", "2"]]
    page = (here / "bare" / "report" / "index.html").read_text()
    assert "KeyError: &#39;colour&#39;" in page
    assert "Right" in page


def test_a_reference_that_lacks_a_column_is_said(here, capsys):
    (here / "theirs.csv").write_text("width,metric,value,source\n4,norm,3.0,a\n")
    assert main(["compare", "out", "--experiments", "mine"]) == 2
    assert "has no n; each line needs metric, value, n, source" in capsys.readouterr().err
    with pytest.warns(RestoreWarning, match="the comparison of mine.norms cannot be made .*has no n"):
        assert (
            "Is a wider network"
            in write_report(Store(here / "out"), experiments=[experiment_class("mine:Mine")]).read_text()
        )


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module, images without an axis of channels, floats without a scale, a folder."""
    (tmp_path / "minenet.py").write_text(
        "from flax import nnx\n\n\nclass Net(nnx.Module):\n"
        "    def __init__(self, shape, outputs, rngs):\n"
        "        self.out = nnx.Linear(shape[0] // 2 * (shape[1] // 2) * 2, outputs, rngs=rngs)\n"
        "        self.conv = nnx.Conv(shape[-1], 2, (3, 3), strides=2, rngs=rngs)\n\n"
        "    def __call__(self, x):\n"
        "        return self.out(nnx.relu(self.conv(x)).reshape(len(x), -1))\n"
    )
    x = np.random.default_rng(0).normal(size=(60, 8, 8)).astype(np.float32)
    y = np.arange(60) % 3
    np.savez(tmp_path / "bare.npz", x_train=x[:40], x_test=x[40:], y_train=y[:40], y_test=y[40:])
    x = x[..., None]
    np.savez(tmp_path / "floats.npz", x_train=x[:40], x_test=x[40:], y_train=y[:40], y_test=y[40:])
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    sys.modules.pop("minenet", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("freedom.random --model minnet:Net --data floats.npz", "did you mean 'minenet', of minenet.py here"),
        ("freedom.random --model minenet.py:Net --data floats.npz", "named without its ending: minenet"),
        ("freedom.random --model minenet:Nett --data floats.npz", "has no 'Nett'; did you mean 'Net'"),
        ("freedom.random --model minenet.py --data floats.npz", "given as module:class, such as mine:Net"),
        ("freedom.random --data imagse", "Nor is there a folder .* did you mean images, which is here"),
        ("freedom.random --data qqqq", "unknown data set 'qqqq'. .* Nor is there a folder"),
        (
            "freedom.random --model minenet:Net --data bare.npz",
            r"without an axis of channels, give x\[..., None]",
        ),
        ("tickets.iterative --model minenet:Net --data floats.npz", "an entry full_scale of an .npz file"),
    ],
)
def test_a_newcomers_slip_is_answered_with_what_mends_it(own, capsys, arguments, message):
    assert main(["run", *arguments.split(), "--preset", "smoke", "--dry-run"]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ("name", "meant"), [("SGD", "Sgd"), ("Momentumm", "Momentum"), ("CrossEntropyLoss", "CrossEntropy")]
)
def test_a_name_that_the_package_has_not_is_answered_with_the_nearest(name, meant):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; did you mean '{meant}'"):
        getattr(ws, name)


def test_a_held_out_fifth_is_counted_where_validation_leaves_nothing():
    x, y = np.zeros((240, 2), np.float32), np.arange(240) % 3
    with pytest.raises(InputError, match=r"192 training examples .* a fifth .* less than 192"):
        ws.Data(ws.from_arrays(x, y), validation=200).check()
