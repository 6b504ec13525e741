"""How large a data set may be: it is held whole on the device, beside the weights of many runs."""

import contextlib
import os
from pathlib import Path

from weightspace.errors import DataError

LARGEST = 4 << 30
"""Bytes of decoded arrays that are accepted whatever the machine."""
SHARE = 0.25
"""The part of the available memory that a data set may take."""
_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes that this process could still use, as the system tells; None where it does not."""
    free = [amount for amount in (_system_memory(), _group_memory()) if amount is not None]
    return min(free) if free else None


def _system_memory() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _group_memory() -> int | None:
    """What a container's limit leaves."""
    try:
        limit, used = ((_GROUP / f"memory.{what}").read_text().strip() for what in ("max", "current"))
        return None if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None


def check_bytes(name: str, size: int) -> None:
    """Refuse sets that are too large to be held on the device.

    Raises:
      DataError: If the decoded arrays take more than 4 GiB or a quarter of the available memory.
    """
    free = available_memory()
    allowed = LARGEST if free is None else min(LARGEST, int(SHARE * free))
    if size > allowed:
        raise DataError(
            f"{name} takes {size / 2**30:.3g} GiB decoded, but sets are held whole in memory and may take "
            f"{allowed / 2**30:.3g} GiB here (4 GiB, or a quarter of the free memory if that is less); "
            "use a smaller set or fewer, smaller images, as there is no streaming source yet"
        )
