"""Sets of tests are not kept in the user's cache."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
