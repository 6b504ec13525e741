"""Every experiment: presets build, smoke answers, its columns are in the vocabulary.

A new experiment needs no row here; small networks keep it quick, in `SMALL`.
"""

import numpy as np
import pytest

from tests.experiments.small import COMPLEXITY
from weightspace.experiments import experiment_class, names
from weightspace.experiments.seeds import parse_seeds
from weightspace.store.schema import ERROR, LEADING
from weightspace.tables.vocabulary import VOCABULARY

MASKS = {"model": "fc:widths=8", "epochs": 1.0, "seeds": ("1",)}
FEW = {"model": "fc:widths=8,initialiser=glorot_normal", "epochs": 2.0}
REGION = {
    "model": "fc:widths=8",
    "epochs": 1.0,
    "warmup": 0.0,
    "data": "digits:classes=0,1,2,3,4,5,6,7,8,9,train_each=20,test_each=10",
    "points": 3,
    "batch_size": 50,
}
AVERAGED = {k: v for k, v in REGION.items() if k != "points"}
SMALL = {
    **COMPLEXITY,
    **dict.fromkeys(
        ("tickets.iterative", "tickets.kept-values", "tickets.pruned-values"), FEW | {"rounds": 2}
    ),
    "tickets.dense": FEW,
    "tickets.connectivity": FEW | {"rewind": ("0it", "20it"), "rounds": (0, 1)},
    "tickets.overlap": FEW | {"rounds": (1,)},
    "sparsity.dynamic": {
        "epochs": 2.0,
        "finetune": 1.0,
        "arms": ("static-erk", "rigl-erk", "gradual-global"),
        "sparsities": (0.5, 0.9),
    },
    "freedom.random": {"model": "fc:widths=8", "dims": (4, 16), "epochs": 1.0, "probes": ("distance",)},
    "freedom.methods": {
        "model": "fc:widths=8",
        "beside": ("fc:widths=4/digits",),
        "epochs": 1.0,
        "trajectory_steps": 320,
        "methods": ("random", "lottery", "ticket"),
    },
    "freedom.lottery-ticket": {"epochs": 1.0, "fractions": (1.0, 0.05), "rounds": (1, 2)},
    "freedom.burn-in": {"model": "fc:widths=8", "dims": (4, 16), "epochs": 1.0, "validation": 100},
    "freedom.lottery-subspace": {
        "model": "fc:widths=4",
        "dims": (4,),
        "epochs": 1.0,
        "seeds": ("1",),
        "trajectory_steps": 40,
        "eigenvectors": 4,
        "methods": ("random", "lottery", "hessian"),
    },
    "freedom.transfer": {
        "model": "fc:widths=4",
        "dims": (4,),
        "epochs": 1.0,
        "seeds": ("2",),
        "trajectory_steps": 40,
        "methods": ("random", "own", "transfer", "energy"),
    },
    "freedom.theory": {
        "dims": (4, 16),
        "seeds": ("1",),
        "epochs": 1.0,
        "minimum_epochs": 2.0,
        "loss_levels": (2.2, 1.0),
    },
    "freedom.bases": {"model": "fc:widths=4", "dims": (4,), "epochs": 1.0, "bases": ("gaussian", "srht")},
    "freedom.phase": {
        "model": "fc:widths=4",
        "beside": ("fc:widths=3/digits",),
        "dims": (8, 64),
        "epochs": 3.0,
        "spend": 1,
        "levels": (0.3,),
        "target": 0.3,
    },
    "freedom.wells": {"size": 30, "shapes": ("step/top",), "draws": 3},
    **dict.fromkeys(("subspaces.curves", "subspaces.connect"), REGION),
    "subspaces.lines": REGION | {"betas": (1.0,), "samples": (2,), "layerwise": False},
    "subspaces.simplexes": AVERAGED | {"vertices": (2, 3), "layerwise": (False,), "members": 2},
    "subspaces.ensembles": AVERAGED | {"epochs": 2.0, "validation": 50, "members": 2},
    "subspaces.swa": AVERAGED | {"epochs": 4.0, "models": 2, "samples": 2},
    "subspaces.label-noise": AVERAGED
    | {"validation": 50, "noises": (0.0, 0.4), "methods": ("standard", "early-stop", "line")},
    "subspaces.calibration": AVERAGED | {"validation": 0, "methods": ("standard", "smoothing", "line")},
    "subspaces.corruptions": AVERAGED
    | {"methods": ("standard", "line"), "corruptions": ("fog", "contrast"), "severities": (1, 5)},
    "subspaces.dynamics": AVERAGED | {"moments": 2},
    "subspaces.planes": AVERAGED | {"grid": 3, "steps": 2},
    "symmetry.count": {"model": "fc:widths=6,6", "sparsities": (0.0, 0.5), "seeds": ("1",)},
    "symmetry.shuffled-mask": {
        "model": "mnist_fc:widths=8",
        "epochs": 1.0,
        "sparsities": (0.5,),
        "patterns": ("random", "symmetric"),
    },
    "symmetry.random-mask": {"model": "mnist_fc:widths=8", "epochs": 1.0, "seeds": ("2",)},
    "symmetry.train": {"networks": ("mnist_fc:widths=8",), "epochs": 1.0},
    "symmetry.prune": {
        "model": "mnist_fc:widths=6,6",
        "epochs": 1.0,
        "arms": ("start", "stepwise", "rigl"),
        "every": "40%",
    },
    "symmetry.fixed-param": {"epochs": 1.0, "budget": 1500},
    "tickets.at-init": MASKS | {"criteria": ("large_final", "snip"), "powers": 3},
    "tickets.supermask": MASKS | {"scale": ("none",), "logit": (0.0, 1.0), "batch_size": 50},
    "tickets.best-masks": MASKS | {"mask_epochs": 1.0, "powers": 3},
    "tickets.from-supermask": MASKS | {"mask_epochs": 1.0, "masks": ("learned", "random")},
}

OF_ALL_RUNS = ("ordering", "correlations", "correlation", "partial", "within")
"""Answers that put runs of several settings in order."""


@pytest.mark.parametrize("name", names())
def test_presets_build_and_ask(name):
    cls = experiment_class(name)
    for preset in cls.presets:
        assert isinstance(cls.preset(preset), cls)
    assert {*cls.gpu} <= {*cls.presets}
    assert next(cls.preset("smoke").ask())
    assert cls.question
    assert cls.reading


SLOW = (
    "freedom.methods", "freedom.burn-in", "freedom.transfer", "tickets.kept-values", "tickets.pruned-values",
    "tickets.supermask", "tickets.from-supermask", "complexity.batch-size", "complexity.architectures",
    "symmetry.random-mask", "subspaces.curves", "subspaces.connect", "subspaces.simplexes",
    "subspaces.ensembles", "subspaces.swa", "subspaces.label-noise", "subspaces.dynamics",
    "subspaces.corruptions",
)  # fmt: skip
"""Whose parts another experiment here has too, or a module of their own tries: `make slow` runs these."""
PARAMS = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names()]


@pytest.fixture(scope="module", params=PARAMS)
def smoke(request, smoke_of):
    return smoke_of(request.param, SMALL.get(request.param, {}))


def test_every_stored_column_and_label_is_in_the_vocabulary(smoke):
    experiment, part = smoke
    words = VOCABULARY.with_words(experiment.words)
    columns = {*part.table, *part.measured, *part.history} - {*LEADING, ERROR}
    assert [name for name in sorted(columns) if not words.knows(name)] == []


def test_it_is_restored_as_it_was_asked(smoke):
    experiment, part = smoke
    assert part.experiment == experiment


def test_answers_and_figures_have_numbers(smoke):
    experiment, part = smoke
    assert set(part.table["status"]) == {"ok"}
    # A kind of row may lack some of the metrics; none lacks all.
    summary = part.summary[[name for name in experiment.metrics if name in part.summary]]
    assert np.isfinite(summary).any(axis=1).all()
    assert all(len(frame) for frame in part.analyses.values())
    assert part.left_out.empty
    assert set(part.names) == {answer.name for answer in experiment.answered_by()}
    assert all(len(part.answer(name).columns) for name in part.names)
    assert part.panels
    assert len({panel.name for panel in part.panels}) == len(part.panels)
    for panel in part.panels:
        assert len(panel.data)
        assert panel.caption.endswith(".")
        assert panel.svg.startswith(b"<?xml")


def test_no_mean_is_over_more_than_the_seeds(smoke):
    """Whatever is swept tells lines apart in each table: an arm's mean is over its own runs."""
    experiment, part = smoke
    tables = {name: part.answer(name) for name in part.names if name not in OF_ALL_RUNS}
    most = {name: table["n"].max() for name, table in tables.items() if "n" in table}
    assert {name: n for name, n in most.items() if n > len(parse_seeds(experiment.seeds))} == {}
