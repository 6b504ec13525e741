"""`sparsity.dynamic`: do networks whose connections change while they train reach those that are pruned?"""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment, Paper
from weightspace.experiments.settings import number
from weightspace.experiments.sparsity.arms import DENSE, Sparse
from weightspace.experiments.training import Training
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.spaces.full import Full
from weightspace.tables.curves import Curves, Traces
from weightspace.tables.means import Means
from weightspace.tables.paired import Pairs

EVCI_2020 = Paper(
    title="Rigging the Lottery: Making All Tickets Winners",
    bibtex="""@inproceedings{evci2020rigging,
  title = {Rigging the Lottery: Making All Tickets Winners},
  author = {Evci, Utku and Gale, Trevor and Menick, Jacob and Castro, Pablo Samuel and Elsen, Erich},
  booktitle = {International Conference on Machine Learning},
  year = {2020},
}""",
    figure="Figure 2",
)
SMOKE = ("static-erk", "set-erk", "rigl-erk", "gradual-global", "one-shot-global")
METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss", "mask_explored")
ACCURACY = ("test_accuracy",)


class Dynamic(
    Experiment,
    name="sparsity.dynamic",
    question="Do sparse networks that change their connections in training reach those that are pruned?",
    paper=EVCI_2020,
    reading="The dashed line is the dense network. An arm near it loses nothing by its zeros; the gap "
    "between a static random network and the arms that exchange connections is what the exchange is worth.",
    presets={
        "smoke": {"model": "fc:widths=32,16", "epochs": 5.0, "finetune": 2.0, "lr": 0.005, "every": "5it",
                  "seeds": ("2",), "sparsities": (0.9,), "arms": SMOKE},
        "quick": {"seeds": ("3",), "every": "20it"},
        "mnist": {"data": "mnist", "seeds": ("5",)},
    },
    by=("arm", "sparsity"),
    metrics=METRICS,
):  # fmt: skip
    """Do sparse networks that change their connections in training reach those that are pruned?"""

    training: Training = Training(epochs=10.0, optimiser="adam", lr=0.0012, batch_size=60)
    sparse: Sparse = Sparse()
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def check(self) -> None:
        """Arms are known."""
        self.sparse.check()

    def ask(self) -> Iterator[Row]:
        """The dense network, and every arm at every sparsity."""
        watch = self.training.watching()
        for seeds in self.training.each_seed():
            yield Row({"arm": DENSE, "sparsity": 0.0}, self.training.run(Full(), seeds), watch)
            for arm, sparsity, run in self.sparse.runs(self.training, seeds):
                yield Row({"arm": arm, "sparsity": sparsity}, run, watch)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means, curves and paired comparisons with the first arm."""
        arms = ("arm", "sparsity")
        return (
            Answer("means", Means(METRICS, by=arms, interval=self.confidence), shown=0),
            Answer("pairs", Pairs(ACCURACY, arm="arm", against=self.sparse.arms[0], within=("sparsity",))),
            Answer(
                "curve",
                Curves(ACCURACY, x="sparsity", arms=("arm",)),
                Curve(x="sparsity", arms=("arm",), name="sparsity", title="Accuracy against sparsity",
                      baseline=("arm", DENSE), baseline_words=("dense", "the dense network"), spread="sd"),
                shown=0,
            ),
            Answer(
                "changes",
                Traces(("mask_density", "mask_explored"), arms=arms),
                Curve(x="step", arms=arms, name="changes", spread="sd",
                      title="What masks keep, and what they have tried"),
                shown=0,
            ),
        )  # fmt: skip
