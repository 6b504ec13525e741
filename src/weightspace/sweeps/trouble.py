"""Trouble: the first step at which something was not finite, and what it was.

A block's program looks at the loss in every step, at all else only where a stretch of steps ends. Where such
a check finds a run broken, the stretch is gone over again by the same compiled program, from a carry that was
sound, in up to 32 shorter ones, and so on into the one where it began, until that is one step: how steps are
cut changes no bit, so that it is the very same training. What broke in that step says a program of its own.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from weightspace.training.block import SEGMENTS, Block
from weightspace.tree import from_numbers, to_numbers

Flags = Mapping[str, Mapping[str, np.ndarray]]
Events = Mapping[int, tuple[bool, ...]]
_NAMED = 3
"""Leaves that a sentence names."""
_WHAT = {
    "statistics": "statistics {}",
    "gradient": "gradient of {}",
    "slope": "gradient of coordinates {}",
    "moments": "optimiser's moments {}",
    "coordinates": "coordinates {}",
    "fixed": "fixed arrays {}",
    "weights": "weights of {}",
}
"""In the order in which a step computes them: the first that is not finite is where it began."""


def loss_trouble(step: int) -> str:
    """The sentence for a loss."""
    return f"loss not finite at step {step}"


def undefined(names: list[str]) -> str:
    """The sentence for metrics that are NaN at the end, though all that training carries is finite."""
    return (
        f"{_listed(sorted(names))} {'is' if len(names) == 1 else 'are'} NaN at the end: outputs, or what is "
        "computed of them, are no numbers for some examples, though the network is finite"
    )


@dataclasses.dataclass
class Search:
    """Finds where runs of a block broke.

    Attributes:
      block: The compiled block.
      runs: As `put_runs` gave them.
      feed: The data.
      frame: As `start` gave it.
      events: After which numbers of steps edits act, and which, as flags of `advance`.
    """

    block: Block
    runs: Any
    feed: Any
    frame: Any
    events: Events = dataclasses.field(default_factory=dict)

    def at_start(self, carry: Any, lanes: Iterable[int]) -> dict[int, str]:
        """What was not finite before the first step, in a sentence a lane."""
        flags = self._flags((carry, carry), 0)
        kinds = ("coordinates", "weights", "fixed")
        return {lane: f"{_where(flags, lane, kinds)} not finite at initialisation" for lane in lanes}

    def within(self, carry: Any, start: int, lanes: Mapping[int, int]) -> dict[int, str]:
        """What was first not finite, and when, in a sentence a lane.

        Args:
          carry: Of all lanes after `start` steps, on the host; those asked for are sound there.
          start: Steps done then.
          lanes: For each lane, the number of steps after which it was found broken.
        """
        end = max(lanes.values())
        if end - start == 1:
            return self._diagnosed(carry, start, lanes)
        edges = self._edges(start, end)
        after = self._advanced(carry, edges)
        found = np.asarray(jax.device_get(after.found))
        groups: dict[int, list[int]] = {}
        for lane in lanes:
            groups.setdefault(int(found[lane]), []).append(lane)
        told = {lane: _unknown(start, lanes[lane]) for lane in groups.pop(-1, ())}
        for last in sorted(groups):
            first = int(edges[np.searchsorted(edges, last) - 1])
            if first > start:
                carry, start = on_host(self._advanced(carry, self._edges(start, first, parts=1))), first
            told |= self.within(carry, start, dict.fromkeys(groups[last], last))
        return told

    def _edges(self, start: int, end: int, parts: int = SEGMENTS) -> np.ndarray:
        """Ends of stretches, the start first; edits act at some of them."""
        events = [step for step in self.events if start < step < end]
        return np.unique([*np.linspace(start, end, parts + 1).round().astype(int), *events])

    def _advanced(self, carry: Any, edges: np.ndarray) -> Any:
        """The carry after the last edge, edits there included, from one after the first."""
        nothing = (False,) * self.block.key.events
        placed = self.block.put(carry)
        for first in range(0, len(edges) - 1, SEGMENTS):
            part = edges[first : first + SEGMENTS + 1]
            flags = [self.events.get(int(end), nothing) for end in part[1:]]
            steps = np.diff(part).tolist()
            placed, _ = self.block.advance(
                self.runs, self.feed, self.frame, placed, int(part[0]), steps, flags
            )
        return placed

    def _diagnosed(self, carry: Any, step: int, lanes: Iterable[int]) -> dict[int, str]:
        after = self._advanced(carry, np.asarray([step, step + 1]))
        losses = np.asarray(jax.device_get(after.bad_step))
        flags = self._flags((self.block.put(carry), after), step)
        return {
            lane: loss_trouble(step)
            if losses[lane] == step
            else f"{_where(flags, lane)} not finite at step {step}"
            for lane in lanes
        }

    def _flags(self, carries: tuple[Any, Any], step: int) -> Any:
        return jax.device_get(self.block.diagnose(self.runs, self.feed, self.frame, carries, step))


def on_host(carry: Any) -> Any:
    """A copy of a carry: that on the device is used up by the next call."""
    return jax.tree.map(lambda leaf: from_numbers(np.array(to_numbers(leaf)), leaf), jax.device_get(carry))


def _where(
    flags: Mapping[str, Mapping[str, np.ndarray]], lane: int, kinds: Iterable[str] = tuple(_WHAT)
) -> str:
    """What broke first, and in which leaves."""
    same = set(flags["coordinates"]) == set(flags["weights"])
    for kind in kinds:
        broken = [path for path, flag in flags[kind].items() if flag[lane]]
        if broken:
            kind = "weights" if kind == "coordinates" and same else kind
            return _WHAT[kind].format(_listed(broken)).strip()
    return "numbers"


def _listed(paths: list[str]) -> str:
    """The first few of some leaves; a lone array has no name."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more


def _unknown(start: int, end: int) -> str:
    return f"numbers not finite in one of the steps {start} to {end - 1}"
