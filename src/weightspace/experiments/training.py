"""What experiments that train over seeds share: seeds and streams, cadence and probes, precision."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

from weightspace.errors import InputError
from weightspace.experiments.base import Experiment
from weightspace.experiments.seeds import parse_seeds
from weightspace.precision import Precision
from weightspace.probes import Evaluation, Probe, make_probe
from weightspace.run import Watch
from weightspace.streams import Seeds


@dataclasses.dataclass(frozen=True)
class TrainingSweep(Experiment):
    """Fields of an experiment whose rows are trainings."""

    seeds: tuple[str | int, ...] = ("3",)
    """Number of runs at each point (from seed 0), a list of seeds, or a range such as 100:105."""
    eval_every: str = "1ep"
    """Evaluation cadence: 1ep or 50it."""
    probes: tuple[str, ...] = ()
    """Further probes to record, with options as in bias-path:layer=2: see `list probes`."""
    dtype: str = "float32"
    """float32, float64 or bfloat16."""
    init_seed: int | None = None
    """One initialisation for all runs."""
    data_seed: int | None = None
    """One data order for all runs."""

    def numbered_seeds(self, **streams: int | None) -> Iterator[Seeds]:
        """The seeds of each run; runs of one seed share initialisation and data order.

        Args:
          streams: Seeds of further streams that all runs share.
        """
        for base in parse_seeds(self.seeds):
            yield Seeds(base, init=self.init_seed, order=self.data_seed, **streams)

    @property
    def precision(self) -> Precision:
        """The arithmetic."""
        return Precision(self.dtype)

    @property
    def evaluation(self) -> Evaluation:
        """What is measured at each reading."""
        return Evaluation(("train", "test"))

    @property
    def own_probes(self) -> tuple[str, ...]:
        """Probes that the question itself needs, by name."""
        return ()

    @functools.cached_property
    def watch(self) -> Watch:
        """Evaluation, the question's own probes, and those asked for."""
        wanted = tuple(dict.fromkeys((*self.own_probes, *self.probes)))
        return Watch(self.eval_every, (self.evaluation, *further(wanted, ("evaluation",))))


def further(wanted: Sequence[str], own: tuple[str, ...]) -> tuple[Probe, ...]:
    """The probes asked for beside those that a question has itself, in its own settings.

    Raises:
      InputError: If one of its own is asked for in other settings: both would write the same columns.
    """
    for name in wanted:
        base, _, options = name.partition(":")
        if base in own and options:
            raise InputError(
                f"probe '{name}': the experiment records {base} itself, in settings of its own; "
                "leave it out of probes"
            )
    return tuple(make_probe(name) for name in wanted if name not in own)
