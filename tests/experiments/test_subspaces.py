"""Learned regions as questions: what their tables and charts are made of."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import DataError, InputError
from weightspace.experiments import experiment_class
from weightspace.experiments.answer import answers_of
from weightspace.experiments.subspaces.corruptions import OverCorruptions
from weightspace.experiments.subspaces.tables import ONE, PAIR, PLAIN, SCORES, Along
from weightspace.experiments.subspaces.training import STANDARD, TWO
from weightspace.tables.base import Given
from weightspace.tables.vocabulary import VOCABULARY

MATRIX = np.arange(9.0).reshape(3, 3)


def given():
    rows = pd.DataFrame({
        "run": ["a", "b", "c"], "status": "ok", "seed": 0, "part": ["region", "point", "point"],
        "method": ["line", STANDARD, TWO], "mean_uncalibrated_accuracy": [0.5, np.nan, np.nan],
    } | {f"all_{name}": [0.9, 0.7, 0.8] for name in SCORES})  # fmt: skip
    arrays = {"alphas": np.asarray([0, 0.5, 1])}
    arrays |= {f"ensemble_{name}": MATRIX for name in SCORES}
    arrays |= {f"uncalibrated_{name}": np.full(3, 0.25) for name in SCORES}
    return Given(rows, rows.iloc[:0], lambda _, name: arrays[name], VOCABULARY)


def test_networks_stand_on_the_diagonal_and_mirrored_pairs_on_the_other():
    found = Along().of(given())
    lines = {key: part["accuracy"].tolist() for key, part in found.groupby(["method", "reading"])}
    assert lines == {
        ("line", ONE): [0, 4, 8],
        ("line", PAIR): [2, 4, 6],
        ("line", PLAIN): [0.25, 0.25, 0.25],
        (STANDARD, ONE): [0.7],
        (STANDARD, PAIR): [0.8],
        (STANDARD, PLAIN): [0.25],
    }


def test_presets_of_the_issue():
    cls: Any = experiment_class("subspaces.lines")
    cifar, paper = cls.preset("cifar8"), cls.preset("paper")
    assert (cifar.model, cifar.epochs, cifar.seeds) == ("cresnet:depth=8,width=8", 20, ("3",))
    assert (paper.model, paper.epochs, paper.warmup, paper.weight_decay) == ("cresnet20", 160, 5, 1e-4)


def asked(experiment):
    return [row for batch in experiment.ask() for row in batch]


def test_ensembles_ask_for_members_that_never_saw_the_validation_examples():
    """K separate, K snapshots at the borders of cycles, K branches of one training; costs in trainings."""
    cls: Any = experiment_class("subspaces.ensembles")
    given = {"members": 3, "epochs": 9.0, "validation": 60, "seeds": ("5:6",), "shared": 0.25}
    rows = asked(cls(**cls.presets["quick"] | given))
    nodes = {}
    for row in rows:
        if row.labels["part"] == "point":
            nodes.setdefault(row.labels["method"], []).append((row.node, row.labels["cost"]))
    three = {kind: nodes[f"{kind}, as an ensemble"][0] for kind in ("separate", "snapshots", "branches")}
    assert {kind: cost for kind, (_, cost) in three.items()} == {
        "separate": 3, "snapshots": 1, "branches": 0.25 + 3 * 0.75,
    }  # fmt: skip
    weights = {kind: [network.weights for network in node.networks] for kind, (node, _) in three.items()}
    assert [str(output.probe.when) for output in weights["snapshots"]] == ["3ep", "6ep", "9ep"]
    assert len({output.of.digest for output in weights["snapshots"]}) == 1
    runs = {kind: [output.of for output in weights[kind]] for kind in ("separate", "branches")}
    for each in runs.values():
        assert len({run.digest for run in each}) == 3
        assert len({run.seeds.order for run in each}) == 3
        assert {run.seeds.split for run in each} == {5}
    assert {(run.space.start.of.digest, str(run.space.start.probe.when)) for run in runs["branches"]} == {
        (runs["separate"][0].digest, "2.25ep")
    }
    soups = [kind for kind in nodes if kind.endswith("greedy soup")]
    assert [len(nodes[kind]) for kind in soups] == [
        2,
        2,
        2,
    ]  # the soup's own columns join those of its network


def test_averages_of_one_training_are_taken_where_its_cycles_end():
    cls: Any = experiment_class("subspaces.swa")
    experiment = cls(**cls.presets["quick"] | {"epochs": 20.0, "models": 5, "seeds": ("1",)})
    points = {row.labels["method"]: row.node for row in asked(experiment) if row.labels["part"] == "point"}
    each = points["checkpoints as an ensemble"].networks
    assert [str(network.weights.probe.when) for network in each] == ["15ep", "16ep", "17ep", "18ep", "20ep"]
    (swa,) = points["SWA, cyclic rate"].networks
    assert swa.weights.of.digest == each[0].weights.of.digest
    assert swa.weights.probe.moments(20 * 79, 79) == tuple(79 * k for k in (15, 16, 17, 18, 20))
    ensembles = [name for name, node in points.items() if len(getattr(node, "networks", ())) > 1]
    assert {points[name].way for name in ensembles} == {"probability_mean"}
    assert len(ensembles) == 4
    draws = points["SWAG, 10 draws as an ensemble"].networks
    assert len({network.weights.of.digest for network in draws}) == 10
    constant = draws[0].weights.of.weights
    assert constant.probe.moments(20 * 79, 79) == tuple(79 * k for k in range(15, 21))
    kinds = {f"random average, {by}" for by in ("global", "module", "weight")}
    assert kinds <= {*points}
    pulls = [network.weights.of.shares for network in points["pulled averages as an ensemble"].networks]
    assert [shares.index(0.5) for shares in pulls] == list(range(5))


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("ensembles", {"validation": 0}, "choose by validation examples, but validation is 0"),
        ("ensembles", {"members": 11}, "11 cycles do not fit between 0 and 10"),
        ("ensembles", {"epochs": 7.5}, "epochs is 7.5, but networks are taken at the end of whole epochs"),
        ("ensembles", {"shared": 1.0}, "shared is 1"),
        ("swa", {"models": 6}, "5 cycles do not fit between 7 and 10"),
        ("swa", {"epochs": 7.5}, "take 8"),
        ("swa", {"since": 0.0}, "since is 0"),
        ("swa", {"samples": 1}, "samples is 1"),
        ("swa", {"way": "probability"}, "unknown way of an ensemble 'probability'"),
    ],
)
def test_averages_and_ensembles_that_make_no_sense_are_refused(name, given, text):
    with pytest.raises(InputError, match=text):
        experiment_class(f"subspaces.{name}")(**given)


@pytest.mark.parametrize("given", [{"betas": (-1.0,)}, {"warmup": 20.0}, {"samples": (1,)}, {"points": 1}])
def test_what_makes_no_sense_is_refused(given):
    with pytest.raises(InputError):
        experiment_class("subspaces.lines")(**given)


def test_regions_stand_against_the_number_of_their_vertices():
    rows = pd.DataFrame([
        {"run": f"{m}{kind}{seed}", "status": "ok", "seed": seed, "part": "point", "vertices": m,
         "kind": kind, "method": f"simplex, m = {m}, {kind}"}
        | {f"all_{name}": 0.1 * m + seed for name in SCORES}
        for m in (2.0, 3.0) for kind in ("simplex, midpoint", "simplex, vertices") for seed in (0, 1)
    ] + [
        {"run": f"one{seed}", "status": "ok", "seed": seed, "part": "point", "method": STANDARD}
        | {f"all_{name}": 0.7 for name in SCORES} for seed in (0, 1)
    ])  # fmt: skip
    answers = {answer.name: answer for answer in answers_of(experiment_class("subspaces.simplexes")())}
    found = Given(rows, rows.iloc[:0]).of(answers["by-vertices"].table)
    means = found[found["metric"] == "all_accuracy"].set_index(["method", "vertices"])["value"]
    for kind in ("simplex, midpoint", "simplex, vertices"):
        assert means[kind, 2.0] == pytest.approx(0.7)
        assert means[kind, 3.0] == pytest.approx(0.8)
    assert set(means[STANDARD]) == {0.7}


def corrupted_rows(*given):
    return pd.DataFrame([
        {"run": f"{method}{kind}{severity}", "status": status, "part": "point", "method": method, "seed": 0,
         "kind": kind, "severity": severity, "all_accuracy": value}
        for method, kind, severity, value, status in given
    ])  # fmt: skip


def test_means_over_corruptions_are_of_the_same_corruptions():
    """A method whose folder is half done has no mean beside others'; NaN on one corruption stays NaN."""
    rows = corrupted_rows(
        ("a", "none", 0, 0.9, "ok"), ("a", "fog", 1, 0.8, "ok"), ("a", "snow", 1, 0.6, "ok"),
        ("b", "none", 0, 0.9, "ok"), ("b", "fog", 1, 0.7, "ok"), ("b", "snow", 1, np.nan, "waiting"),
        ("c", "fog", 1, 0.5, "ok"), ("d", "fog", 1, 0.5, "ok"), ("d", "snow", 1, np.nan, "diverged"),
    )  # fmt: skip
    found = Given(rows, rows.iloc[:0]).of(OverCorruptions()).set_index(["method", "severity"])["all_accuracy"]
    assert found["a", 1] == pytest.approx(0.7)
    assert {key for key in found.index if key[1] == 0} == {("a", 0), ("b", 0)}
    assert ("b", 1) not in found.index
    assert ("c", 1) not in found.index
    assert np.isnan(found["d", 1])


def test_what_cannot_be_corrupted_is_refused_before_anything_is_trained(tmp_path):
    cls: Any = experiment_class("subspaces.corruptions")
    one = {"methods": ("standard", "line"), "corruptions": ("fog",), "severities": (1,), "seeds": ("1",)}
    np.save(tmp_path / "fog.npy", np.zeros((50, 32, 32, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(50) % 10)
    for method in one["methods"]:
        given = cls(**one | {"methods": (method,), "folder": str(tmp_path)})
        with pytest.raises(DataError, match=r"must hold uint8 of shape \(5 n, 8, 8, 1\)"):
            asked(given)
    with pytest.raises(InputError, match="done to the test images of a set of classes"):
        asked(cls(**one | {"data": "tests.experiments.test_subspaces:floats", "model": "fc:widths=4"}))


def floats():
    """Images that are no bytes."""
    return np.random.default_rng(0).normal(size=(40, 8, 8, 1)).astype(np.float32), np.arange(40) % 2
