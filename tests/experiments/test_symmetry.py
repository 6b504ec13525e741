"""Questions of weight symmetry: N!^L by both readings, exact orders in the table, early refusals."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from weightspace.data import make_data
from weightspace.errors import InputError
from weightspace.experiments import experiment_class
from weightspace.experiments.symmetry.count import Count, Relabellings
from weightspace.experiments.symmetry.masked import RandomMask, ShuffledMask
from weightspace.experiments.symmetry.masks import Patterns
from weightspace.experiments.symmetry.training import StudyTraining
from weightspace.models.zoo import make
from weightspace.node import Found
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.sweeps import sweep
from weightspace.tables.base import Given
from weightspace.tree import flat_dict


def test_the_number_of_the_readme_stands_beside_the_other_reading():
    frame = Relabellings(16, 6).of(Given(pd.DataFrame(), pd.DataFrame()))
    assert list(frame["relabellings"]) == ["8.389e+79", "4.010e+66"]
    assert list(frame["hidden layers"]) == [6, 5]


def test_a_dense_network_has_all_relabellings(tmp_path):
    asked = Count(Patterns(("random",)), model="fc:widths=16,16,16,16,16,16", sparsities=(0.0,), seeds=("1",))
    table = sweep(asked, tmp_path)
    assert table.order[0] == table.alive_order[0] == math.factorial(16) ** 6
    assert table.lost_digits[0] == 0


def test_sparsities_are_drawn_from_the_range_one_for_each_seed():
    training = StudyTraining(model="mnist_fc:widths=4", seeds=("6",))
    asked = RandomMask(training, least=0.6, most=0.7)
    found = [row.labels["sparsity"] for batch in asked.ask() for row in batch]
    assert len(set(found)) == 6
    assert all(0.6 <= sparsity <= 0.7 for sparsity in found)
    assert found == [row.labels["sparsity"] for batch in asked.ask() for row in batch]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: Count(Patterns(("randm",))), "did you mean 'random'"),
        (lambda: Count(Patterns(("per-neuron", "per_neuron"))), "named twice"),
        (lambda: Count(sparsities=(1.5,)), r"must lie in \[0, 1\]"),
        (lambda: Count(depth=0), "depth is 0"),
        (lambda: RandomMask(least=0.9, most=0.5), "least is the smaller"),
        (lambda: ShuffledMask(masks=Patterns(mask_layers="7")), "layer 7 is none"),
    ],
)
def test_what_cannot_be_asked_is_refused(ask, words):
    with pytest.raises(InputError, match=words):
        list(ask().ask())


def test_every_mask_of_the_prescribed_ones_can_be_made():
    asked = ShuffledMask.preset("prescribed")
    model = make("mnist_fc:widths=32,32,32", (28, 28, 1), 10)
    for pattern in asked.masks.patterns:
        for sparsity in asked.sparsities:
            made = Found.of(asked.masks.mask(model, (28, 28, 1), Seeds(0), pattern, sparsity).compute())
            hidden = [leaf for leaf in flat_dict(made.arrays["mask"]).values() if leaf.shape == (32, 32)]
            assert [leaf.mean() for leaf in hidden] == [1 - sparsity] * 2


@pytest.mark.parametrize("name", ["train", "shuffled-mask", "random-mask", "fixed-param", "prune"])
def test_the_paper_s_presets_scale_inputs_as_the_study_does(name):
    training = experiment_class(f"symmetry.{name}").preset("paper").training
    assert (training.data, training.normalise, training.epochs) == ("mnist", "centred", 100)
    assert dataclasses.replace(training, data="digits").task.data.normalise == "centred"


def test_inputs_are_scaled_as_in_the_study():
    """x / full scale - 1/2, and by channel; nothing said leaves the set's own way and its digest."""
    data = StudyTraining(normalise="centred").task.data
    x, arrays = data.source.loaded.train.x, data.arrays()
    decoded = (x - arrays.shift) * arrays.scale
    assert np.allclose(decoded, x / data.source.loaded.full_scale - 0.5)
    by_channel = StudyTraining(normalise="standard").task.data.arrays()
    assert np.allclose(((x - by_channel.shift) * by_channel.scale).std(), 1)
    assert StudyTraining().task.data.digest == make_data("digits").digest
    assert (
        StudyTraining().run(Full(), Seeds(0)).digest
        != StudyTraining(normalise="centred").run(Full(), Seeds(0)).digest
    )
    with pytest.raises(InputError, match="did you mean 'centred'"):
        StudyTraining(normalise="centerd").check()
