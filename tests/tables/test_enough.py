"""The least that is enough: by hand, with a chance success below, and where nothing is."""

import numpy as np
import pandas as pd

from weightspace.tables.base import Given
from weightspace.tables.enough import Enough


def given(values, full=0.8):
    """Two runs a dimension about a mean, beside the full space of 1,000 dimensions."""
    rows = [
        ("random", dim, seed, mean + 0.01 * (-1) ** seed) for dim, mean in values.items() for seed in (0, 1)
    ]
    rows += [("full", 1000, seed, full) for seed in (0, 1)]
    frame = pd.DataFrame(rows, columns=["method", "dim", "seed", "test_accuracy"])
    return Given(frame.assign(status="ok", run=[str(i) for i in range(len(frame))]), pd.DataFrame())


TABLE = Enough("test_accuracy", ("method",), (0.5, 0.9, 0.99))


def test_the_least_from_which_on_all_means_reach_it():
    found = given({4: 0.5, 16: 0.3, 64: 0.6, 256: 0.75}).of(TABLE).set_index("kept")
    # At 4 it is reached by chance: 16 does not, so 64 is the least.
    assert found["least_dims"].tolist()[:2] == [64.0, 256.0]
    np.testing.assert_allclose(found["wanted_accuracy"], [0.4, 0.72, 0.792])
    np.testing.assert_allclose(found["least_share"].iloc[:2], [0.064, 0.256])
    assert np.isnan(found.loc[0.99, "least_dims"])
    assert found.loc[0.99, "reason"] == "not reached by the largest asked, 256"
    assert set(found["n"]) == {2}


def test_runs_that_diverged_do_not_count():
    base = given({64: 0.6})
    rows = base.rows.assign(status=["diverged", "ok", "ok", "ok"], test_accuracy=[np.nan, 0.7, 0.8, 0.8])
    found = Given(rows, pd.DataFrame()).of(TABLE)
    assert found["least_dims"].tolist()[0] == 64
    assert set(found["n"]) == {1}


def test_without_a_full_training_there_is_no_table():
    base = given({64: 0.6})
    assert Given(base.rows[base.rows["method"] == "random"], pd.DataFrame()).of(TABLE).empty
