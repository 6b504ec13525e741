import math

import pandas as pd
import pytest

from weightspace.report.tables import columns, shortened, text, with_interval, with_spread

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, "0.5"), (1 / 3, "0.3333"), (20490.0, "20,490"), (2542.4, "2,542"), (1e-9, "1e-09"), (NAN, ""),
     (None, ""), (pd.NA, ""), (INF, "∞"), (7, "7"), ("a_b", "a_b"), (True, "True")],
)  # fmt: skip
def test_values(value, expected):
    assert text(value) == expected


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [(0.91234, 0.0123, "0.912 ± 0.012"), (12.3, 4.5, "12.3 ± 4.5"), (123.0, 45.0, "123 ± 45"),
     (0.5, NAN, "0.5"), (0.5, 0.0, "0.5 ± 0"), (NAN, NAN, ""), (1234.5, 100.0, "1234 ± 100")],
)  # fmt: skip
def test_means_are_rounded_to_their_spread(mean, sd, expected):
    assert with_spread(mean, sd) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [((23.4, 18.0, 30.2, ""), "23 [18, 30]"), ((5.5, 4.0, INF, ""), "5.5 [4, ∞)"),
     ((4.0, 4.0, 8.0, "below"), "≤ 4"), ((INF, 64.0, INF, "above"), "not reached [64, ∞)"),
     ((INF, INF, INF, "above"), "not reached")],
)  # fmt: skip
def test_intervals(given, expected):
    assert with_interval(*given) == expected


def test_spreads_join_their_means_and_say_n_where_it_differs():
    frame = pd.DataFrame(
        {"dim": [4, 8], "n": [3, 3], "loss": [1.0, 2.0], "loss_sd": [0.1, 0.2], "loss_n": [3, 2]}
    )
    found = {column.name: column.cells for column in columns(frame)}
    assert found == {"dim": ["4", "8"], "n": ["3", "3"], "loss": ["1.00 ± 0.10", "2.00 ± 0.20 (n = 2)"]}


def test_a_mean_with_its_own_n_always_says_it():
    frame = pd.DataFrame({"ours": [0.5], "ours_sd": [NAN], "ours_n": [1]})
    (column,) = columns(frame)
    assert column.cells == ["0.5 (n = 1)"]


def test_what_all_lines_share_is_said_once():
    frame = pd.DataFrame(
        {"method": ["a", "a"], "dim": [4, 8], "d_star": [2.0, 2.0], "d_star_low": [1.0, 1.0],
         "d_star_high": [3.0, 3.0], "none": [NAN, NAN], "n": [5, 5]}
    )  # fmt: skip
    short, same = shortened(frame)
    assert list(short) == ["dim", "d_star", "d_star_low", "d_star_high"]
    assert same == "method a, n 5"


def test_one_line_stays_whole():
    short, same = shortened(pd.DataFrame({"method": ["a"], "loss": [1.0], "loss_sd": [NAN], "n": [1]}))
    assert list(short) == ["method", "loss", "loss_sd", "n"]
    assert same == ""
