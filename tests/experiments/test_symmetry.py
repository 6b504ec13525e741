"""Questions of weight symmetry: N!^L by both readings, exact orders in the table, early refusals."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from weightspace.data import make_data
from weightspace.derived.stored_network import StoredNetwork
from weightspace.errors import InputError
from weightspace.experiments import experiment_class
from weightspace.experiments.symmetry.count import Count, Relabellings
from weightspace.experiments.symmetry.masked import RandomMask, ShuffledMask
from weightspace.experiments.symmetry.masks import Patterns
from weightspace.experiments.symmetry.prune import SymmetryPrune
from weightspace.experiments.symmetry.training import StudyTraining
from weightspace.models.base import layout_of
from weightspace.models.zoo import make
from weightspace.node import Found
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep
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


def test_figures_of_pruning_are_of_the_end_alone():
    """Earlier masks are counted at the sparsity that is aimed at, which they do not have yet."""
    rows = pd.DataFrame([
        {"run": f"{arm}{seed}{after}", "status": "ok", "arm": arm, "sparsity": 0.9, "seed": seed,
         "after": after, "alive_order_digits": after / 10, "alive_lost_digits": 2.0,
         "test_accuracy": 0.5 if after == 20 else np.nan}
        for arm in ("gradual", "set") for seed in (0, 1) for after in (10, 20)
    ])  # fmt: skip
    answers = {answer.name: answer for answer in SymmetryPrune().answered_by()}
    drawn = {name: [chart.draws for chart in answer.charts] for name, answer in answers.items()}
    assert [name for name, kinds in drawn.items() if "against" in kinds] == ["end"]
    found = Given(rows, rows.iloc[:0]).of(answers["end"].table)
    assert found[["arm", "n", "alive_order_digits"]].to_numpy().tolist() == [["gradual", 2, 2], ["set", 2, 2]]


@pytest.mark.parametrize(
    "asked",
    [
        lambda file: ShuffledMask(patterns=("random",), from_file=file, sparsities=(0.5,)),
        lambda file: SymmetryPrune(arms=("rigl",), from_file=file),
    ],
)
def test_a_file_that_no_training_would_start_from_is_refused(asked, tmp_path):
    """Trainings under masks start from a sparse draw; those that go on from a run of the file's do not."""
    training = StudyTraining(model="mnist_fc:widths=4")
    file = tmp_path / "a.safetensors"
    layout = layout_of(training.network(), (8, 8, 1), "float32")
    save_file({leaf.path: np.ones(leaf.shape, np.float32) for leaf in layout}, file)
    experiment = asked(str(file))
    experiment = dataclasses.replace(
        experiment, training=dataclasses.replace(experiment.training, model="mnist_fc:widths=4")
    )
    with pytest.raises(InputError, match=r"starts from weights of its own \(SparseStart\)"):
        list(experiment.ask())
    begun = dataclasses.replace(training, from_file=str(file))
    dense = begun.run(Full(), Seeds(0))
    assert isinstance(dense.space.start.of, StoredNetwork)
    later = begun.run(Masked(dense.final(), start=dense.final()), Seeds(0))
    assert later.space.start.of == dense


def test_inputs_that_are_drawn_are_not_scaled():
    with pytest.raises(InputError, match="normalise is 'centred', but inputs of cosine"):
        StudyTraining(normalise="centred", data="cosine").task  # noqa: B018
