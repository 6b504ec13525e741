import pytest

from weightspace.store.base import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")
