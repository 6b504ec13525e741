"""Means against a mean: a pane a metric, intervals both ways, and the correlations beside them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from weightspace.figures.chart import Notes
from weightspace.figures.charts import Against
from weightspace.tables.base import Given
from weightspace.tables.correlations import Related
from weightspace.tables.means import Means
from weightspace.tables.shapes import Binned

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame({
    "run": [f"r{i}" for i in range(24)], "status": "ok", "seed": list(range(6)) * 4, "way": list("ppqq") * 6,
    "level": np.repeat([0.5, 0.9], 12), "lost": RNG.normal(size=24), "alive": RNG.normal(size=24),
})  # fmt: skip
ROWS = ROWS.assign(score=ROWS["lost"] * ROWS["level"] + RNG.normal(size=24), constant=1.0)
GIVEN = Given(ROWS, pd.DataFrame())


def test_a_pane_has_means_with_intervals_both_ways():
    frame = Means(("score", "lost"), ("way", "level"), 0.95).of(GIVEN)
    chart = Against("lost", ("score", "absent", "constant"), ("way",), title="T", caption="More.")
    (panel,) = chart.draw(frame, Notes(ROWS))
    (axes,) = [axes for axes in panel.figure.axes if axes.axison]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lost", "score")
    first = frame[frame["way"] == "p"]
    line, _, (across, upright) = axes.containers[0]
    assert line.get_xdata().tolist() == first["lost"].tolist()
    ends = [segment[:, 1].tolist() for segment in upright.get_segments()]
    assert np.allclose(ends, first[["score_low", "score_high"]])
    ends = [segment[:, 0].tolist() for segment in across.get_segments()]
    assert np.allclose(ends, first[["lost_low", "lost_high"]])
    assert "n = 6 runs at each point; bars are 95 % intervals" in panel.caption
    assert "More." in panel.caption


def test_what_lacks_a_number_is_left_out_and_nothing_gives_no_figure():
    frame = Means(("score", "lost"), ("way", "level"), 0.95).of(GIVEN)
    broken = frame.assign(score=frame["score"].where(frame["level"] == 0.5))
    (panel,) = Against("lost", ("score",), ("way",)).draw(broken, Notes(ROWS))
    assert len(panel.data) == 2
    assert Against("none", ("score",)).draw(frame, Notes(ROWS)) == []
    assert Against("lost", ("none",)).draw(frame, Notes(ROWS)) == []
    assert Against("lost", ("score",)).draw(frame.iloc[:0], Notes(ROWS)) == []


def test_correlations_are_spearman_s_within_a_label():
    found = Related(("score", "constant"), "lost", within=("level",)).of(GIVEN).set_index("level")
    for level, rows in ROWS.groupby("level"):
        expected = stats.spearmanr(rows["score"], rows["lost"]).statistic
        assert found.loc[level, "spearman"] == pytest.approx(expected)
        assert found.loc[level, "spearman_low"] <= expected <= found.loc[level, "spearman_high"]
    # Where a side is constant there is no line.
    assert set(found["measure"]) == {"score"}
    assert "fixed" not in found


def test_what_is_held_fixed_explains_what_follows_from_it():
    """By the formula of partial correlation of ranks; nothing is left where both follow one column."""
    found = Related(("score",), "lost", fixed=("alive",)).of(GIVEN)
    a, b, c = (stats.rankdata(ROWS[name]) for name in ("score", "lost", "alive"))
    ab, ac, bc = (np.corrcoef(*pair)[0, 1] for pair in ((a, b), (a, c), (b, c)))
    expected = (ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2))
    assert found["spearman"].tolist() == pytest.approx([expected])
    assert found["fixed"].tolist() == ["alive"]
    same = Given(ROWS.assign(alive=2 * ROWS["lost"]), pd.DataFrame())
    assert Related(("score",), "lost", fixed=("alive",)).of(same).empty


def test_bins_have_equal_content_and_equal_numbers_one_bin():
    rows = pd.DataFrame({"x": [0.4, 0.1, 0.3, 0.2, 0.6, 0.5]})
    assert Binned("x", "bin", 3).of(Given(rows, rows.iloc[:0]))["bin"].tolist() == [2, 1, 2, 1, 3, 3]
    same = pd.DataFrame({"x": [0.5, 0.5]})
    assert Binned("x", "bin", 3).of(Given(same, same.iloc[:0]))["bin"].tolist() == [1, 1]
    assert "bin" not in Binned("y", "bin").of(Given(rows, rows.iloc[:0]))
