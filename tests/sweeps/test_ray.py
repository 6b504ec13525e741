"""The Ray engine: the same results as the local one, from workers of a cluster."""

import functools
import importlib.util
import pickle

import numpy as np
import pytest

from tests.builders import small_run
from tests.sweeps.test_plan import chain
from weightspace.errors import InputError
from weightspace.sweeps.ask import sweep
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


class Pretended:
    """What the engine uses of Ray, in this process; what is sent is pickled as Ray does."""

    class exceptions:
        class RayTaskError(Exception):
            pass

    def __init__(self):
        self.sent = []

    def is_initialized(self):
        return True

    def nodes(self):
        return [{"Resources": {"CPU": 2.0}, "Alive": alive} for alive in (True, True, False)]

    def remote(self, function):
        pretended = self

        class Remote:
            def __init__(self, **resources):
                self.resources = resources

            def options(self, **resources):
                return Remote(**resources)

            def remote(self, job):
                content = pickle.dumps(job)
                pretended.sent.append((type(job).__name__, self.resources, len(content)))
                return functools.partial(function, pickle.loads(content))

        return Remote()

    def wait(self, waiting, num_returns):
        return waiting[-num_returns:], waiting[:-num_returns]

    def get(self, ready):
        return ready()


def test_jobs_travel_as_plain_data_and_derived_values_in_many(tmp_path, monkeypatch):
    """Without a cluster: a run, values of it, and a run that takes one of them."""
    pretended = Pretended()
    monkeypatch.setattr("weightspace.sweeps.engines.ray._ray", lambda: pretended)
    monkeypatch.setattr("weightspace.platform.start", lambda: None)
    rows = [row for seed in range(2) for row in chain(seed)]
    there, here = sweep(rows, tmp_path / "ray", engine="ray"), sweep(rows, tmp_path / "here")
    assert there["status"].tolist() == ["ok"] * 6
    columns = ["run", "test_loss", "test_accuracy"]
    assert there[columns].equals(here[columns])
    kinds = [(kind, resources["num_cpus"]) for kind, resources, _ in pretended.sent]
    assert kinds == [("CohortJob", 2), *[("DerivedJob", 1)] * 2, *[("CohortJob", 2)] * 2]
    assert max(size for *_, size in pretended.sent) < 20_000
