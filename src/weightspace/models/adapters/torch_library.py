"""PyTorch itself, imported when a module is read and at no other time."""

import importlib
from typing import Any

from weightspace.errors import InputError


def library() -> Any:
    """PyTorch.

    Raises:
      InputError: If it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError:
        raise InputError(
            "from_torch reads a module by PyTorch, which is not installed: pip install 'weightspace[torch]'"
        ) from None
