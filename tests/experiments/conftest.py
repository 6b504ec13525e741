"""Smoke presets as a user runs them, each once, whichever modules look at its answer."""

import pytest

from weightspace.experiments import experiment_class
from weightspace.experiments.answered import answered
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep


@pytest.fixture(scope="session")
def smoke_of(tmp_path_factory):
    """A smoke preset with some settings changed, as an experiment and as what its folder answers."""
    found = {}

    def of(name, small):
        if name not in found:
            cls, out = experiment_class(name), tmp_path_factory.mktemp("smoke")
            experiment = cls(**cls.presets["smoke"] | small)
            sweep(experiment, out)
            (part,) = answered(Store(out))
            found[name] = experiment, part
        return found[name]

    return of
