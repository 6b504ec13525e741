"""Thresholds as shares: networks of two sizes on one scale."""

import numpy as np
import pandas as pd
import pytest

from weightspace.tables.base import Given
from weightspace.tables.shares import ThresholdShares
from weightspace.tables.thresholds import Thresholds


def test_each_network_has_its_own_number_of_weights():
    lines = [
        {"panel": panel, "dim": dim, "compression": size / dim, "seed": seed, "status": "ok",
         "test_accuracy": min(0.1 + 0.2 * np.log2(dim), 0.95)}
        for panel, size in (("small", 100), ("large", 1000))
        for dim in (2, 4, 8, 16)
        for seed in (0, 1)
    ]  # fmt: skip
    given = Given(pd.DataFrame(lines), pd.DataFrame())
    shares = ThresholdShares(("test_accuracy",), ("panel",)).of(given)
    # .1 + .2 log2 d reaches .6 at d = 2^2.5.
    level = shares["level"].unique()[np.abs(shares["level"].unique() - 0.6).argmin()]
    at = shares[shares["level"] == level].set_index("panel")["value"]
    star = 2 ** ((level - 0.1) / 0.2)
    assert at["small"] == pytest.approx(star / 100)
    assert at["large"] == pytest.approx(star / 1000)
    assert shares["level"].max() < 0.91
    assert shares["level"].min() > 0.3
    angular = given.of(Thresholds(("test_accuracy",), ("panel",), (("test_accuracy", (0.6,)),))).set_index(
        "panel"
    )
    assert angular.loc["large", "local_angular_dimension"] == pytest.approx(1000 - 2**2.5)
    assert angular.loc["small", "local_angular_dimension"] == pytest.approx(100 - 2**2.5)
