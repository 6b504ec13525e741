"""The vocabulary holds every name that an experiment declares, and tells what it has not in its own words."""

import pytest

from weightspace.errors import InputError
from weightspace.experiments import experiment_class, names
from weightspace.tables.vocabulary import VOCABULARY, Label, Metric


@pytest.mark.parametrize("name", names())
def test_every_name_that_an_experiment_declares_is_in_it(name):
    cls = experiment_class(name)
    words = VOCABULARY.with_words(cls.words)
    assert [label for label in cls.by if label not in words.labels] == []
    assert [metric for metric in cls.metrics if not words.knows(metric)] == []


@pytest.mark.parametrize(
    ("name", "words", "better"),
    [
        ("test_accuracy", "test accuracy", "higher"),
        ("validation_loss", "validation loss", "lower"),
        ("best_test_accuracy", "test accuracy at early stopping", "higher"),
        ("phi_q99", "quantile of φ", ""),
        ("train_loss_last10", "training loss", "lower"),
        ("density_conv1", "density of conv1", ""),
        ("density_sd", "spread of share of weights left", ""),
        ("density_n", "runs with share of weights left", ""),
        ("density_conv1_low", "lower end of density of conv1", ""),
        ("iou_conv_sd", "spread of overlap of masks of conv", ""),
        ("layer1_bias_variance", "bias variance, second layer", ""),
    ],
)
def test_metrics_by_name_pattern_and_parts(name, words, better):
    metric = VOCABULARY.metric(name)
    assert VOCABULARY.knows(name)
    assert (metric.name, metric.words, metric.better) == (name, words, better)
    assert "<" not in metric.formula


def test_what_is_not_known_is_called_by_its_name():
    assert not VOCABULARY.knows("my_own_number")
    assert VOCABULARY.metric("my_own_number").words == "my own number"
    assert VOCABULARY.label("my_label").text(0.5) == "0.5"
    assert [VOCABULARY.rising(f"my_{end}") for end in ("accuracy", "loss", "error")] == [True, False, False]
    with pytest.raises(InputError, match=r"which 'my_number' is best is not known.*better="):
        VOCABULARY.rising("my_number")
    mine = VOCABULARY.with_words(
        [Metric("my_number", "mine", better="higher"), Label("my_label", "L", "l {:g}")]
    )
    assert mine.rising("my_number")
    assert mine.label("my_label").text(0.5) == "l 0.5"
    assert mine.label("my_label").text("odd") == "odd"


def test_metrics_have_an_order_and_every_one_says_what_it_is():
    assert VOCABULARY.in_order(["zzz", "test_loss", "train_accuracy", "test_accuracy"]) == [
        "test_accuracy", "train_accuracy", "test_loss", "zzz",
    ]  # fmt: skip
    assert all(metric.words and metric.formula for metric in VOCABULARY.metrics.values())
    assert all(metric.better in ("", "higher", "lower") for metric in VOCABULARY.metrics.values())
