"""What tables are made of: a history is read once, and where a table asks for it."""

import pandas as pd

from weightspace.tables.base import Given, On, Rows
from weightspace.tables.curves import Best, Curves, Traces

ROWS = pd.DataFrame(
    {"run": ["a", "b"], "status": "ok", "seed": [0, 1], "dim": [2, 2], "test_accuracy": [0.5, 0.7]}
)
HISTORY = pd.DataFrame({"run": ["a", "a", "b"], "step": [0, 1, 1], "test_accuracy": [0.6, 0.5, 0.7]})


def test_a_history_is_read_where_a_table_asks_for_it_and_once():
    calls = []
    given = Given(ROWS, lambda: calls.append(1) or HISTORY)
    curves = Curves(("test_accuracy",), "dim")
    given.of(On(Rows(), curves))
    assert calls == []
    best = given.of(On(Best(("test_accuracy",)), curves))
    assert best[best["statistic"] == "run"]["value"].tolist() == [0.6, 0.7]
    given.of(Traces(("test_accuracy",)))
    assert calls == [1]
    pd.testing.assert_frame_equal(best, Given(ROWS, HISTORY).of(On(Best(("test_accuracy",)), curves)))
