"""Probes: what is recorded while a run trains. One file a probe; `make_probe` finds them by name."""

from weightspace.errors import unknown
from weightspace.probes.base import Probe
from weightspace.probes.evaluation import Evaluation
from weightspace.probes.path import Distance, PathLength
from weightspace.probes.snapshot import Best, Snapshot

__all__ = [
    "Best",
    "Distance",
    "Evaluation",
    "PathLength",
    "Probe",
    "Snapshot",
    "describe",
    "make_probe",
    "names",
]

_BY_NAME: dict[str, type[Probe]] = {
    "best": Best,
    "distance": Distance,
    "evaluation": Evaluation,
    "path-length": PathLength,
}


def names() -> tuple[str, ...]:
    """The probes that the command line knows."""
    return tuple(sorted(_BY_NAME))


def make_probe(name: str) -> Probe:
    """A probe by name, with its default numbers.

    Raises:
      InputError: If there is none of that name.
    """
    cls = _BY_NAME.get(name.replace("_", "-"))
    if cls is None:
        raise unknown("probe", name, names())
    return cls()


def describe(name: str) -> str:
    """What a probe records, in one line."""
    return (_BY_NAME[name].__doc__ or "").strip().splitlines()[0]
