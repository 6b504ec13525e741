"""Every declared experiment: presets build, smoke answers, its columns are in the vocabulary.

A new experiment needs no row here; small networks keep it quick, in `SMALL`.
"""

import numpy as np
import pytest

from tests.experiments.small import COMPLEXITY
from weightspace.experiments import experiment_class, names
from weightspace.store.schema import ERROR, LEADING
from weightspace.tables.vocabulary import VOCABULARY

DECLARED = [name for name in names() if experiment_class(name).declared]
MASKS = {"model": "fc:widths=8", "epochs": 1.0, "seeds": ("1",)}
FEW = {"model": "fc:widths=8,initialiser=glorot_normal", "epochs": 2.0}
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
    },
    "freedom.random": {"model": "fc:widths=8", "dims": (4, 16), "epochs": 1.0, "probes": ("distance",)},
    "freedom.burn-in": {"model": "fc:widths=8", "dims": (4, 16), "epochs": 1.0, "validation": 100},
    "symmetry.count": {"model": "fc:widths=6,6", "sparsities": (0.0, 0.5), "seeds": ("1",)},
    "symmetry.shuffled-mask": {
        "model": "mnist_fc:widths=8",
        "epochs": 1.0,
        "sparsities": (0.5,),
        "patterns": ("random", "symmetric"),
    },
    "symmetry.random-mask": {"model": "mnist_fc:widths=8", "epochs": 1.0, "seeds": ("2",)},
    "tickets.at-init": MASKS | {"criteria": ("large_final", "snip"), "powers": 3},
    "tickets.supermask": MASKS | {"scale": ("none",), "logit": (0.0, 1.0), "batch_size": 50},
    "tickets.best-masks": MASKS | {"mask_epochs": 1.0, "powers": 3},
    "tickets.from-supermask": MASKS | {"mask_epochs": 1.0, "masks": ("learned", "random")},
}


@pytest.mark.parametrize("name", DECLARED)
def test_presets_build_and_ask(name):
    cls = experiment_class(name)
    for preset in cls.presets:
        assert isinstance(cls.preset(preset), cls)
    assert next(cls.preset("smoke").ask())
    assert cls.question
    assert cls.reading


@pytest.fixture(scope="module", params=DECLARED)
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
    assert all(part.answer(name) is not None for name in part.names)
    assert part.panels
    assert len({panel.name for panel in part.panels}) == len(part.panels)
    for panel in part.panels:
        assert len(panel.data)
        assert panel.caption.endswith(".")
        assert panel.svg.startswith(b"<?xml")
