"""Kinds of charts draw the numbers of their table, and say of how many runs."""

import numpy as np
import pandas as pd
import pytest

from weightspace.figures.chart import Notes
from weightspace.figures.charts import Curve, Dots, Field, Heat, Matrix, Threshold, Violins
from weightspace.tables.base import Given
from weightspace.tables.curves import Curves
from weightspace.tables.history import LastReadings
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Label

ROWS = pd.DataFrame({
    "run": [f"r{i}" for i in range(8)], "status": "ok", "seed": [0, 1] * 4, "way": list("ppqq") * 2,
    "size": [1] * 4 + [4] * 4, "part": ["u", "u", "u", "u", "v", "v", "v", "v"],
    "my_accuracy": [0.1, 0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8], "my_norm": np.arange(8.0),
})  # fmt: skip
HISTORY = pd.DataFrame({"run": np.repeat(ROWS["run"], 3), "step": [0, 1, 2] * 8, "my_norm": np.arange(24.0)})
WORDS = VOCABULARY.with_words([Label("size", "size of it", "s = {:g}", scale="log2", symbol="s")])
NOTES = Notes(ROWS, WORDS)
GIVEN = Given(ROWS, HISTORY)


def curve(chart, frame=None, **columns):
    table = Curves(("my_accuracy", "my_norm"), "size", ("way",)).of(GIVEN) if frame is None else frame
    (panel,) = chart.draw(table.assign(**columns), NOTES)
    return panel


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_a_curve_has_a_line_an_arm_and_a_pane_a_metric():
    panel = curve(Curve("size", ("way",), title="T"))
    first, second = panel.figure.axes[:2]
    assert (first.get_ylabel(), second.get_ylabel(), first.get_xlabel()) == (
        "my accuracy",
        "my norm",
        "size of it",
    )
    assert lines(first)["p"].get_ydata().tolist() == pytest.approx([0.2, 0.3])
    assert lines(first)["p"].get_xdata().tolist() == [1, 4]
    assert "n = 2 runs at each s" in panel.caption
    assert first.get_shared_y_axes().joined(first, second) is False


def test_a_baseline_is_level_and_facets_are_panes():
    frame = Curves(("my_accuracy",), "size", ("way", "part")).of(GIVEN)
    chart = Curve("size", ("way",), baseline=("way", "q"), baseline_words=("it", "the q"), facet="part")
    panel = curve(chart, frame)
    assert [axes.get_title(loc="left") for axes in panel.figure.axes[:2]] == ["u", "v"]
    assert list(lines(panel.figure.axes[0])["it"].get_ydata()) == pytest.approx([0.6, 0.6])
    assert "Dashed grey: the q (n = 2 runs)" in panel.caption
    assert len(panel.data) == len(frame)


def test_stars_are_where_the_table_says_so():
    frame = Curves(("my_accuracy",), "size", ("way",)).of(GIVEN)
    starred = (frame["way"] == "q") & (frame["statistic"] == "mean")
    p = np.where(starred, 0.01, np.nan)
    panel = curve(Curve("size", ("way",)), frame, p=p, p_corrected=np.where(starred, [0.2], np.nan))
    marks = [c for c in panel.figure.axes[0].collections if len(c.get_offsets()) and c.get_zorder() == 4]
    assert [mark.get_offsets().tolist() for mark in marks] == [[[1.0, 0.6], [4.0, 0.7]]]
    assert "p < 0.05" in panel.caption


def test_smoothed_curves_and_bands_of_one_deviation():
    panel = curve(Curve("size", ("way",), metrics=("my_norm",), smooth=("my_norm",), spread="sd"))
    # a_1 = 0.95 a_0 + 0.05 v_1 with means 0.5 and 4.5.
    assert lines(panel.figure.axes[0])["p"].get_ydata().tolist() == pytest.approx(
        [0.5, 0.95 * 0.5 + 0.05 * 4.5]
    )
    assert "one standard deviation" in panel.caption


def test_dots_have_every_run_and_their_means():
    frame = Curves(("my_accuracy",), "way").of(GIVEN)
    chart = Dots("way", (("my_accuracy", "runs"), ("absent", "none")), order=("q", "p"), y="share")
    (panel,) = chart.draw(frame, NOTES)
    (axes,) = panel.figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["q", "p"]
    (runs,) = axes.lines
    assert sorted(runs.get_ydata()) == pytest.approx(sorted(ROWS["my_accuracy"]))
    means = [path.vertices[0][1] for path in axes.collections[1].get_paths()]
    assert sorted(means) == pytest.approx([0.25, 0.65])
    assert "(n = 4 runs)" in panel.caption


def test_violins_are_of_the_last_readings():
    frame = LastReadings(("my_norm",), ("way",), last=2).of(GIVEN)
    (panel,) = Violins(("way",), (("my_norm", False),), title="V").draw(frame, NOTES)
    assert len(panel.data) == 16
    assert "last 2 readings of n = 4 runs" in panel.caption
    assert [text.get_text() for text in panel.figure.axes[0].get_xticklabels()] == ["p", "q"]


def test_a_matrix_is_symmetric_where_pairs_are():
    frame = pd.DataFrame({"criterion": ["a", "a"], "other": ["b", "c"], "iou": [0.25, 0.75], "n": [3, 3]})
    chart = Matrix("criterion", "other", "iou", symmetric=True, order=("c", "a", "b"), caption="Of {n}.")
    (panel,) = chart.draw(frame, NOTES)
    shown = np.asarray(panel.figure.axes[0].images[0].get_array().filled(np.nan))
    assert np.array_equal(shown, [[1, 0.75, np.nan], [0.75, 1, 0.25], [np.nan, 0.25, 1]], equal_nan=True)
    assert panel.caption == "Of n = 3 runs."
    assert panel.figure.axes[1].get_ylabel() == "overlap of masks"


@pytest.mark.parametrize(
    "chart",
    [
        Curve("size"), Dots("size", (("my_norm", "x"),)), Violins(("way",), (("my_norm", True),)),
        Matrix("criterion", "other", "iou"), Heat("dim", "level", "probability"), Threshold("level"),
        Threshold("burn_in"),
    ],
    ids=lambda chart: type(chart).__name__,
)  # fmt: skip
def test_an_empty_table_has_no_figure(chart):
    columns = ["metric", "size", "way", "statistic", "seed", "value", "n", "dim", "level", "censored", "iou"]
    assert list(chart.draw(pd.DataFrame(columns=columns), Notes(ROWS.iloc[:0]))) == []


def test_a_field_has_a_pane_a_value_and_names_on_it():
    places = [(x, y) for y in (0.0, 1.0) for x in (0.0, 1.0)]
    frame = pd.DataFrame(
        [{"way": way, "x": x, "y": y, "my_accuracy": x, "mark": None} for way in "pq" for x, y in places]
        + [{"way": "p", "x": 0.0, "y": 1.0, "my_accuracy": np.nan, "mark": "here"}]
    )
    (panel,) = Field("x", "y", "my_accuracy", "way", caption="Shades.").draw(frame, NOTES)
    panes = panel.figure.axes[:2]
    assert [pane.get_title(loc="left") for pane in panes] == ["p", "q"]
    assert [text.get_text() for pane in panes for text in pane.texts] == ["here"]
    assert panes[0].collections[0].get_array().tolist() == [0, 1, 0, 1]
    assert Field("x", "y", "my_accuracy").draw(frame.iloc[:0], NOTES) == []


def test_very_many_dots_are_one_image_in_the_vector_format(monkeypatch):
    """Few are elements each, as before."""
    few = str(curve(Curve("size", ("way",))).svg)
    monkeypatch.setattr("weightspace.figures.curve.MOST_DOTS", 3)
    many = str(curve(Curve("size", ("way",))).svg)
    assert "<image" not in few
    assert "<image" in many
    assert many.count("<use") < few.count("<use")
