import dataclasses
import warnings

import pytest

from tests.figures.builders import fill, full, line, plain_lines, random_experiment
from weightspace.errors import InputError, StoreError
from weightspace.experiments.answer import Answer
from weightspace.experiments.answered import answered, asked_exactly, safe_name
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.experiments.restore import RestoreWarning, Runs
from weightspace.figures.chart import Chart
from weightspace.figures.charts import Dots
from weightspace.report.page import render
from weightspace.store.base import Store
from weightspace.tables.base import Table
from weightspace.tables.curves import Curves


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def test_a_question_comes_back_with_its_rows_and_histories(store):
    experiment = random_experiment()
    digests = fill(store, experiment, plain_lines())
    (part,) = answered(store)
    assert part.experiment == experiment
    assert (part.name, part.model, part.data, part.folder) == (
        "freedom.random", "conv2", "digits", "conv2-digits",
    )  # fmt: skip
    assert set(part.table["run"]) == set(digests)
    assert set(part.history.columns) == {"run", "step", "test_accuracy", "train_accuracy"}
    assert len(part.history) == 3 * len(set(digests))


def test_questions_are_joined_over_what_they_sweep(store):
    fill(store, random_experiment(seeds=("2",), levels=(0.5, 0.7)), plain_lines(), "a")
    fill(store, random_experiment(seeds=(7, 3), dims=(64, 16), levels=(0.9, 0.5)), [line(64, 7, 0.8)], "b")
    (part,) = answered(store)
    assert part.experiment.dims == (4, 16, 64)
    assert part.experiment.seeds == (0, 1, 3, 7)
    assert part.experiment.levels == (0.5, 0.7, 0.9)
    assert len(part.table) == len(plain_lines()) + 1
    assert part.settings == {}


def test_of_what_changes_no_number_the_newest_holds(store):
    fill(store, random_experiment(reference=True), plain_lines(), "a")
    fill(store, random_experiment(reference=False), plain_lines(), "b")
    (part,) = answered(store)
    assert part.experiment.slices.reference is False


def test_seeds_that_were_read_at_other_times_are_not_averaged(store):
    """The best of ten readings is no value to be beside the best of a thousand."""
    fill(store, random_experiment(eval_every="1ep", seeds=("2",)), [line(4, 0, 0.5), line(4, 1, 0.5)], "a")
    fill(store, random_experiment(eval_every="5it", seeds=(2,)), [line(4, 2, 0.9)], "b")
    one, two = answered(store)
    assert (one.settings, two.settings) == ({"eval_every": "1ep"}, {"eval_every": "5it"})
    assert (one.summary["n"].tolist(), two.summary["n"].tolist()) == ([2], [1])


def test_other_settings_keep_questions_apart(store):
    fill(store, random_experiment(epochs=3.0), plain_lines(), "a")
    fill(store, random_experiment(epochs=9.0, batch_size=64), plain_lines(), "b", salt=1)
    one, two = answered(store)
    assert (one.settings, two.settings) == (
        {"epochs": 3.0, "batch_size": 128}, {"epochs": 9.0, "batch_size": 64},
    )  # fmt: skip
    assert (one.folder, two.folder) == ("conv2-digits", "conv2-digits/epochs=9,batch_size=64")
    assert not set(one.table["run"]) & set(two.table["run"])


def test_asking_more_moves_no_folder(store):
    fill(store, random_experiment(epochs=3.0), plain_lines(), "a")
    fill(store, random_experiment(epochs=9.0), plain_lines(), "b", salt=1)
    before = [part.folder for part in answered(store)]
    fill(store, random_experiment(epochs=1.0), plain_lines(), "c", salt=2)
    assert [part.folder for part in answered(store)][:2] == before


def test_one_run_under_labels_of_two_questions_is_a_row_in_each(store):
    (digest,) = fill(store, random_experiment(), [line(4, 0, 0.5)])
    other = random_experiment(epochs=9.0)
    store.ask(
        "freedom.random",
        [({"method": "random", "dim": 8, "model": "conv2", "data": "digits"}, digest)],
        other.fields(),
    )
    one, two = answered(store)
    assert (one.table["dim"].tolist(), two.table["dim"].tolist()) == ([4], [8])


def test_one_experiment_finds_its_own_rows_only(store):
    small, large = random_experiment(dims=(4,)), random_experiment(dims=(4, 16))
    fill(store, small, [line(4, 0, 0.5)], "a")
    fill(store, large, [line(4, 0, 0.5), line(16, 0, 0.6)], "b")
    assert len(asked_exactly(store, small).table) == 1
    assert len(asked_exactly(store, large).table) == 2
    with pytest.raises(StoreError, match="run it first"):
        asked_exactly(store, random_experiment(dims=(5,)))


def test_errors_of_runs_that_have_no_result(store):
    memory = {"status": "failed", "error": "out of memory"}
    lines = [line(4, 0, 0.5), line(4, 1, None, **memory), line(8, 1, None, **memory)]
    lines += [line(8, 2, None, status="blocked")]
    fill(store, random_experiment(), lines)
    (part,) = answered(store)
    assert {error: len(runs) for error, runs in part.errors.items()} == {"out of memory": 2, "blocked": 1}


def test_a_blocked_run_tells_its_parents_error(store):
    (parent,) = fill(store, random_experiment(), [line(4, 0, None, status="failed", error="no memory")], "a")
    text = f"parent {parent} is failed"
    fill(store, random_experiment(), [line(8, 0, None, status="blocked", error=text)], "b")
    (part,) = answered(store)
    assert list(part.errors) == ["no memory", "blocked by a parent: no memory"]


def test_plain_runs_are_split_by_model_and_data(store):
    digests = fill(store, random_experiment(), plain_lines())
    labels = [{"model": model, "data": "digits", "seed": 0} for model in ("fc", "conv2")]
    store.ask("runs", list(zip(labels, digests, strict=False)), {})
    parts = answered(store, "runs")
    assert [(part.model, part.experiment) for part in parts] == [("fc", Runs()), ("conv2", Runs())]
    assert parts[0].analyses == {}


@pytest.mark.parametrize(("widths", "parts"), [((8, 16), ["several"]), ((8, 8), ["fc", "conv2"])])
def test_models_that_labels_tell_apart_are_one_part(store, widths, parts):
    digests = fill(store, random_experiment(), plain_lines())
    rows = [{"model": m, "data": "digits", "width": w} for m, w in zip(("fc", "conv2"), widths, strict=True)]
    store.ask("runs", list(zip(rows, digests, strict=False)), {})
    assert [part.model for part in answered(store, "runs")] == parts


def test_names_of_files_hold_nothing_dangerous():
    assert "/" not in safe_name("/etc/passwd")
    assert not safe_name("../..").startswith(".")
    one, two = safe_name("a" * 200), safe_name("a" * 199 + "b")
    assert one != two
    assert len(one) <= 80


def coded(source):
    """A part of a run's spec: the code of a user's network."""
    return {"code": "mine:factory", "source": source}


def test_no_mean_is_taken_over_a_setting_that_nothing_tells(store):
    """The same question after an edit, or under other content of the data: equal labels, other runs."""
    experiment = random_experiment(reference=False)
    lines = [line(4, seed, 0.2) for seed in (0, 1)]
    fill(store, experiment, lines, "a", salt=1)
    fill(store, experiment, [line(4, 0, 0.8)], "b", salt=2)
    one, two = answered(store)
    assert (one.settings, two.settings) == ({"salt": 1}, {"salt": 2})
    assert one.folder != two.folder
    assert (one.summary["test_accuracy"].tolist(), one.summary["n"].tolist()) == ([0.2], [2])
    assert (two.summary["test_accuracy"].tolist(), two.summary["n"].tolist()) == ([0.8], [1])
    with pytest.raises(StoreError, match="was asked 2 times with these settings, but other salt"):
        asked_exactly(store, experiment)
    mine = asked_exactly(store, experiment, one.table)
    assert mine.summary["test_accuracy"].tolist() == [0.2]


@pytest.mark.parametrize(("seed", "dim"), [(1, 4), (0, 16)], ids=["other seeds", "other dimensions"])
def test_an_edit_of_the_users_code_splits_also_what_does_not_overlap(store, seed, dim):
    experiment = random_experiment(reference=False)
    fill(store, experiment, [line(4, 0, 0.2)], "a", salt=coded("old"))
    fill(store, experiment, [line(dim, seed, 0.8)], "b", salt=coded("new"))
    one, two = answered(store)
    assert one.settings["source of mine:factory"] == "old"
    assert two.settings["source of mine:factory"] == "new"
    assert (len(one.table), len(two.table)) == (1, 1)


def test_a_newer_version_of_a_part_splits_and_rows_without_the_part_belong_to_both(store):
    experiment = random_experiment()
    fill(store, experiment, [full(0, 0.9)], "a", salt={"kind": "Full", "version": 1})
    fill(store, experiment, [line(4, 0, 0.2)], "b", salt={"kind": "Gaussian", "version": 1})
    fill(store, experiment, [line(4, 1, 0.8)], "c", salt={"kind": "Gaussian", "version": 2})
    parts = answered(store)
    assert [part.settings["version of Gaussian"] for part in parts] == [1, 2]
    assert [sorted(part.table["method"]) for part in parts] == [["full", "random"]] * 2


def test_seeds_alone_split_nothing(store):
    fill(store, random_experiment(), plain_lines(), "a")
    fill(store, random_experiment(seeds=(5, 6)), plain_lines(seeds=(5, 6)), "b")
    (part,) = answered(store)
    assert part.settings == {}
    assert part.summary["n"].tolist() == [4, 4, 4]


def test_runs_asked_for_in_several_calls_are_one_table_with_a_line_each(store):
    one, two = fill(store, random_experiment(), [line(4, 0, 0.2), line(16, 0, 0.8)])
    for digest, width in ((one, 1), (two, 32)):
        store.ask("runs", [({"width": width, "model": "m", "data": "d", "seed": 0}, digest)], {})
    (part,) = answered(store, "runs")
    assert part.summary.set_index("width")["test_accuracy"].to_dict() == {1: 0.2, 32: 0.8}


@dataclasses.dataclass(frozen=True)
class Broken(Table):
    """Nothing can be made of any rows."""

    def of(self, given):
        raise InputError("no such thing")


@dataclasses.dataclass(frozen=True)
class BrokenChart(Chart):
    """Nothing can be drawn of any table."""

    def draw(self, frame, notes):
        return {}["missing"]


def test_what_cannot_be_made_of_a_folder_is_said_and_left_out(store, monkeypatch):
    fill(store, random_experiment(), plain_lines())
    means, dots = Curves(("test_accuracy",), "dim"), Dots("dim", (("test_accuracy", ""),))
    answers = (
        Answer("first", means, BrokenChart(), dots),
        Answer("second", Broken(), dots),
        Answer("third", means, shown=Broken()),
    )
    monkeypatch.setattr(FreedomRandom, "answered_by", lambda _: answers)
    (part,) = answered(store)
    with warnings.catch_warnings(record=True, action="always") as said:
        assert list(part.analyses) == ["first", "third"]
        assert len(part.panels) == 1
        page = render(store, [part])
    texts = [str(warning.message) for warning in said]
    assert len(texts) == len(set(texts)) == 3
    assert "the answer second of freedom.random cannot be made of" in texts[0]
    assert part.left_out["what"].tolist() == ["answer second", "figure first", "first lines of third"]
    assert part.left_out["reason"].tolist()[:2] == ["InputError: no such thing", "KeyError: 'missing'"]
    assert part.answer("second") is None
    assert part.shown("third").equals(part.analyses["third"])
    for text in ("Left out", "InputError: no such thing", "KeyError", "First", "Third"):
        assert text in page


def test_answers_that_cannot_even_be_listed_leave_the_summary(store, monkeypatch):
    fill(store, random_experiment(), plain_lines())
    (part,) = answered(store)
    monkeypatch.setattr(FreedomRandom, "answered_by", lambda _: {}["missing"])
    with pytest.warns(RestoreWarning, match="the answers of freedom.random cannot be made .*KeyError"):
        assert part.analyses == {}
    assert (part.panels, len(part.summary)) == ([], 3)
