"""Does a block fit? What a run carries is measured exactly, without computing anything.

The trace of the program's start gives carry and fixed arrays of one run; XLA's own analysis gives the
temporaries once a program is compiled. What does not fit halves the lanes.
"""

import jax
import psutil

from weightspace import tree
from weightspace.errors import InputError
from weightspace.training.block import BlockKey, block_for
from weightspace.training.carry import Feed
from weightspace.training.resolve import Resolved

SHARE = 0.8
"""The share of a device's memory that a block may take."""


def run_bytes(key: BlockKey, run: Resolved, feed: Feed) -> int:
    """Bytes of one run's leaves, frame and carry."""
    leaves = [leaf for leaf, shared in zip(run.leaves, run.common, strict=True) if not shared]
    return tree.nbytes(leaves) + tree.nbytes(block_for(key).started(feed))


def device_bytes(devices: int) -> int:
    """Memory of one device: what the accelerator says, or the machine's free memory shared out."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    return psutil.virtual_memory().available // max(devices, 1)


def lanes_that_fit(lanes: int, each: int, devices: int, *, temporaries: int = 0) -> int:
    """The lanes, halved until a device holds them.

    Args:
      lanes: Lanes wished for.
      each: Bytes of one run; a step reads its carry and writes the next, so gradients and updates of the
        same size come on top.
      devices: Devices that share the machine's memory.
      temporaries: Bytes of a compiled block's temporaries, where known.

    Raises:
      InputError: If not even one run fits.
    """
    room = SHARE * device_bytes(devices)
    while lanes > 1 and 2 * each * lanes + temporaries > room:
        lanes //= 2
    if each > room:
        raise InputError(
            f"one run needs {each / 2**30:.1f} GiB, but a device has room for {room / 2**30:.1f} GiB; "
            "choose a smaller dimension d, a smaller model, or a device with more memory"
        )
    return lanes
