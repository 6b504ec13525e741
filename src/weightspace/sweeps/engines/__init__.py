"""Engines by name."""

from weightspace.errors import unknown
from weightspace.sweeps.engines.base import Engine
from weightspace.sweeps.engines.local import Local

NAMES = ("local", "ray")


def engine_named(engine: "str | Engine") -> Engine:
    """An engine by name, or the engine itself.

    Raises:
      InputError: If there is none of that name.
    """
    if not isinstance(engine, str):
        return engine
    if engine == "local":
        return Local()
    if engine == "ray":
        from weightspace.sweeps.engines.ray import Ray

        return Ray()
    raise unknown("engine", engine, NAMES)
