"""Adapters: a model of NNX, Linen, Equinox, PyTorch or plain functions as a `Model`.

Each adapter imports its library when it is asked for, so that none is needed that is not used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightspace.models.adapters.equinox import FromEquinox as FromEquinox
    from weightspace.models.adapters.equinox import from_equinox as from_equinox
    from weightspace.models.adapters.function import FromFunction as FromFunction
    from weightspace.models.adapters.function import from_function as from_function
    from weightspace.models.adapters.linen import FromLinen as FromLinen
    from weightspace.models.adapters.linen import from_linen as from_linen
    from weightspace.models.adapters.nnx import FromNnx as FromNnx
    from weightspace.models.adapters.nnx import NnxModel as NnxModel
    from weightspace.models.adapters.nnx import from_nnx as from_nnx
    from weightspace.models.adapters.torch import FromTorch as FromTorch
    from weightspace.models.adapters.torch import from_torch as from_torch

_MODULES = {
    "FromEquinox": "equinox",
    "from_equinox": "equinox",
    "FromFunction": "function",
    "from_function": "function",
    "FromLinen": "linen",
    "from_linen": "linen",
    "FromNnx": "nnx",
    "NnxModel": "nnx",
    "from_nnx": "nnx",
    "FromTorch": "torch",
    "from_torch": "torch",
}

__all__ = tuple(_MODULES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
