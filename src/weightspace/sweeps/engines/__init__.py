"""Engines by name."""

from weightspace.errors import unknown
from weightspace.sweeps.engines.base import Engine
from weightspace.sweeps.engines.local import Local

NAMES = ("local",)


def engine_named(engine: "str | Engine") -> Engine:
    """An engine by name, or the engine itself.

    Raises:
      InputError: If there is none of that name.
    """
    if not isinstance(engine, str):
        return engine
    if engine == "local":
        return Local()
    raise unknown("engine", engine, NAMES)
