"""An answer is what was asked in this call, whatever a folder holds, and says why something is missing."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.builders import EVALUATION, small_run
from weightspace.errors import InputError, NoResultWarning
from weightspace.experiments.answered import answered
from weightspace.node import Derived
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Adam, Sgd
from weightspace.run import Row, Watch
from weightspace.spec import spec
from weightspace.store.base import Store
from weightspace.store.read import history, results, sql
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep


@spec
class Loss(Derived):
    """What a training of a width would give, if it were one; no need to train."""

    width: int
    recipe: Any
    seeds: Seeds
    before: Any = None

    def compute(self):
        loss = float(self.recipe.optimiser.lr) * self.width + int(self.seeds.base)
        return {"loss": loss, "weights": np.full(2, loss)}


@spec
class Fails(Derived):
    text: str

    def compute(self):
        raise ArithmeticError(self.text)


def recipe(lr, optimiser=Sgd):
    return Recipe(optimiser(lr), "1ep")


def rows(lr, seeds, width=4):
    return [Row({"width": width, "seed": s}, Loss(width, recipe(lr), Seeds(s))) for s in seeds]


@dataclasses.dataclass
class Rounds:
    """An experiment that asks twice."""

    rounds: list
    name: str = "test.rounds"
    seen: list = dataclasses.field(default_factory=list)

    def ask(self):
        for asked in self.rounds:
            self.seen.append((yield asked))

    def fields(self):
        return {}


def test_rows_of_earlier_calls_are_no_part_of_an_answer(tmp_path):
    assert [len(sweep(rows(lr, range(n)), tmp_path)) for lr, n in ((0.001, 2), (0.5, 2), (0.5, 1))] == [
        2,
        2,
        1,
    ]
    table = sweep(rows(0.5, (0, 1)), tmp_path)
    assert table.groupby("width")["loss"].mean().tolist() == [2.5]
    assert not [name for name in table if "." in name]
    everything = results(tmp_path, "runs")
    assert len(everything) == 4
    assert everything["recipe.optimiser.lr"].tolist() == [0.001, 0.001, 0.5, 0.5]


def test_runs_too_are_those_asked_for(tmp_path):
    """As in the README, with a rate that is not told by a label."""

    def go(lr, seeds):
        asked = [
            Row({"width": 16}, small_run(s, lr=lr, length="1it"), Watch("end", (EVALUATION,))) for s in seeds
        ]
        return sweep(asked, tmp_path)

    assert (len(go(0.001, range(2))), len(go(0.5, range(2))), len(go(0.5, range(1)))) == (2, 2, 1)
    alone = sweep([small_run(1, lr=0.5, length="1it")], tmp_path)
    assert alone["seed"].tolist() == [1]


def test_rows_come_in_the_order_asked_and_once(tmp_path):
    asked = rows(0.1, (3, 1, 2))
    table = sweep([*asked, asked[1], *asked], tmp_path)
    assert table["seed"].tolist() == [3, 1, 2]
    assert sweep(asked[::-1], tmp_path)["seed"].tolist() == [2, 1, 3]


def test_one_node_under_two_labels_is_two_rows(tmp_path):
    node = rows(0.1, (0,))[0].node
    table = sweep([Row({"name": "b"}, node), Row({"name": "a"}, node)], tmp_path)
    assert table["name"].tolist() == ["b", "a"]
    assert table["run"].nunique() == 1


def test_an_experiment_and_its_decisions_see_what_it_asked(tmp_path):
    sweep(Rounds([rows(0.9, (0, 1, 2), 8), rows(0.9, (5,), 8)]), tmp_path)
    question = Rounds([rows(0.1, (1, 0)), rows(0.1, (1, 0), 2)])
    table = sweep(question, tmp_path)
    assert [list(seen["seed"]) for seen in question.seen] == [[1, 0], [1, 0, 1, 0]]
    assert table["width"].tolist() == [4, 4, 2, 2]
    assert len(results(tmp_path, "test.rounds")) == 8


def test_equal_labels_of_two_nodes_stay_two_rows_with_the_setting_that_differs(tmp_path):
    table = sweep([Row({"width": 4}, Loss(4, recipe(lr), Seeds(0))) for lr in (0.1, 0.5)], tmp_path)
    assert table["recipe.optimiser.lr"].tolist() == [0.1, 0.5]
    assert len(table) == 2


def test_settings_that_no_label_tells_are_shown_also_over_seeds(tmp_path):
    """Another kind of optimiser, two numbers at once, a seed of one stream, and a parent's."""
    parents = [Loss(1, recipe(lr), Seeds(0)) for lr in (0.1, 0.2)]
    asked = [
        Row({"what": "kind", "seed": 0}, Loss(4, recipe(0.1), Seeds(0))),
        Row({"what": "kind", "seed": 1}, Loss(4, recipe(0.1, Adam), Seeds(1))),
        Row({"what": "two", "seed": 0}, Loss(4, recipe(0.1), Seeds(0))),
        Row({"what": "two", "seed": 1}, Loss(5, recipe(0.2), Seeds(1))),
        Row({"what": "stream", "seed": 0}, Loss(4, recipe(0.1), Seeds(0))),
        Row({"what": "stream", "seed": 0}, Loss(4, recipe(0.1), Seeds(0, order=7))),
        *(Row({"what": "parent"}, Loss(4, recipe(0.1), Seeds(0), p.output("weights"))) for p in parents),
        Row({"what": "seed alone", "seed": 0}, Loss(4, recipe(0.1), Seeds(0))),
        Row({"what": "seed alone", "seed": 1}, Loss(4, recipe(0.1), Seeds(1))),
    ]
    table = sweep(asked, tmp_path)
    paths = [name for name in table if "." in name]
    assert paths == [
        "recipe.optimiser.kind", "recipe.optimiser.lr", "before.of.recipe.optimiser.lr", "seeds.order",
    ]  # fmt: skip
    assert "width" in table.columns
    assert table["recipe.optimiser.kind"].tolist()[:2] == ["recipes.Sgd", "recipes.Adam"]
    assert table["width"].tolist()[2:4] == [4, 5]
    assert table["seeds.order"].tolist()[4:6] == [0, 7]
    assert table["before.of.recipe.optimiser.lr"].tolist()[6:8] == [0.1, 0.2]
    for names in (["recipe.optimiser.lr"], ["seeds.order"], ["recipe.optimiser.kind"]):
        alone = sweep(asked[-2:], tmp_path)
        assert not set(names) & set(alone.columns)


def test_summaries_of_plain_runs_have_a_line_for_each_label_set_and_untold_setting(tmp_path):
    for lr in (0.001, 0.5):
        sweep(rows(lr, (0, 1)) + rows(lr, (0, 1), 8), tmp_path)
    (part,) = answered(Store(tmp_path), "runs")
    assert sorted(part.summary["n"]) == [2, 2, 2, 2]
    assert set(part.summary["recipe.optimiser.lr"]) == {0.001, 0.5}
    assert set(part.summary["width"]) == {4, 8}


def test_why_something_failed_is_said_and_is_a_column(tmp_path):
    failing = [Row({"i": i}, Fails(f"nothing {i % 2}\nto divide {i}")) for i in range(5)]
    child = Row({"i": 9}, Loss(4, recipe(0.1), Seeds(0), failing[0].node.output("a")))
    fine = rows(0.1, (0,))[0]
    with pytest.warns(NoResultWarning, match="6 of 7 runs did not end well: 1 failed .*; 3 more reasons"):
        table = sweep([*failing, child, fine], tmp_path).set_index("i")
    assert table["error"][1.0] == "ArithmeticError: nothing 1\nto divide 1"
    assert "nothing 0\nto divide 0" in table["error"][9.0]
    assert table["status"][9.0] == "blocked"
    assert pd.isna(table["error"].iloc[-1])
    assert sql(tmp_path, "SELECT count(error) AS n FROM results")["n"].tolist() == [6]
    with pytest.warns(NoResultWarning):
        sweep([child], tmp_path)  # not retried without a word


def test_the_column_of_reasons_is_there_where_all_is_well(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = sweep(rows(0.1, (0,)), tmp_path)
    assert list(table.columns[:8])[-1] == "error"
    assert table["error"].isna().all()


def test_a_label_that_would_hide_a_reason_is_refused(tmp_path):
    with pytest.raises(Exception, match="a label cannot be called 'error'"):
        sweep([Row({"error": 1}, Loss(4, recipe(0.1), Seeds(0)))], tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (small_run(0), r"a single Run; give a list: ws.sweep\(\[…\], out\)"),
        (rows(0.1, (0,))[0], "a single Row; give a list"),
        (Loss(4, recipe(0.1), Seeds(0)), "a single Loss; give a list"),
        (Rounds, r"the class Rounds; give an experiment: Rounds\(…\)"),
        ("freedom.random", "'freedom.random' of type str; give an experiment, or a list"),
        (None, "None of type NoneType; give an experiment, or a list"),
        ({"a": 1}, "of type dict; give an experiment, or a list"),
        ([Loss(4, recipe(0.1), Seeds(0))], r"item 0 of what is asked is of type Loss; wrap it as ws.Row"),
        ([*rows(0.1, (0,)), 3], "item 1 of what is asked is of type int; give runs"),
        ([], "asks for no runs"),
    ],
)
def test_what_is_not_asked_in_a_list_is_said_in_one_sentence(tmp_path, asked, message):
    with pytest.raises(InputError, match=message) as caught:
        sweep(asked, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_must_be_named():
    with pytest.raises(InputError, match="out is None of type NoneType; give a folder"):
        sweep(rows(0.1, (0,)), None)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("label", "watch"),
    [
        ("test_loss", None),
        ("train_accuracy", None),
        ("best_test_loss", Watch("end", (Evaluation(("test",), names=("best",)),))),
    ],
)
def test_a_label_of_a_metric_s_name_is_refused(tmp_path, label, watch):
    message = rf"a label cannot be called '{label}': .* call it '{label}_label'"
    with pytest.raises(InputError, match=message):
        sweep([Row({"a": 1}, small_run()), Row({label: 5}, small_run(seed=1), watch)], tmp_path)
    assert not list((tmp_path).rglob("*.parquet"))


def test_a_label_that_only_begins_like_a_metric_is_a_label(tmp_path):
    asked = [Row({"test_size": 5}, small_run(), Watch("end", (Evaluation(("test",)),)))]
    assert sweep(asked, tmp_path)["test_size"].tolist() == [5]
    assert sql(tmp_path, "SELECT test_loss FROM runs").iloc[0, 0] == results(tmp_path)["test_loss"].iloc[0]


@pytest.mark.parametrize("steps", [(10, 500), (0, 21), [21]])
def test_steps_beyond_a_run_are_refused(tmp_path, steps):
    with pytest.raises(InputError, match=r"Watch.steps asks for step \d+ of a run of 20 steps"):
        sweep([Row({}, small_run(0), Watch(steps, (EVALUATION,)))], tmp_path)
    assert not list((tmp_path / "runs").iterdir())


def test_a_metric_is_that_of_the_probe_that_was_asked(tmp_path):
    """Two probes that write one column: what the other one left is not taken for an answer."""
    run = small_run(0, length="2it")
    whole, part = Evaluation(("train",)), Evaluation(("train",), train_examples=100)
    step = lambda probe: sweep([Row({}, run, Watch((1,), (probe,)))], tmp_path)  # noqa: E731
    first, other, again = step(part), step(whole), step(part)
    assert first["train_loss"].tolist() == again["train_loss"].tolist() == other["train_loss"].tolist()
    wide = history(tmp_path, wide=True).set_index("step")["train_loss"]
    alone = sweep([Row({}, run, Watch((1,), (part,)))], tmp_path / "alone")
    assert alone["train_loss"].tolist() == first["train_loss"].tolist()
    expected = history(tmp_path / "alone", wide=True).set_index("step")["train_loss"]
    pd.testing.assert_series_equal(wide, expected)
