import pytest

from weightspace.data import limits
from weightspace.errors import DataError


def test_memory_is_told_in_bytes():
    free = limits.available_memory()
    assert free is None or free > 1 << 20


@pytest.mark.parametrize(
    ("free", "size", "fits"),
    [
        (1 << 40, (4 << 30), True),
        (1 << 40, (4 << 30) + 1, False),
        (8 << 30, 2 << 30, True),
        (8 << 30, (2 << 30) + 1, False),
        (None, 4 << 30, True),
        (None, 5 << 30, False),
    ],
)
def test_bounds(monkeypatch, free, size, fits):
    monkeypatch.setattr(limits, "available_memory", lambda: free)
    if fits:
        limits.check_bytes("big", size)
    else:
        with pytest.raises(DataError, match=r"big takes .* GiB decoded.*no streaming source"):
            limits.check_bytes("big", size)


def test_a_container_limit_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "_GROUP", tmp_path)
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("5000\n")
    assert limits.available_memory() == 4000
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.available_memory() != 4000
