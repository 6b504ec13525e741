"""Published values as tolerance tests, on the stored results of the long runs; nothing is trained here."""

import math
from pathlib import Path

import pandas as pd
import pytest

from weightspace.report.compare import references

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
FACTS = {"metric", "n", "spread", "tolerance", "source", "known", "statistic", "value"}


@pytest.fixture(scope="module")
def tickets():
    return pd.read_csv(RESULTS / "tickets-compare.csv")


def line_of(row):
    """The reference that a stored comparison was made with."""
    for line in references():
        same = {name: line[name] for name in line if name not in FACTS}
        if all(str(row.get(name)) == text or _close(row.get(name), text) for name, text in same.items()):
            wanted = (line["metric"], line["source"], float(line["value"]))
            if wanted == (row["metric"], row["source"], row["reference"]):
                return line
    return None


def _close(value, text):
    try:
        return math.isclose(float(value), float(text))
    except (TypeError, ValueError):
        return False


def test_every_comparison_is_with_a_reference_of_today(tickets):
    assert len(tickets) >= 20
    for _, row in tickets.iterrows():
        line = line_of(row)
        assert line is not None, dict(row)
        spreads = [float(row["ours_sd"]), float(line.get("spread", "nan"))]
        joint = math.hypot(*(0.0 if math.isnan(each) else each for each in spreads))
        least = float(line.get("tolerance", 0.02 if "accuracy" in line["metric"] else 0.0))
        apart = abs(row["ours"] - float(line["value"]))
        assert row["within"] == (apart <= max(joint, least) + 1e-12)


@pytest.mark.parametrize(("criterion", "rounds"), [("dense", [0]), ("large_final", [2, 4, 6, 8])])
def test_rounds_of_the_paper_s_length_are_the_re_run_s(tickets, criterion, rounds):
    own = tickets[(tickets["experiment"] == "tickets.iterative") & (tickets["criterion"] == criterion)]
    assert own["round"].tolist() == rounds
    assert (own["ours_n"] == 5).all()
    assert own["within"].all()


def test_a_ticket_does_better_than_the_dense_network_near_a_sixth_of_the_weights(tickets):
    own = tickets[tickets["experiment"] == "tickets.iterative"].set_index(["criterion", "round"])["ours"]
    assert own["large_final", 8] - own["dense", 0] > 0.002
