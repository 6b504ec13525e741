"""Looking at a folder from anywhere runs nothing that it names, and shows its strings as text."""

import ast
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.figures.builders import fill, line, random_experiment
from weightspace.cli import main
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.errors import InputError, StoreError
from weightspace.experiments import experiment_class, names
from weightspace.experiments.answered import answered
from weightspace.models.zoo import make
from weightspace.named import NotRunError, looking, resolve
from weightspace.recipes.custom import custom_loss
from weightspace.recipes.losses import CrossEntropy
from weightspace.store.arrays import to_tensors
from weightspace.store.base import Store
from weightspace.store.rows import RunRow
from weightspace.store.schema import digest_of
from weightspace.tables.base import Given

NAME = "harmless:factory"
MODULE = """
import pathlib
pathlib.Path("imported").touch()
def factory(*args, **more):
    pathlib.Path("called").touch()
    raise RuntimeError("called")
"""
VERBS = (
    ("status",), ("results",), ("results", "--format", "json"), ("results", "--table", "summary"),
    ("figures", "--format", "svg"), ("report",), ("compare",), ("export",), ("compact",), ("clean",),
)  # fmt: skip
RESTORING = (("results", "--table", "summary"), ("report",), ("compare",))
"""Those that make experiments of settings, each in a way of its own."""
SOURCE = Path(__file__).parents[2] / "src" / "weightspace"


def altered(value):
    """A setting whose names are the module's."""
    if isinstance(value, str):
        return NAME
    return [altered(item) for item in value] if isinstance(value, list) and value else value


def settings(name, chosen):
    """An experiment's settings with the chosen ones altered."""
    cls = experiment_class(name)
    fields = cls(**cls.presets.get("smoke", {})).fields()
    return {key: altered(value) if chosen(key) else value for key, value in fields.items()}


def add(store, experiment, number, fields, **labels):
    """A run with weights, whose spec names code of every kind, as the answer to an experiment."""
    parts = ("model", "data", "loss", "metric", "probe", "space", "optimiser")
    spec = {part: {"code": NAME, "kind": NAME, "source": "0"} for part in parts}
    text = json.dumps({"kind": NAME, "number": number, "experiment": experiment, **spec})
    digest = digest_of(text)
    arrays, outputs = {}, ("snapshot(0it).weights", "snapshot(end).weights")
    for place, key in enumerate(outputs):
        kernels = {f"k{i}": {"kernel": np.full((9, i + 2), place + i / 7.0)} for i in range(2)}
        arrays |= to_tensors(digest, key, kernels)
    row = RunRow(digest, text, "ok", 1.0, 2, {"test_accuracy": 0.5, "best_test_accuracy": 0.5}, outputs)
    store.write_cohort(f"{experiment}-{number}", [row], {}, arrays)
    store.ask(experiment, [({"model": NAME, "data": NAME, "seed": 0, **labels}, digest)], fields)
    return digest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a module that leaves a mark when it is imported."""
    (tmp_path / "harmless.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def look(store, run, verbs=VERBS):
    """Verbs; each ends with a table, a sentence or a page, never in a traceback."""
    for verb, *more in verbs:
        extra = [run[:12], "--output", "snapshot(end).weights"] if verb == "export" else []
        assert main([verb, str(store.root), *extra, *more]) in (0, 2), verb


def unharmed(folder):
    return not (folder / "imported").exists() and not (folder / "called").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("chosen", "verbs"),
    [(lambda key: key in ("model", "data", "probes"), VERBS), (lambda _: True, RESTORING)],
    ids=["what is trained and recorded", "all settings"],
)
def test_no_verb_runs_what_settings_name(here, capsys, chosen, verbs):
    store = Store(here / "out")
    for number, name in enumerate(names()):
        run = add(store, name, number, settings(name, chosen), criterion="dense", round=0)
    add(store, "runs", 99, {})
    look(store, run, verbs)
    assert unharmed(here)
    capsys.readouterr()


@pytest.mark.filterwarnings("ignore")
def test_an_experiment_of_a_name_that_is_code_is_plain_runs(here, capsys):
    store = Store(here / "out")
    run = add(store, "other", 0, {"model": NAME})
    (store.root / "asked" / "other").rename(store.root / "asked" / NAME)
    look(store, run)
    assert unharmed(here)
    capsys.readouterr()


def test_the_figure_of_a_layer_needs_no_network(here):
    """As in tickets.iterative, whose settings name the network: the store says which kernel comes first."""
    store = Store(here / "out")
    fields = settings("tickets.iterative", lambda key: key in ("model", "data"))
    fields |= {"criteria": ["large_final", "movement"], "rewind": "0it", "score_at": "end"}
    digest = add(store, "tickets.iterative", 0, fields, criterion="dense", round=0)
    (part,) = answered(store)
    assert part.experiment.model == NAME
    panels = {panel.name: panel for panel in part.panels}
    assert "k1/kernel, seed 0" in panels["criteria-weights"].caption  # the largest, as nothing tells
    told = {"order": np.array([1, 0], np.int32), "kind": np.zeros(2, np.int32)}

    def outputs(run, key):
        return told if key == "network" else store.output(run, key)

    (kernel,) = (answer.table for answer in part.answers if answer.name == "kernel")

    def first():
        return Given(part.measured, part.history, outputs).of(kernel)

    assert set(first()["of"]) == {"k1/kernel, seed 0"}
    told["order"] = np.array([0, 1], np.int32)
    assert set(first()["of"]) == {"k0/kernel, seed 0"}
    weights = store.output(digest, "snapshot(0it).weights")["k0"]["kernel"]
    np.testing.assert_array_equal(first()["before"], weights.ravel())
    assert unharmed(here)


@pytest.mark.parametrize(
    "name_it",
    [
        lambda: resolve(NAME),
        lambda: make(NAME, (8, 8, 1), 10),
        lambda: make_data(NAME),
        lambda: make_data("digits"),
        lambda: custom_loss(NAME),
        lambda: dataclasses.replace(Task(DIGITS, CrossEntropy()), metrics=(NAME,)),
    ],
    ids=["code", "model", "data", "data by name", "loss", "metric"],
)
def test_within_looking_a_name_stays_a_name(here, name_it):
    with looking(), pytest.raises(NotRunError, match="looking at a folder runs nothing that it names"):
        name_it()
    assert unharmed(here)


DIGITS = make_data("digits")


def test_names_of_ones_own_command_run(here):
    with pytest.raises(InputError, match="RuntimeError: called"):
        make_data(NAME)
    assert not unharmed(here)


def test_all_that_resolves_names_asks_first():
    """Nothing imports by name but the one place that looks whether it may, and tables of our own modules."""
    users = [
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and "import_object" in [alias.name for alias in node.names]
    ]
    assert users == ["named.py"]


EVIL = "<b id=mark>$\\frac$ {{ 7*7 }} & \"q\" 'r' ]]></style></svg>"


@pytest.mark.filterwarnings("ignore")
def test_strings_of_a_folder_are_text_on_the_page_and_in_figures(here, capsys):
    store = Store(here / "out")
    experiment = random_experiment(model=EVIL, data=EVIL)
    lines = [line(d, s, 0.2, optimiser=o) for d in (4, 16) for s in (0, 1) for o in (EVIL, "adam")]
    lines += [line(8, 0, None, status="failed", error=EVIL)]
    record = store.save_provenance({"command": [EVIL], "device": EVIL, "git": {"commit": EVIL}})
    fill(store, experiment, lines, provenance=record)
    store.ask("runs", [({EVIL: EVIL, "model": EVIL}, next(iter(store.records())))], {})
    look(store, next(iter(store.records())))
    page = (store.root / "report" / "index.html").read_text()
    assert "<b id=mark>" not in page
    assert "&lt;b id=mark&gt;$\\frac$ {{ 7*7 }}" in page
    svgs = list((store.root / "figures").rglob("*.svg"))
    assert svgs
    assert all("<b id=mark>" not in file.read_text() for file in svgs)
    capsys.readouterr()


def test_text_for_a_terminal_commands_nothing(here, capsys):
    store = Store(here / "out")
    error = "a \x1b[31mred\x07 [bold]error[/bold]\nand more"
    fill(store, random_experiment(), [line(4, 0, None, status="failed", error=error)])
    for verb in ("status", "results"):
        assert main([verb, str(store.root)]) == 0
        said = capsys.readouterr().out
        assert "\x1b[31m" not in said
        assert "[bold]error[/bold]" in said
        assert "\x07" not in said


def test_latex_and_csv_are_safe_to_open(here, capsys):
    store = Store(here / "out")
    formula = "=1+1"
    labels = {"_$%": "\\input{x} & # _ ^ ~ %", "f": formula, "-g": -2.5}
    digest = fill(store, random_experiment(), [line(4, 0, 0.5)])[0]
    store.ask("runs", [(labels, digest), ({"f": "+2", "_$%": "@a"}, digest)], {})

    def printed(kind):
        capsys.readouterr()
        assert main(["results", str(store.root), "--experiment", "runs", "--format", kind]) == 0
        return capsys.readouterr().out

    latex = printed("latex")
    assert r"\textbackslash input\{x\} \& \# \_ \textasciicircum" in latex
    assert r"\_\$\%" in latex
    csv = printed("csv")
    assert "'=1+1" in csv
    assert "'@a" in csv
    assert "'+2" in csv
    assert "'-g" in csv
    assert ",-2.5," in csv
    assert json.loads(printed("json"))[0]["f"] == formula


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "a/../../secret", "..", "x"])
def test_paths_of_a_folder_do_not_leave_it(here, name):
    store = Store(here / "out")
    (here / "secret.json").write_text('{"command": ["secret"]}')
    with pytest.raises(StoreError, match="is no id of provenance"):
        store.provenance(name)


def test_columns_of_any_name_are_names(here):
    store = Store(here / "out")
    name = '"; DROP VIEW runs; --'
    text = json.dumps({"n": 1})
    row = RunRow(digest_of(text), text, "ok", scalars={name: 1.0}, readings=(0,))
    store.write_cohort("c", [row], {"digest": [row.digest], "step": [0], name: [2.0]}, {})
    store.ask("e", [({"x' OR '1": 1}, row.digest)], {})
    from weightspace.store.read import history, results

    assert results(store)[name].tolist() == [1.0]
    assert history(store)["value"].tolist() == [2.0]
    assert re.fullmatch(r"[0-9a-f]+", row.digest)
