"""Twins: figures that can be read off on the page, made from the figure's own numbers and nothing else.

A kind of chart that has no twin is its picture alone. `twin` composes: the panel says which chart drew it,
the module of that kind gives panes (a Vega-Lite chart and its rows) and the entries of the legend, and the
page's script shows them.
"""

import importlib

from altair.utils.schemapi import debug_mode

from weightspace.figures.panel import Panel
from weightspace.report.twins.base import Twin

_MODULES = {
    "curve": "lines", "thresholds": "thresholds", "dots": "places", "bars": "places", "intervals": "places",
    "violins": "places", "scatter": "clouds", "relation": "clouds", "heat": "cells", "matrix": "cells",
}  # fmt: skip
"""The module of each way of drawing; pictures, planes and maps of weights stay pictures."""
MOST = 20_000
"""Rows of a twin: what would swell the page stays a picture."""


def twin(panel: Panel) -> Twin | None:
    """The figure to be read off; none where its kind has none, or its rows are too many for a page."""
    name = _MODULES.get(getattr(panel.chart, "draws", ""))
    if name is None:
        return None
    module = importlib.import_module(f"weightspace.report.twins.{name}")
    with debug_mode(False):  # checking each part of each chart takes most of the time
        found: Twin = module.twin(panel.chart, panel, panel.notes)
    rows = sum(len(pane.rows) for pane in found.panes)
    return found if 0 < rows <= MOST else None
