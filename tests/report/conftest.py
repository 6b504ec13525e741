"""One page for all tests that only look at it."""

import pytest

from tests.report.builders import filled
from weightspace.report import write_report
from weightspace.store.base import Store


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The page of a filled store."""
    return write_report(filled(Store(tmp_path_factory.mktemp("page") / "out")))
