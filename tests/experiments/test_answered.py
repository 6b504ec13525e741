import pytest

from tests.figures.builders import fill, line, plain_lines, random_experiment
from weightspace.errors import StoreError
from weightspace.experiments.answered import answered, asked_exactly, safe_name
from weightspace.experiments.restore import Runs
from weightspace.store.base import Store


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
    fill(store, random_experiment(eval_every="1ep"), plain_lines(), "a")
    fill(store, random_experiment(eval_every="5it"), plain_lines(), "b")
    (part,) = answered(store)
    assert part.experiment.eval_every == "5it"


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


def test_names_of_files_hold_nothing_dangerous():
    assert "/" not in safe_name("/etc/passwd")
    assert not safe_name("../..").startswith(".")
    one, two = safe_name("a" * 200), safe_name("a" * 199 + "b")
    assert one != two
    assert len(one) <= 80
