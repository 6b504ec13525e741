"""A drawn well: its methods agree, its bounds hold, and what is none is refused."""

import numpy as np
import pytest

from weightspace.derived.drawn_well import DrawnWell
from weightspace.errors import InputError


@pytest.fixture(scope="module", params=["even/flat", "harmonic/top", "step/flat"])
def found(request):
    return DrawnWell(request.param, 80, 0.1, 40).compute()


def test_methods_agree_but_for_the_closed_form_which_is_above(found):
    room = np.sqrt(2 * found["d_monte_carlo"]) + 2
    assert abs(found["d_cone"] - found["d_monte_carlo"]) < room
    assert abs(found["d_consistent"] - found["d_monte_carlo"]) < room
    assert found["d_closed"] >= found["d_consistent"] - 1e-9


def test_bounds_hold_where_they_say_something(found):
    """Up to the noise of forty drawn bases."""
    for name in ("gordon", "conic_above"):
        said = np.isfinite(found[name])
        assert (found["drawn"][said] <= found[name][said] + 0.2).all()
    said = np.isfinite(found["conic_below"])
    assert (found["drawn"][said] >= found["conic_below"][said] - 0.2).all()
    assert (np.diff(found["drawn"]) >= 0).all()
    assert found["drawn"][-1] == 1


def test_ranges_are_those_of_the_bounds(found):
    for name, column, end in (
        ("gordon", "gordon_until", np.nanmax),
        ("conic_above", "conic_until", np.nanmax),
        ("sharp_above", "sharp_until", np.nanmax),
        ("conic_below", "conic_from", np.nanmin),
        ("sharp_below", "sharp_from", np.nanmin),
    ):
        said = found["dims"][np.isfinite(found[name])].astype(float)
        expected = end(said) if said.size else np.nan
        assert found[column] == pytest.approx(expected, nan_ok=True)


def test_a_lower_level_needs_more_dimensions_of_the_same_bases():
    high, low = (DrawnWell("even/flat", 40, share, 9).compute() for share in (0.5, 0.1))
    assert (low["drawn"] <= high["drawn"]).all()
    assert low["d_monte_carlo"] > high["d_monte_carlo"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": "flat/even"}, "spectrum of a well 'flat'"),
        ({"shape": "even"}, "displacement of a well ''"),
        ({"shape": "harmonic/tops"}, "did you mean 'top'"),
        ({"size": 20}, "dimensions of a well"),
        ({"share": 1.0}, "share of a well's height"),
        ({"draws": 0}, "draws"),
    ],
)
def test_wells_that_are_none(settings, message):
    with pytest.raises(InputError, match=message):
        DrawnWell(**({"shape": "even/flat"} | settings))
