"""Thresholds of a stranger's metrics: the hardest level is that of the metric's own direction."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from weightspace.figures.chart import Notes
from weightspace.figures.charts import Threshold
from weightspace.figures.thresholds import draw
from weightspace.tables.vocabulary import VOCABULARY, Metric

WORDS = VOCABULARY.with_words(
    [Metric("score", "score", better="higher"), Metric("cost", "cost", better="lower")]
)


def marks(panel) -> dict[str, list[float]]:
    """Of each pane, by its axis, the levels at which a triangle points down: the smallest d reaches them."""
    assert isinstance(panel.figure, Figure)
    return {
        axes.get_xlabel(): [
            float(x) for line in axes.lines if line.get_marker() == "v" for x in line.get_xdata()
        ]
        for axes in panel.figure.axes
        if axes.get_xlabel()
    }


@pytest.mark.parametrize(("metric", "hardest"), [("score", 3.0), ("cost", 1.0), ("my_accuracy", 3.0)])
def test_the_mark_below_is_at_the_hardest_level_that_the_smallest_dimension_reaches(metric, hardest):
    frame = pd.DataFrame({
        "metric": metric, "level": [1.0, 2.0, 3.0], "d_star": [2.0] * 3, "d_star_low": 2.0,
        "d_star_high": 2.0, "censored": "below", "n": 2,
    })  # fmt: skip
    rows = pd.DataFrame({"status": "ok", "dim": [2.0, 8.0], "compression": [8.0, 2.0], metric: np.ones(2)})
    chart = Threshold("level", (), name="t", title="T")
    (panel,) = draw(chart, frame, Notes(rows, WORDS))
    ((_, found),) = marks(panel).items()
    assert found == [hardest]
