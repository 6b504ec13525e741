"""`subspaces.lines`: is one trained line of networks as good as separate trainings, alone and as pairs?"""

from collections.abc import Iterator
from typing import Any

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.subspaces.tables import along, differences
from weightspace.experiments.subspaces.training import PRESETS, PathTraining
from weightspace.experiments.subspaces.words import METRICS, READING, WORDS, WORTSMAN_2021
from weightspace.run import Row
from weightspace.spaces.simplex import Line


class SubspacesLines(
    Experiment,
    name="subspaces.lines",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="Fig. 4",
    reading=READING,
    presets=PRESETS,
    by=("part", "method"),
    metrics=METRICS,
    words=WORDS,
):
    """Is one trained line of networks as good as separate trainings, alone and as pairs?"""

    training: PathTraining = PathTraining()
    betas: tuple[float, ...] = swept(1.0, 0.0, words="β", least=0)
    """β of the penalty β cos² of the ends."""
    layerwise: bool = True
    """Whether there is a line, at the first β, with a draw for each module."""
    samples: tuple[int, ...] = swept(2, words="samples", empty=True, least=2)
    """S, draws of a batch; a line at the first β for each."""

    def ask(self) -> Iterator[Row]:
        """Two standard trainings, the lines, and what lies on them."""
        for seeds in self.training.each_seed():
            yield from self.training.references(seeds)
            for method, options, samples in self._arms():
                run = self.training.run(Line(**options), seeds, samples=samples)
                yield from self.training.region(method, run)

    def _arms(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        for beta in self.betas:
            yield f"line, β = {beta:g}", {"beta": beta}, 1
        first = self.betas[0]
        if self.layerwise:
            yield f"layerwise line, β = {first:g}", {"beta": first, "layerwise": True}, 1
        for samples in self.samples:
            yield f"line, β = {first:g}, S = {samples}", {"beta": first}, samples

    def answered_by(self) -> tuple[Answer, ...]:
        """Against α, and differences by seed."""
        return (*along(), differences())
