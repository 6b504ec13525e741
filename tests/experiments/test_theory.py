"""`freedom.theory` shares its trainings with `freedom.burn-in`; settings that make no sense are refused."""

import pytest

from weightspace.derived.spectrum import Spectrum
from weightspace.errors import InputError
from weightspace.experiments.freedom.burn_in import FreedomBurnIn
from weightspace.experiments.freedom.theory import FreedomTheory
from weightspace.experiments.freedom.wells import FreedomWells
from weightspace.run import Run

SMALL = {"model": "fc:widths=4", "dims": (2, 8), "burn_in": (0, 8), "seeds": ("2",), "epochs": 2.0}


def asked(cls, **more):
    return next(cls(**(SMALL | more)).ask())


def test_what_is_trained_is_what_burn_in_trains():
    own, other = asked(FreedomTheory), asked(FreedomBurnIn)
    assert {row.node.digest for row in other} <= {row.node.digest for row in own}
    runs = [row for row in own if isinstance(row.node, Run)]
    assert {row.node.digest for row in runs} == {row.node.digest for row in other}
    assert {row.node.digest: dict(row.labels) for row in runs} == {
        row.node.digest: dict(row.labels) for row in other
    }


def test_spectra_are_seen_from_what_slices_pass_through():
    rows = asked(FreedomTheory, minimum_epochs=3.0)
    offsets = {
        (row.labels["burn_in"], row.node.seeds.base): row.node.space.offset
        for row in rows
        if row.labels["method"] == "burn-in"
    }
    spectra = [row for row in rows if isinstance(row.node, Spectrum)]
    assert len(spectra) == 2 * 2 * 2
    for row in spectra:
        start, end = row.node.start.weights, row.node.end.weights
        offset = offsets[row.labels["burn_in"], row.labels["seed"]]
        assert row.node.at == row.labels["curved_at"]
        assert str(end.of.recipe.length) == "3ep"
        assert end.of.seeds == start.of.seeds
        if row.labels["burn_in"]:
            assert start == offset
        else:
            assert offset is None
            assert (start.of, str(start.probe.when)) == (end.of, "0it")


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (FreedomTheory, {"curved_at": ("start", "ends")}, "did you mean 'end'"),
        (FreedomTheory, {"arithmetic": "bfloat16"}, "bfloat16"),
        (FreedomTheory, {"minimum_epochs": 0.0}, "minimum.epochs"),
        (FreedomWells, {"shapes": ("even/flat", "evn/flat")}, "did you mean 'even'"),
        (FreedomWells, {"shares": (0.5, 1.0)}, "level"),
        (FreedomWells, {"size": 10}, "size"),
    ],
)
def test_settings_that_make_no_sense(cls, settings, message):
    with pytest.raises(InputError, match=message):
        cls(**settings)
