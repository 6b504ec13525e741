"""`tickets.overlap`: do criteria and seeds choose the same weights?

One-shot masks of one dense run a seed: every two criteria of the same seed, and every two seeds by the same
criterion, beside the overlap of masks drawn at random.
"""

import itertools
from collections.abc import Iterator

from weightspace.derived.overlap import Overlap
from weightspace.errors import check_number
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.tickets.paper import PAPER, SMOKE_PRUNED
from weightspace.experiments.tickets.recipes import Pruning, TicketTraining
from weightspace.figures.charts import Matrix
from weightspace.masks.criteria import MAIN, make_criterion
from weightspace.run import Row, Run
from weightspace.tables.base import On, Where
from weightspace.tables.means import Means
from weightspace.tables.words import Label

CRITERIA, SEEDS = "criteria", "seeds"
METRICS = ("iou", "expected_iou", "sign_agreement")
CHANCE = "by chance, of masks drawn independently with as many weights in each layer."


class TicketsOverlap(
    Experiment,
    name="tickets.overlap",
    question="Do criteria, and do seeds, choose the same weights?",
    paper=PAPER,
    figure="Figure 2: mask criteria, as sets of weights",
    reading="The overlap of two masks is the number of weights that both keep over the number that either "
    "keeps. Masks drawn at random overlap too, the less the sparser they are: that share is named beside "
    "each map. Networks of two seeds have their units in different orders, so that masks of two seeds should "
    "overlap by chance only, except where a layer is tied to the data.",
    presets={
        "smoke": SMOKE_PRUNED
        | {"criteria": ("large_final", "magnitude_increase", "random"), "rounds": (1, 3)},
        "quick": {"epochs": 12.0, "seeds": ("5",)},
        "paper": {"seeds": ("5",)},
    },
    by=("part", "round", "criterion", "other"),
    metrics=METRICS,
    columns=Where((("part", (CRITERIA, SEEDS)),)),
    words=(Label("round", "rounds of pruning", "{:g} rounds", ((1, "1 round"),), symbol="k"),),
):
    """How much do masks by different criteria, or of different seeds, have in common?"""

    training: TicketTraining = TicketTraining()
    pruning: Pruning = Pruning()
    criteria: tuple[str, ...] = swept(*MAIN)
    """The criteria whose masks are compared: large_final, magnitude_increase, movement, random, …"""
    rounds: tuple[int, ...] = swept(4, 8, 12)
    """Sparsities, as rounds of pruning done in one."""

    def check(self) -> None:
        """Criteria are known, and a round removes weights."""
        for name in self.criteria:
            make_criterion(name)
        for number in self.rounds:
            check_number("rounds", number, least=1, hint="A round removes weights; 0 is no mask.")

    def ask(self) -> Iterator[Row]:
        """The dense runs, and every two masks that differ in criterion or seed alone."""
        dense = [self.training.dense(seeds) for seeds in self.training.each_seed()]
        for run in dense:
            yield self.pruning.row(self.training, {"part": "training"}, run)
        for number in self.rounds:
            for run in dense:
                for by in itertools.combinations(self.criteria, 2):
                    yield self._pair(CRITERIA, by, (run, run), number)
            for name in self.criteria:
                for runs in itertools.combinations(dense, 2):
                    yield self._pair(SEEDS, (name, name), runs, number)

    def _pair(self, part: str, by: tuple[str, str], runs: tuple[Run, Run], number: int) -> Row:
        pairs = zip(runs, by, strict=True)
        masks = tuple(self.pruning.mask(self.training, run, name, number) for run, name in pairs)
        # The signs of one training agree with themselves.
        weights = tuple(self.pruning.scored(self.training, run) for run in runs) if part == SEEDS else ()
        labels = {
            "part": part, "criterion": by[0], "other": by[1], "round": number,
            "seed": runs[0].seeds.base, "other_seed": runs[1].seeds.base,
        }  # fmt: skip
        overlap = Overlap(self.training.network, self.training.shape, masks, weights)
        return Row(labels | self.training.named, overlap)

    def answered_by(self) -> tuple[Answer, ...]:
        """Maps of the overlap between criteria and between seeds."""
        look = {"value": "iou", "order": self.criteria, "words": "intersection over union"}
        look |= {"chance": "expected_iou"}

        def means(part: str, *by: str) -> On:
            return On(Where((("part", (part,)),)), Means(METRICS, by))

        return (
            Answer(CRITERIA, means(CRITERIA, "round", "criterion", "other"), Matrix(
                "criterion", "other", facet="round", name="overlap-criteria", symmetric=True,
                title="Overlap of masks between criteria", counted="seed", **look,
                caption="Weights that two criteria both keep over those that either keeps, all kernels "
                f"together; means over {{n}}. In brackets: {CHANCE}"), shown=0),
            Answer(SEEDS, means(SEEDS, "round", "criterion"), Matrix(
                "criterion", "round", name="overlap-seeds", title="Overlap of masks between seeds",
                counted="pair", **look,
                caption="Weights that the masks of two seeds both keep over those that either keeps, by one "
                f"criterion; means over pairs of seeds ({{n}}). In brackets: {CHANCE}"), shown=0),
        )  # fmt: skip
