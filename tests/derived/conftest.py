import pytest


@pytest.fixture(autouse=True)
def _cache(own_cache):
    """Derived values decode data by themselves."""
