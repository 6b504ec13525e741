"""Strictness for every test: no silent promotion, types checked at run time, real data only if present."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import jax
import pytest

from weightspace import platform

platform.use_cpu_devices(2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_collection_modifyitems(items):
    real = os.environ.get("WEIGHTSPACE_DATA")
    for item in items:
        if "real_data" in item.keywords and not real:
            item.add_marker(pytest.mark.skip(reason="needs WEIGHTSPACE_DATA"))
        if "gpu" in item.keywords and jax.default_backend() == "cpu":
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))
