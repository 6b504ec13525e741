"""Twins of figures have the numbers of their table, for every kind of chart that has one."""

import json
import math

import altair as alt
import numpy as np
import pandas as pd
import pytest

from weightspace.figures.chart import Notes
from weightspace.figures.charts import Bars, Curve, Dots, Heat, Matrix, Pictures, Plane, Threshold, Violins
from weightspace.figures.marks import Intervals, Maps, Relation, Scatter
from weightspace.figures.panel import Panel
from weightspace.report import twins
from weightspace.report.script import embedded
from weightspace.report.tables import columns
from weightspace.report.twins import twin
from weightspace.tables.base import Given
from weightspace.tables.curves import Curves
from weightspace.tables.history import LastReadings
from weightspace.tables.means import over_seeds
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Label, Metric

EVIL = "</script><b>\"'&\u2028"
ROWS = pd.DataFrame({
    "run": [f"r{i}" for i in range(24)], "status": "ok", "seed": [0, 1] * 12,
    "way": ["p", "p", EVIL, EVIL] * 6, "size": [1.0] * 12 + [4.0] * 12, "part": list("aabbccddeeff") * 2,
    "guess": 0.25, "my_accuracy": np.linspace(0.1, 0.9, 24), "my_norm": np.arange(24.0), "compression": 2.0,
    "dim": [2.0, 8.0] * 12,
})  # fmt: skip
ROWS["part"] = np.repeat(list("abcdef"), 4)
ROWS = pd.concat(
    [ROWS.assign(size=size, run=ROWS["run"] + str(size)) for size in (1.0, 4.0)], ignore_index=True
)
HISTORY = pd.DataFrame({
    "run": np.repeat(ROWS["run"], 3), "step": [0, 1, 2] * len(ROWS), "my_norm": np.arange(3.0 * len(ROWS)),
})  # fmt: skip
WORDS = VOCABULARY.with_words([Label("size", "size of it", "s = {:g}", scale="log2", symbol="s")])
NOTES = Notes(ROWS, WORDS)
GIVEN = Given(ROWS, HISTORY)


def drawn(chart, frame):
    """The figure, its twin, and what the page's script is given."""
    (panel,) = chart.draw(frame, NOTES)
    found = twin(panel)
    given = json.loads(embedded(found.as_json(panel.title))) if found else None
    for pane in given["panes"] if given else ():
        alt.Chart.from_dict(pane["spec"], validate=True).to_dict()  # against Vega-Lite's schema
    return panel, found, given


def told(pane, key):
    """What the rows of a pane tell of one thing."""
    return [row["tip"][pane["keys"].index(key)] for row in pane["rows"] if row["tip"]]


def test_a_curve_has_the_cells_of_the_table_and_every_digit():
    frame = Curves(("my_accuracy",), "size", ("way",)).of(GIVEN)
    panel, _, given = drawn(Curve("size", ("way",), title="T"), frame)
    (pane,) = given["panes"]
    table = over_seeds(ROWS.assign(best=0), ["way", "size"], ["my_accuracy"])
    (cells,) = [column.cells for column in columns(table) if column.name == "my_accuracy"]
    means = [row["tip"] for row in pane["rows"] if row["k"] == "mean"]
    place = pane["keys"].index("my accuracy")
    assert [tip[place] for tip in means] == [cell.removesuffix(" (n = 12)") for cell in cells]
    exact = panel.data.loc[panel.data["statistic"] == "mean", "value"]
    assert sorted(float(tip[-1]) for tip in means) == sorted(exact)
    assert [entry["name"] for entry in given["entries"]] == [EVIL, "p"]
    assert len([row for row in pane["rows"] if row["k"] == "run"]) == len(ROWS)


def test_facets_for_which_a_picture_has_no_room_are_on_the_page_and_the_caption_says_so():
    frame = Curves(("my_accuracy",), "size", ("way", "part")).of(GIVEN)
    panel, _, given = drawn(Curve("size", ("way",), facet="part"), frame)
    assert [axes.get_title(loc="left") for axes in panel.figure.axes if axes.get_title(loc="left")] == list(
        "acdf"
    )
    assert [pane["title"] for pane in given["panes"]] == list("abcdef")
    assert (
        "shows 4 of the 6 part: a, c, d, f; the numbers, and the chart on the page, have all" in panel.caption
    )


def test_facets_that_all_have_room_are_not_spoken_of():
    rows = ROWS[ROWS["part"] < "e"]
    panel, _, given = drawn(
        Curve("size", facet="part"), Given(rows, HISTORY).of(Curves(("my_accuracy",), "size", ("part",)))
    )
    assert len(given["panes"]) == 4
    assert "picture" not in panel.caption


def test_matrices_too_say_which_they_leave_out():
    frame = pd.DataFrame(
        [{"a": a, "b": b, "iou": 0.5, "n": 3, "group": g} for g in range(5) for a in "xy" for b in "xy"]
    )
    panel, _, given = drawn(Matrix("a", "b", "iou", facet="group", caption="Of {n}."), frame)
    assert "shows 3 of the 5 group: 0, 2, 4" in panel.caption
    assert [pane["title"] for pane in given["panes"]] == list("01234")


def test_baselines_and_levels_are_entries_of_the_legend():
    frame = Curves(("my_accuracy",), "size", ("way",), averaged=("guess",)).of(GIVEN)
    chart = Curve("size", ("way",), baseline=("way", "p"), baseline_words=("it", "the p"), level="guess",
                  levels=((0.5, "half"),))  # fmt: skip
    _, _, given = drawn(chart, frame)
    assert [entry["name"] for entry in given["entries"]] == ["all", "it", "half", "guess"]
    levels = {row["e"]: row["y"] for pane in given["panes"] for row in pane["rows"] if row["k"] == "level"}
    assert levels[2] == 0.5
    assert levels[3] == 0.25


def test_a_logistic_axis_has_the_logits():
    rows = pd.DataFrame(
        {"run": ["r", "s"], "status": "ok", "seed": 0, "size": [1.0, 4.0], "my_accuracy": [0.3, 0.99]}
    )
    frame = Given(rows, rows.iloc[:0]).of(Curves(("my_accuracy",), "size"))
    _, _, given = drawn(Curve("size", stretched=True), frame)
    y = [row["y"] for row in given["panes"][0]["rows"] if row["k"] == "mean"]
    assert y == pytest.approx([math.log(0.3 / 0.7), math.log(99)])
    # The means, and the runs that they are of.
    assert told(given["panes"][0], "my accuracy") == ["0.3", "0.99"] * 2


def thresholds(**columns):
    return pd.DataFrame({
        "metric": "my_accuracy", "level": [0.2, 0.5, 0.9], "d_star": [3.0, 6.0, np.inf],
        "d_star_low": [2.0, 5.0, np.nan], "d_star_high": [4.0, np.inf, np.inf],
        "censored": ["", "", "above"], "n": 2, "way": "p", **columns,
    })  # fmt: skip


def test_thresholds_have_the_cells_of_the_table():
    _, _, given = drawn(Threshold("level", ("way",), name="t", title="T"), thresholds())
    (pane,) = given["panes"]
    (cells,) = [column.cells for column in columns(thresholds()) if column.name == "d_star"]
    assert told(pane, "d*") == cells
    assert [row["k"] for row in pane["rows"]] == ["line", "line", "above"]
    # Not reached: a triangle at the largest dimension; the interval is cut off there.
    assert pane["rows"][2]["y"] == 8
    assert (pane["rows"][1]["l"], pane["rows"][1]["h"]) == (5, 8)


def test_thresholds_against_a_label_have_an_entry_a_level():
    frame = pd.concat([thresholds(size=size, d_star=[3.0 + size, 6.0, np.inf]) for size in (0.0, 4.0)])
    _, _, given = drawn(Threshold("size", ("way",), name="t", title="T"), frame.reset_index(drop=True))
    assert [entry["name"] for entry in given["entries"]] == ["0.2 to reach", "0.5 to reach", "0.9 to reach"]
    (pane,) = given["panes"]
    assert [row["y"] for row in pane["rows"] if row["e"] == 0] == [3, 7]


def places():
    frame = Curves(("my_accuracy",), "part").of(GIVEN)
    yield Dots("part", (("my_accuracy", "runs"), ("absent", "none"))), frame, 6, 0.5
    bars = pd.DataFrame({
        "layer": ["out", "all"], "arm": EVIL, "kind": "k", "mean": [0.2, 0.4],
        "least": 0.1, "greatest": 0.5, "n": 2,
    })  # fmt: skip
    yield Bars("layer", "arm", "kind", ("never", "k"), y="share"), bars, 2, 0.3
    intervals = pd.DataFrame({
        "measure": ["a", "b"], "rho": [0.25, 0.75], "rho_low": [0.0, 0.5], "rho_high": 1.0, "to": "t", "n": 3,
    })  # fmt: skip
    yield Intervals("measure", "rho", "to", (("t", "T"),), x="ρ"), intervals, 2, 0.5


@pytest.mark.parametrize(
    ("chart", "frame", "count", "mean"), list(places()), ids=["dots", "bars", "intervals"]
)
def test_places_have_their_means(chart, frame, count, mean):
    _, found, given = drawn(chart, frame)
    means = [row["y"] for pane in given["panes"] for row in pane["rows"] if row["k"] == "mean"]
    assert (len(means), np.mean(means)) == (count, pytest.approx(mean))
    assert len(found.panes) == 1


def test_distributions_have_the_median_and_the_runs_means():
    frame = LastReadings(("my_norm",), ("way",), last=2).of(GIVEN)
    panel, _, given = drawn(Violins(("way",), (("my_norm", False),)), frame)
    rows = [row for row in given["panes"][0]["rows"] if row["p"] == "p"]
    own = panel.data[panel.data["arm"] == "p"]
    assert [row["y"] for row in rows if row["k"] == "mean"] == [own["value"].median()]
    assert [row["y"] for row in rows if row["k"] == "run"] == own.groupby("run")["value"].mean().tolist()


def test_clouds_have_their_dots_and_the_line_of_equality():
    frame = pd.DataFrame({
        "run": "r", "λ": [1.0, 4.0, 0.0], "bound": [2.0, 8.0, 1.0], "bound_low": [1.0, np.nan, 1.0],
        "bound_high": [3.0, 9.0, 1.0], "n": 2,
    })  # fmt: skip
    _, _, given = drawn(Scatter("λ", "bound", axes=("true", "bound"), caption="{count} {runs}"), frame)
    rows = given["panes"][0]["rows"]
    assert [(row["x"], row["y"]) for row in rows if row["k"] == "dot"] == [(1, 2), (4, 8)]
    assert all(row["x"] == row["y"] for row in rows if row["k"] == "law")
    assert told(given["panes"][0], "bound") == ["2 (1 to 3)", "8"]
    law = Relation("λ", "bound", law=(2.0, 0.5, "root"), caption="{n}")
    _, _, given = drawn(law, frame.assign(metric="m"))
    assert [entry["name"] for entry in given["entries"]] == ["all", "root"]
    assert all(
        row["y"] == pytest.approx(2 * row["x"] ** 0.5)
        for row in given["panes"][0]["rows"]
        if row["k"] == "law"
    )


def test_maps_have_a_cell_for_each_share_and_the_curve():
    frame = pd.DataFrame(
        [{"metric": "my_accuracy", "dim": d, "level": level, "p": p, "n": 4, "edge": 4.0}
         for d, level, p in ((2.0, 0.1, 1.0), (2.0, 0.9, 0.0), (8.0, 0.1, 1.0), (8.0, 0.9, 0.25))]
    )  # fmt: skip
    _, _, given = drawn(Heat("dim", "level", "p", curve="edge"), frame)
    rows = given["panes"][0]["rows"]
    cells = {(row["tip"][1], row["tip"][2]): row["v"] for row in rows if row["k"] == "cell"}
    assert cells == {("2", "0.1"): 1, ("8", "0.1"): 1, ("2", "0.9"): 0, ("8", "0.9"): 0.25}
    assert [(row["x"], row["y"]) for row in rows if row["k"] == "line"] == [(4, 0.1), (4, 0.9)]
    borders = {(round(row["x"], 9), round(row["x2"], 9)) for row in rows if row["k"] == "cell"}
    assert borders == {(1, 4), (4, 16)}


@pytest.mark.parametrize(
    "chart", [Plane(), Pictures("k", "x"), Maps((), ())], ids=["plane", "pictures", "maps"]
)
def test_pictures_of_weights_stay_pictures(chart):
    assert twin(Panel("n", "t", "c", None, ROWS, chart=chart, notes=NOTES)) is None


def test_too_many_rows_stay_a_picture(monkeypatch):
    monkeypatch.setattr(twins, "MOST", 10)
    frame = Curves(("my_accuracy",), "size", ("way",)).of(GIVEN)
    assert drawn(Curve("size", ("way",)), frame)[1] is None


def test_numbers_that_are_not_finite_are_no_numbers():
    frame = Curves(("my_accuracy",), "size").of(GIVEN)
    frame.loc[frame.index[0], ["value", "max"]] = np.inf
    frame.loc[frame.index[1], "value"] = np.nan
    _, _, given = drawn(Curve("size"), frame)
    rows = given["panes"][0]["rows"]
    assert all(row["y"] is None or np.isfinite(row["y"]) for row in rows)
    # A mean that is none breaks its line, and is told of nowhere.
    assert [row["tip"] for row in rows if row["y"] is None] == [[]]


def test_a_chart_that_cannot_be_made_leaves_its_picture(tmp_path, monkeypatch):
    from tests.report.builders import filled
    from weightspace.experiments.answered import answered
    from weightspace.report.page import render
    from weightspace.store.base import Store

    def broken(*_):
        raise KeyError("column")

    monkeypatch.setattr("weightspace.report.page.twin", broken)
    store = filled(Store(tmp_path / "out"))
    parts = answered(store, "runs")
    with pytest.warns(UserWarning, match="chart .* of the page of runs cannot be made"):
        text = render(store, parts)
    assert text.count("<svg") == 1
    assert "application/json" not in text
    assert "<script" not in text
    assert "KeyError" in parts[0].left_out["reason"].iloc[0]


def test_equal_differences_have_their_star():
    frame = Curves(("my_accuracy",), "size", ("way",)).of(GIVEN)
    means = frame["statistic"] == "mean"
    frame = frame.assign(p=np.where(means, 0.0, np.nan), p_corrected=np.where(means, 0.0, np.nan))
    _, _, given = drawn(Curve("size", ("way",)), frame)
    stars = [row.get("star") for row in given["panes"][0]["rows"] if row["k"] == "mean"]
    assert stars
    assert set(stars) == {2}


def test_an_end_below_zero_takes_no_logarithmic_axis_with_it():
    words = WORDS.with_words([Metric("my_cost", "cost", scale="log")])
    frame = Curves(("my_norm",), "size").of(GIVEN).assign(metric="my_cost")
    frame["min"] = -1.0
    (panel,) = Curve("size", logarithmic=True).draw(frame, Notes(ROWS, words))
    (pane,) = json.loads(embedded(twin(panel).as_json("")))["panes"]
    assert all(row.get("l") is None for row in pane["rows"])
    assert any(row["y"] for row in pane["rows"])
