import pytest


@pytest.fixture(scope="module", autouse=True)
def _cache(cache_apart):
    """Derived values decode data by themselves."""
