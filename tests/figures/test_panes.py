"""Bars and pictures draw the numbers they are given; dots and curves as masks need them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from weightspace.errors import StoreError
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Bars, Curve, Dots, Pictures
from weightspace.tables.base import Given
from weightspace.tables.curves import Curves

ROWS = pd.DataFrame({
    "run": [f"r{i}" for i in range(8)], "status": "ok", "seed": [0, 1] * 4, "place": list("ppqq") * 2,
    "half": ["u"] * 4 + ["v"] * 4, "guess": 0.25, "value": [0.1, 0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8],
})  # fmt: skip
NOTES = Notes(ROWS)


def curves(**more):
    return Given(ROWS, ROWS.iloc[:0]).of(Curves(("value",), averaged=("guess",), **more))


def test_bars_stand_side_by_side_at_each_place():
    frame = pd.DataFrame({
        "layer": ["out", "all", "out"], "arm": ["a", "a", "b"], "kind": "k", "mean": [0.2, 0.4, 0.6],
        "least": [0.1, 0.4, 0.5], "greatest": [0.3, 0.4, 0.7], "n": [2, 1, 2],
    })  # fmt: skip
    chart = Bars("layer", "arm", "kind", ("never", "k"), y="share", caption="All ({n}).")
    (panel,) = chart.draw(frame, NOTES)
    (axes,) = panel.figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["all", "out"]
    bars = {round(bar.get_height(), 6): bar.get_x() + bar.get_width() / 2 for bar in axes.patches}
    assert bars == pytest.approx({0.2: 0.8, 0.4: -0.2, 0.6: 1.2})
    assert panel.caption == "All (n = 1 to 2 runs)."
    assert chart.draw(frame.iloc[:0], NOTES) == []


def test_pictures_are_of_the_key_that_the_chart_names():
    def outputs(run, key):
        if key != "mine.map" or run == "r6":
            raise StoreError("none")
        return np.full((2, 3), int(run[1:]) / 10)

    notes = Notes(ROWS, outputs=outputs)
    rows = ROWS.assign(setting=pd.Categorical(ROWS["place"] + ROWS["half"]))
    (panel,) = Pictures("mine.map", "setting", name="map", caption="C.").draw(rows, notes)
    means = panel.data.groupby("setting")["share"].mean()
    assert means.to_dict() == pytest.approx({"pu": 0.0, "pv": 0.4, "qu": 0.2})
    assert len(panel.data) == 3 * 6
    assert (panel.name, panel.caption) == ("map", "C.")
    assert Pictures("other", "setting").draw(rows, notes) == []
    (few,) = Pictures("mine.map", "setting", most=1).draw(rows, notes)
    assert set(few.data["setting"]) == {"pu"}


def test_dots_of_a_label_stand_beside_each_other_the_greatest_first():
    chart = Dots("place", (("value", ""),), by="half", falling=True, level="guess", wrap=4)
    (panel,) = chart.draw(curves(x="place", arms=("half",)), NOTES)
    (axes,) = panel.figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["q", "p"]
    dots = {line.get_label(): line for line in axes.lines}
    assert dots["u"].get_ydata().tolist() == [0.1, 0.3, 0.5, 0.7]
    assert dots["v"].get_xdata().tolist() == pytest.approx([1.2, 1.2, 0.2, 0.2])
    assert [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "--"] == [[0.25, 0.25]]


def uprights(frame, **more):
    """The vertical lines of a curve, from their lower to their upper end."""
    (panel,) = Curve("half", ("place",), level="guess", y="mine", told="{n}.", **more).draw(frame, NOTES)
    (axes,) = panel.figure.axes
    assert (axes.get_ylabel(), panel.caption) == ("mine", "n = 2 runs.")
    assert next(line for line in axes.lines if list(line.get_ydata()) == [0.25, 0.25])
    drawn = [each for each in axes.collections if isinstance(each, LineCollection)]
    return [segment[:, 1].tolist() for each in drawn for segment in each.get_segments()]


def test_a_single_point_has_a_line_in_place_of_a_band():
    frame = curves(x="half", arms=("place",))
    frame["half"] = frame["half"].map({"u": 1.0, "v": 2.0})
    alone = frame[(frame["place"] == "p") | (frame["half"] == 1)]
    assert uprights(alone) == [pytest.approx([0.5, 0.7])]
    assert len(uprights(alone, spread="lines")) == 3
