"""Which kernel of a stored network is used first: told by the store, so that no network is made."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from weightspace.errors import WeightspaceError
from weightspace.figures.panel import Outputs
from weightspace.models.layout import KINDS


def first_kernel(weights: Mapping[str, Any], run: str, outputs: Outputs) -> str:
    """The path of the kernel that is used first; of the largest, where a store of old does not tell.

    Args:
      weights: The run's weights by path.
      run: Its digest.
      outputs: What the store keeps, by digest and key.
    """
    paths = sorted(weights)
    try:
        told = outputs(run, "network")
    except WeightspaceError:
        return max(paths, key=lambda path: (np.ndim(weights[path]) > 1, np.size(weights[path])))
    kernels = [place for place, kind in enumerate(told["kind"]) if KINDS[int(kind)] == "kernel"]
    return paths[min(kernels, key=lambda place: int(told["order"][place]))]
