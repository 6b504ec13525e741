"""Remembered: what follows from the code alone, made once for each state of the code and kept on disk.

Help texts and the sizes of networks take seconds to make, as JAX and network libraries have to be loaded and
networks traced. They are kept in the cache folder under a digest of every source file of the package and of
the versions of what it is made with: code that was edited, or another library, has none yet. A file that is
missing, damaged or of another key counts for nothing, and where nothing can be written all is made each time.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

LIBRARIES = ("jax", "flax", "optax", "jaxtyping", "tyro", "rich")
"""What it is made with, beside this package."""
_OLD = 30 * 24 * 3600.0
"""Seconds after which what was made of other code goes."""


def cache_folder() -> Path:
    """Where decoded data and compiled programs are kept: `WEIGHTSPACE_CACHE` or the user's cache folder."""
    given = os.environ.get("WEIGHTSPACE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("weightspace"))


def remembered(kind: str, key: Any, make: Callable[[], Any]) -> Any:
    """A JSON value that follows from the code and the key: from the cache, else made and kept there.

    Args:
      kind: What it is.
      key: All else that it depends on, as a JSON value.
      make: Makes it; what it raises is raised, and nothing kept.
    """
    text = json.dumps([kind, key], sort_keys=True)
    folder = cache_folder() / "remembered" / code_digest()
    path = folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["key"] == text:
            return found["value"]
    value = make()
    with contextlib.suppress(OSError):
        _keep(path, {"key": text, "value": value})
    return value


def _keep(path: Path, entry: dict[str, Any]) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        for other in path.parent.parent.iterdir():
            if time.time() - other.stat().st_mtime > _OLD:
                shutil.rmtree(other, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
        json.dump(entry, file)
    os.replace(file.name, path)


def code_digest() -> str:
    """A digest of the package's source files and of the versions of Python and of what it is made with."""
    return _digest(Path(__file__).parent)


@functools.cache
def _digest(package: Path) -> str:
    found = hashlib.sha256(sys.version.encode())
    for name in LIBRARIES:
        found.update(f"{name} {_version(name)}\n".encode())
    for path in sorted(package.rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return found.hexdigest()[:32]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
