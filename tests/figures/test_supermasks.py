"""Figures of learned masks and of masks at init, from made-up runs."""

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import StoreError
from weightspace.experiments.tickets.at_init import TicketsAtInit
from weightspace.experiments.tickets.best_masks import TicketsBestMasks
from weightspace.experiments.tickets.dense import TicketsDense
from weightspace.experiments.tickets.from_supermask import TicketsFromSupermask
from weightspace.experiments.tickets.supermask import TicketsSupermask
from weightspace.figures.pictures import tiles
from weightspace.probes.mask import LearnedMask

INPUTS, FILTERS = f"{LearnedMask().key}.inputs", f"{LearnedMask().key}.filters"


def masks(logits=(0.0,)):
    """Two arms, two seeds: the accuracy is the arm's, plus 0.02 for seed 1; the density rises by logit."""
    rows = [
        {
            "run": f"{arm}{logit:g}{seed}", "arm": arm, "logit": logit, "seed": seed, "status": "ok",
            "sampled_test_accuracy": base + 0.02 * seed, "threshold_test_accuracy": base + 0.05,
            "expected_density": 0.5 + 0.1 * logit, "expected_density_output": 0.8, "density": 0.4,
        }
        for arm, base in (("plain", 0.6), ("both", 0.8)) for logit in logits for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def no_outputs(run, name):
    raise StoreError("none")


def panels(experiment, rows, outputs=no_outputs):
    found = experiment.figures(experiment.measured(rows, rows.iloc[:0]), rows.iloc[:0], outputs)
    return {panel.name: panel for panel in found}


def drawn(rows, outputs=no_outputs):
    return panels(TicketsSupermask(logit=tuple(rows["logit"].unique())), rows, outputs)


def means(panel):
    """The means of a figure, called as those of figures of ranges."""
    data = panel.data[panel.data["statistic"] == "mean"]
    return data.rename(columns={"value": "mean", "min": "least", "max": "greatest"})


def test_accuracies_are_means_and_ranges_of_each_arm():
    found = drawn(masks())["accuracy"]
    data = means(found).set_index(["metric", "setting"])
    assert data.loc[("sampled_test_accuracy", "both"), ["mean", "least", "greatest", "n"]].tolist() == [
        pytest.approx(0.81), 0.8, pytest.approx(0.82), 2,
    ]  # fmt: skip
    (axes,) = found.figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["plain", "both"]
    dots = {line.get_label(): line for line in axes.lines}
    # Sampled ones stand left of their arm, thresholded ones right of it.
    assert dots["mean over sampled masks"].get_xdata().tolist() == pytest.approx([-0.2, -0.2, 0.8, 0.8])
    assert dots["thresholded mask"].get_ydata().tolist() == pytest.approx([0.65, 0.65, 0.85, 0.85])
    assert "n = 2 runs" in found.caption


def picture_outputs(run, name):
    if name != FILTERS:
        raise StoreError("none")
    mask = np.zeros((3, 3, 3, 5), bool)
    mask[0, 0, :, 0], mask[2, 1, 0, 4] = True, True
    return mask


def test_filters_of_a_convolution_stand_side_by_side():
    panel = drawn(masks(), picture_outputs)["filters"]
    assert panel.data.groupby("setting")["kept"].sum().tolist() == [4, 4]
    image = panel.figure.axes[0].images[0].get_array()
    # Five filters in two lines of three, a line of grey between them.
    assert image.shape == (7, 11, 3)
    assert image[0, 0].tolist() == [1, 1, 1]
    assert image[4 + 2, 4 + 1].tolist() == [1, 0, 0]
    assert set(np.unique(image[3])) == {0.5}
    shares = tiles(np.ones((3, 3, 16, 4), bool))
    assert shares.shape == (7, 7)
    assert np.isnan(shares[3]).all()
    assert np.nanmin(shares) == 1


def test_densities_stand_by_layer_with_all_first():
    axes = drawn(masks())["density"].figure.axes[0]
    assert axes.get_title(loc="left") == "expected"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["all", "output"]
    assert sorted({round(bar.get_height(), 6) for bar in axes.patches}) == [0.5, 0.8]


def test_accuracy_against_density_only_where_it_was_swept():
    assert "accuracy-density" not in drawn(masks())
    data = means(drawn(masks((0.0, 2.0)))["accuracy-density"])
    both = data[data["arm"] == "both"]
    assert both["share_kept"].tolist() == pytest.approx([0.5, 0.7])
    assert both["mean"].tolist() == pytest.approx([0.81, 0.81])


def test_pictures_show_the_first_seed_of_each_arm_with_channels_averaged():
    asked = []

    def outputs(run, name):
        if name != INPUTS:
            raise StoreError("none")
        asked.append(run)
        return np.arange(12.0).reshape(2, 2, 3) / 12

    data = drawn(masks(), outputs)["inputs"].data
    assert asked == ["plain00", "both00"]
    plain = data[data["setting"] == "plain"]
    assert plain["share"].tolist() == pytest.approx([1 / 12, 4 / 12, 7 / 12, 10 / 12])
    assert "inputs" not in drawn(masks())


def test_nothing_finished_gives_no_figure():
    waiting = masks().assign(status="waiting")
    assert drawn(waiting) == {}
    assert panels(TicketsFromSupermask(), under_masks().assign(status="waiting")) == {}


def under_masks():
    """Two trainings under a random mask, and two of all weights."""
    return pd.DataFrame({
        "run": list("abcd"), "mask": ["random", "random", "dense", "dense"], "seed": [0, 1, 0, 1],
        "kept": ["rewind", "rewind", None, None], "status": "ok",
        "best_test_accuracy": [0.5, 0.7, 0.8, 0.9],
    })  # fmt: skip


def test_trainings_under_masks():
    (panel,) = panels(TicketsFromSupermask(), under_masks()).values()
    assert means(panel)["setting"].tolist() == ["dense", "random"]
    assert means(panel)["mean"].tolist() == pytest.approx([0.85, 0.6])


def curves():
    rows = [
        {
            "run": f"{kept}{seed}", "seed": seed, "status": "ok", "criterion": "large_final", "kept": kept,
            "density_0": 1.0, "test_accuracy_0": 0.1, "density_1": 0.5, "test_accuracy_1": 0.4 + 0.2 * seed,
            "test_accuracy_max": 0.4 + 0.2 * seed, "chance": 0.1,
        }
        for kept in ("rewind", "signed_constant") for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_curves_at_init_have_a_pane_for_each_value_and_a_line_at_chance():
    accuracy, best = panels(TicketsAtInit(), curves()).values()
    panes = accuracy.figure.axes
    assert [pane.get_title(loc="left") for pane in panes] == ["initial weights", "signed constants"]
    lines = {line.get_label(): line for line in panes[0].lines}
    assert list(lines["chance"].get_ydata()) == [0.1, 0.1]
    assert lines["large final"].get_xdata().tolist() == [0.5, 1.0]
    assert lines["large final"].get_ydata().tolist() == pytest.approx([0.5, 0.1])
    assert means(best)["mean"].tolist() == pytest.approx([0.5, 0.5])


def test_values_stand_in_the_order_of_the_question():
    accuracy, best = panels(TicketsAtInit(values=("signed_constant", "rewind")), curves()).values()
    titles = [pane.get_title(loc="left") for pane in accuracy.figure.axes]
    assert titles == ["signed constants", "initial weights"]
    assert means(best)["kept"].tolist() == ["signed_constant", "rewind"]
    assert best.figure.axes[0].lines[0].get_ydata() == pytest.approx([0.1, 0.1])


def test_each_dense_run_is_marked_where_its_loss_is_least():
    table = pd.DataFrame({"run": ["a", "b"], "seed": [0, 1], "status": "ok", "best_step": [20.0, 10.0]})
    history = pd.DataFrame({
        "run": ["a"] * 3 + ["b"] * 3, "step": [0, 10, 20] * 2,
        "validation_loss": [2.0, 1.0, 0.5, 2.0, 0.8, 0.9],
    })  # fmt: skip
    (panel,) = TicketsDense().figures(table, history, no_outputs)
    (axes,) = panel.figure.axes
    stops = next(line for line in axes.lines if line.get_label() == "early stopping")
    assert (list(stops.get_xdata()), list(stops.get_ydata())) == ([20.0, 10.0], [0.5, 0.8])


BARE = pd.DataFrame({"run": ["a", "b"], "status": ["ok", "waiting"], "seed": [0, 0]})
LABELS = {
    "criterion": ["dense", "random"], "kept": [None, "rewind"], "arm": ["plain", "both"], "logit": [0.0, 0.0],
    "mask": ["dense", "untrained"], "way": ["trained weights", "learned, initial weights"],
}  # fmt: skip


@pytest.mark.parametrize(
    "rows", [BARE.iloc[:0], BARE, BARE.assign(status="waiting", **LABELS)], ids=("empty", "bare", "waiting")
)
@pytest.mark.parametrize("cls", [TicketsAtInit, TicketsSupermask, TicketsBestMasks, TicketsFromSupermask])
def test_a_folder_that_lacks_labels_or_results_has_no_figure_and_no_failure(cls, rows):
    experiment, history = cls(), pd.DataFrame({"run": [], "step": []})
    table = experiment.measured(rows, history)
    assert all(table_of.empty for table_of in experiment.analyse(table, history).values())
    assert panels(experiment, rows) == {}
    assert len(experiment.summary(table)) <= len(rows)
