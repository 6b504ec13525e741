import dataclasses

import pandas as pd
import pytest

from tests.figures.builders import fill, line, random_experiment
from weightspace.experiments.answered import Answered
from weightspace.experiments.freedom.burn_in import FreedomBurnIn
from weightspace.experiments.tickets.iterative import TicketsIterative
from weightspace.experiments.tickets.supermask import TicketsSupermask
from weightspace.report.compare import compare, compared
from weightspace.report.references import references
from weightspace.report.wanted import commands
from weightspace.store.base import Store

LEGACY = {"optimiser": "adam-legacy", "lr": 0.05}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def mnist(**fields):
    return random_experiment(
        **{"data": "mnist", "epochs": 5.0, "dims": (8, 32), "optimiser": ("adam-legacy",), **fields}
    )


def test_our_mean_stands_beside_each_reference(store):
    lines = [line(8, 0, 0.22, **LEGACY), line(8, 1, 0.24, **LEGACY), line(32, 0, 0.60, **LEGACY)]
    fill(store, mnist(), lines)
    found = compare(store)
    # The re-run has two logs of the random subspace: 0.232 and 0.161 at d = 8, 0.440 and 0.454 at d = 32.
    assert found["reference"].tolist() == [0.232, 0.440, 0.161, 0.454]
    assert found["dim"].tolist() == [8, 32, 8, 32]
    assert found["ours"].tolist() == pytest.approx([0.23, 0.60, 0.23, 0.60])
    assert found["ours_n"].tolist() == [2, 1, 2, 1]
    assert found["ours_sd"].tolist()[0] == pytest.approx(0.0002**0.5)
    assert found["difference"].tolist() == pytest.approx([-0.002, 0.16, 0.069, 0.146])
    assert found["within"].tolist() == [True, False, False, False]
    # One deviation for both means, of two runs each; a single run has none.
    assert found["z"].tolist()[0] == pytest.approx(-0.002 / 0.0002**0.5)
    assert found["z"].isna().tolist() == [False, True, False, True]
    assert set(found["reference_n"]) == {2}
    assert found["reference_sd"].isna().all()


def test_within_is_the_joint_spread_or_two_hundredths(store):
    # Means of 0.24: 0.008 from the first log, 0.079 from the second; spreads of 0.014 and of 0.0849.
    fill(store, mnist(), [line(8, s, v, **LEGACY) for s, v in enumerate((0.25, 0.23))], "a")
    assert compare(store)["within"].tolist() == [True, False]
    fill(store, mnist(seeds=(2, 3)), [line(8, s, v, **LEGACY) for s, v in ((2, 0.14), (3, 0.34))], "b")
    found = compare(store)
    assert found["ours"].tolist() == pytest.approx([0.24, 0.24])
    assert found["within"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        pytest.param({"epochs": 3.0}, LEGACY, id="other epochs"),
        pytest.param({"batch_size": 64}, LEGACY, id="other batch"),
        pytest.param({"basis": "orthonormal"}, LEGACY, id="other basis"),
        pytest.param({"data": "fashion-mnist"}, LEGACY, id="other data"),
        pytest.param({"model": "conv3"}, LEGACY, id="other model"),
        pytest.param({}, LEGACY | {"lr": 0.1}, id="other rate"),
        pytest.param({}, LEGACY | {"optimiser": "adam"}, id="other optimiser"),
        pytest.param({"noise": (0.2,)}, LEGACY | {"noise": 0.2}, id="noisy labels"),
        pytest.param({}, LEGACY | {"method": "full"}, id="other method"),
    ],
)
def test_what_differs_is_not_compared(store, fields, labels):
    fill(store, mnist(**fields), [line(8, 0, 0.23, **labels)])
    assert compare(store).empty


def test_runs_without_a_result_are_not_compared(store):
    fill(
        store,
        mnist(),
        [line(8, 0, None, status="failed", **LEGACY), line(8, 1, None, status="waiting", **LEGACY)],
    )
    assert compare(store).empty


def test_burn_in_is_compared_by_its_steps(store):
    experiment = FreedomBurnIn(
        data="mnist", epochs=5.0, dims=(8,), burn_in=(0, 64), optimiser=("adam-legacy",)
    )
    lines = [line(8, 0, 0.9, method="burn-in", burn_in=t, **LEGACY) for t in (0, 64, 5)]
    fill(store, experiment, lines)
    found = compare(store)
    assert dict(zip(found["burn_in"], found["reference"], strict=True)).keys() == {0, 64}
    assert found.loc[found["burn_in"] == 64, "reference"].tolist() == [0.916]


def test_references_are_whole():
    lines = references()
    freedom = [line for line in lines if line["experiment"].startswith("freedom")]
    assert len(freedom) == 56
    assert {line["metric"] for line in freedom} == {"test_accuracy"}
    assert all(0 < float(line["value"]) < 1 for line in freedom)
    assert len([line for line in lines if line["experiment"] == "complexity.sinusoid"]) == 32
    tickets = [line for line in lines if line["experiment"].startswith("tickets")]
    assert len(tickets) == 198
    rounds = [line for line in tickets if line["experiment"] == "tickets.iterative"]
    assert len(rounds) == 1 + 11 * 8 + 1
    assert all(line.get("eval_every") == "100it" for line in rounds)
    assert all(float(line["value"]) <= 1 for line in tickets)
    assert all(float(line["value"]) > 0 and line["source"] and line["known"] for line in lines)
    keys = [tuple(sorted((k, v) for k, v in line.items() if k != "value")) for line in lines]
    assert len(set(keys)) == len(keys)


def test_a_reference_may_bring_its_own_tolerance(store):
    """0.02 is wide where three thousandths decide between criteria."""
    experiment = TicketsIterative(criteria=("large_final",), rounds=2, seeds=("2",))
    dense = {"criterion": "dense", "round": 0, "status": "ok", "best_test_accuracy": [0.980, 0.982]}
    ticket = {
        "criterion": "large_final", "kept": "rewind", "pruned": "zero", "round": 2, "status": "ok",
        "best_test_accuracy": [0.985, 0.985],
    }  # fmt: skip
    table = pd.concat([pd.DataFrame(dense), pd.DataFrame(ticket)], ignore_index=True)

    def found(experiment):
        part = Answered(store, experiment.name, experiment, table, experiment.model, "mnist")
        part.__dict__["measured"] = table
        return compared(part)

    assert found(experiment)["reference"].tolist() == [0.9792, 0.9806]
    assert found(experiment)["within"].tolist() == [True, False]
    assert found(dataclasses.replace(experiment, epochs=12.0)).empty


def test_another_plan_is_not_the_published_one(store):
    """One shot, other weights scored, another cadence of early stopping: none of them is compared."""
    table = pd.DataFrame({
        "criterion": ["large_final"], "kept": ["rewind"], "pruned": ["zero"], "round": [8], "status": ["ok"],
        "best_test_accuracy": [0.98],
    })  # fmt: skip
    same = TicketsIterative()
    changes = (
        {}, {"one_shot": True}, {"scope": "global"}, {"score_at": "early-stop"}, {"rewind": "1000it"},
        {"eval_every": "1ep"}, {"validation": 1000}, {"dense_rate": 0.3},
    )  # fmt: skip
    found = []
    for change in changes:
        experiment = dataclasses.replace(same, **change)
        part = Answered(store, experiment.name, experiment, table, experiment.model, "mnist")
        part.__dict__["measured"] = table
        found.append(len(compared(part)))
    assert found == [1] + [0] * 7


@pytest.mark.parametrize(("target", "count"), [(None, 2), (0.3, 0), (..., 2)])
def test_a_label_may_have_to_be_absent(store, target, count):
    experiment = TicketsSupermask()
    row = {
        "arm": "plain",
        "logit": 0.0,
        "status": "ok",
        "sampled_test_accuracy": 0.9,
        "expected_density": 0.5,
    }
    table = pd.DataFrame([row | ({} if target is ... else {"target": target})])
    part = Answered(store, experiment.name, experiment, table, experiment.model, "mnist")
    part.__dict__["measured"] = table
    assert len(compared(part)) == count
    assert commands("out").count("tickets.supermask") == 6


def lines_of(part, *lines, monkeypatch):
    """What is compared of a question where these are all references."""
    base = {
        "experiment": part.name,
        "metric": "test_accuracy",
        "value": "0.5",
        "n": "1",
        "source": "s",
        "known": "k",
    }
    monkeypatch.setattr("weightspace.report.compare.references", lambda: [base | line for line in lines])
    return compared(part)


@pytest.mark.parametrize("label", ["model", "architecture"])
def test_of_several_models_a_reference_is_held_against_its_own(store, monkeypatch, label):
    table = pd.DataFrame({"model": ["several"] * 3, "status": ["ok"] * 3, "test_accuracy": [0.2, 0.4, 0.9]})
    table[label] = ["fc", "fc", "conv2"]
    part = Answered(store, "freedom.random", mnist(), table, "several", "mnist")
    part.__dict__["measured"] = table
    wanted = ({"model": "fc"}, {"model": "conv2"}, {"model": "conv4"}, {"model": "fc", "data": "digits"})
    found = lines_of(part, *wanted, monkeypatch=monkeypatch)
    assert found["model"].tolist() == ["fc", "conv2"]
    assert found["ours"].tolist() == pytest.approx([0.3, 0.9])
    assert found["ours_n"].tolist() == [2, 1]


@pytest.mark.parametrize("name", ["epochs", "slices.epochs"])
def test_a_setting_is_a_condition_by_either_name(store, monkeypatch, name):
    table = pd.DataFrame({"status": ["ok"], "test_accuracy": [0.4]})
    part = Answered(store, "freedom.random", mnist(epochs=5.0), table, "conv2", "mnist")
    part.__dict__["measured"] = table
    found = lines_of(part, {name: "5"}, {name: "6"}, {f"{name}s": "5"}, monkeypatch=monkeypatch)
    assert found[name].tolist() == [5]
