"""The Ray engine: the same results as the local one, from workers of a cluster."""

import importlib.util

import numpy as np
import pytest

from tests.builders import small_run
from weightspace.errors import InputError
from weightspace.sweeps import sweep
from weightspace.sweeps.engines import engine_named


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_says_what_to_install(tmp_path):
    with pytest.raises(InputError, match=r"weightspace\[ray\]"):
        sweep([small_run()], tmp_path, engine="ray")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_results_are_those_of_the_local_engine(tmp_path):
    ray = pytest.importorskip("ray")
    runs = [small_run(seed, lr=lr) for seed in range(2) for lr in (0.05, 0.1)]
    runs += [small_run(seed, dim=4) for seed in range(2)]
    try:
        there = sweep(runs, tmp_path / "ray", engine=engine_named("ray"))
        again = sweep(runs, tmp_path / "ray", engine="ray")
    finally:
        ray.shutdown()
    here = sweep(runs, tmp_path / "local")
    both = there.merge(here, on="run", suffixes=("", "_local"))
    assert len(both) == len(here) == len(again)
    np.testing.assert_allclose(both["test_loss"], both["test_loss_local"], rtol=1e-5)
