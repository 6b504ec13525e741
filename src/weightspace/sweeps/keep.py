"""Which networks a sweep keeps beside what is asked of its runs: small final ones, unless told otherwise.

What is kept is no part of a run's identity, and no run that is stored is trained again for it unless a row or
the sweep asks for it by name.
"""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from weightspace.errors import check_choice
from weightspace.node import Node
from weightspace.probes.base import Probe
from weightspace.probes.best import Best
from weightspace.probes.snapshot import Snapshot
from weightspace.run import KEPT, Row, Run
from weightspace.sweeps.known import Known

SMALL = 200_000_000
"""Bytes of all final networks of a question together up to which they are kept unasked."""
POLICIES = ("small", *KEPT)


@dataclasses.dataclass(frozen=True)
class Kept:
    """Networks that are kept unasked.

    Attributes:
      digests: Of their runs.
      bytes: Of all final networks that nothing speaks against, whether or not they are kept.
    """

    digests: frozenset[str] = frozenset()
    bytes: int = 0

    def probes(self, node: Node) -> tuple[Probe, ...]:
        """What keeps the final network of a node, where it is kept."""
        return final_network(node) if isinstance(node, Run) and node.digest in self.digests else ()


NOTHING = Kept()
"""No network is kept unasked."""


def check_policy(keep: str) -> None:
    """Raise `InputError` unless it is one of `POLICIES`."""
    check_choice("keep", keep, POLICIES)


def told(rows: Iterable[Row], keep: str) -> list[Row]:
    """The rows, those that do not say what is kept as the sweep says it."""
    if keep == "small":
        return list(rows)
    return [row if row.keep is not None else dataclasses.replace(row, keep=keep) for row in rows]


def unasked(needed: Iterable[Node], rows: Iterable[Row], known: Known | None = None) -> Kept:
    """Which final networks are kept although nobody asks for them: all, if all together are small.

    Args:
      needed: Every node that the question needs.
      rows: Its rows; what they say of their runs holds.
      known: What was found of the question so far.
    """
    known = known or Known()
    said = {row.node.digest for row in rows if row.keep is not None}
    runs = [node for node in needed if isinstance(node, Run) and node.digest not in said]
    total = sum(network_bytes(run, known) for run in runs)
    return Kept(frozenset(run.digest for run in runs) if total <= SMALL else frozenset(), total)


def final_network(run: Run) -> tuple[Probe, ...]:
    """What keeps the weights at the end; of a region its coordinates too, from which all points are had."""
    return _final(bool(run.space.points))


@functools.cache
def _final(region: bool) -> tuple[Probe, ...]:
    return (Snapshot("end"), Snapshot("end", coordinates=True)) if region else (Snapshot("end"),)


def network_bytes(run: Run, known: Known) -> int:
    """Bytes of what is kept of a run, but for the state of its normalisation."""

    def find(run: Run) -> int:
        size = known.layout(run).size + (known.coordinates(run).size if run.space.points else 0)
        return size * np.dtype(run.precision.storage).itemsize

    return known.kin(run).once("network", find)


def keeps_network(probes: Iterable[Probe]) -> bool:
    """Whether probes keep the network at the end, or the best one."""
    return any(probe == Snapshot("end") or isinstance(probe, Best) for probe in probes)


def of_row(row: Row) -> tuple[Probe, ...]:
    """What a row asks for by `keep`."""
    if not isinstance(row.node, Run) or row.keep in (None, "none"):
        return ()
    return (Best(),) if row.keep == "best" else final_network(row.node)
