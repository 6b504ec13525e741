"""What no walk through code can follow: text that becomes code, files, clocks, shared generators, settings.

A name stands for what it leads to, whatever it is called in the user's code.
"""

import builtins
import io
import os
import random
import sys
import time
import types
from typing import Any

import jax.numpy as jnp
import numpy as np

from weightspace.identity.homes import qualified_name

_TEXT = "runs text as code"
_FILE = "reads a file"
_CLOCK = "reads the clock"
_ENVIRONMENT = "reads the environment"
_NAMES = "looks names up while it runs"
_CHANCE = "draws from a generator that all code shares"

_BUILTINS = {
    "eval": _TEXT, "exec": _TEXT, "compile": _TEXT, "__import__": _NAMES, "globals": _NAMES, "open": _FILE,
    "input": "asks a person",
}  # fmt: skip
_NUMPY_FILES = ("load", "loadtxt", "genfromtxt", "fromfile", "memmap", "fromregex")
_NUMPY_GENERATORS = ("default_rng", "Generator", "RandomState", "SeedSequence", "BitGenerator")
_BY_MODULE = {
    "time": _CLOCK, "secrets": _CHANCE, "uuid": _CHANCE, "pickle": _FILE, "shelve": _FILE,
    "csv": _FILE, "importlib": _NAMES, "subprocess": "runs another program", "socket": "asks another machine",
    "urllib.request": "asks another machine", "safetensors": _FILE, "h5py": _FILE,
}  # fmt: skip
_READERS = {
    "read_text": _FILE, "read_bytes": _FILE, "from_pretrained": _FILE, "read_csv": _FILE,
    "read_parquet": _FILE, "tree_deserialise_leaves": _FILE, "environ": _ENVIRONMENT,
    "getenv": _ENVIRONMENT, "loadmat": _FILE, "load_file": _FILE, "safe_open": _FILE,
}  # fmt: skip


def _by_object() -> dict[int, str]:
    found: dict[int, Any] = {id(getattr(builtins, name)): why for name, why in _BUILTINS.items()}
    found |= {id(getattr(np, name)): _FILE for name in _NUMPY_FILES} | {id(jnp.load): _FILE}
    found |= {
        id(os.environ): _ENVIRONMENT,
        id(os.getenv): _ENVIRONMENT,
        id(io.open): _FILE,
        id(sys.argv): _ENVIRONMENT,
    }
    shared = [getattr(random, name) for name in random.__all__ if not isinstance(getattr(random, name), type)]
    shared += [
        getattr(np.random, name)
        for name in np.random.__all__
        if name not in _NUMPY_GENERATORS and callable(getattr(np.random, name))
        and not isinstance(getattr(np.random, name), type)
    ]  # fmt: skip
    found |= {id(item): _CHANCE for item in shared if item is not random.getstate}
    return found | {id(time.time): _CLOCK}


_OBJECTS = _by_object()


def refusal(value: Any, name: str) -> str | None:
    """Why a value of an installed package, or of Python's own, cannot be followed; None where it can.

    Args:
      value: What a name in the user's code leads to.
      name: The last part of that name.
    """
    known = _OBJECTS.get(id(value))
    if known is not None:
        return known
    if isinstance(value, types.ModuleType):
        return None
    module = qualified_name(value).partition(":")[0]
    if callable(value):
        for prefix, why in _BY_MODULE.items():
            if module == prefix or module.startswith(prefix + "."):
                return why
    return attribute_refusal(name)


def attribute_refusal(name: str) -> str | None:
    """Why an attribute of this name, of whatever object, cannot be followed."""
    return _READERS.get(name)
