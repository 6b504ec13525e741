"""Learned regions as questions: what their tables and charts are made of."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import InputError
from weightspace.experiments import experiment_class
from weightspace.experiments.answer import answers_of
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
