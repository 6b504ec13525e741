"""GreedySoup: the mean of those of several networks that help it, judged by validation data.

Wortsman et al., "Model soups", 2022, Recipe 1: networks in the order of their own validation accuracy; each
is kept if the mean of those kept and itself is no worse than the mean of those kept.
"""

from typing import Any

import numpy as np

from weightspace.data.task import Task
from weightspace.derived.averages import check_alike, mixed
from weightspace.errors import InputError, check_choice
from weightspace.measure.host import measure, stacked
from weightspace.measure.network import ESTIMATED, Network, Subject
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.node import Derived
from weightspace.precision import Precision
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.tree import Tree


@spec
class GreedySoup(Derived):
    """Output `weights`, the mean of the networks kept, and `members`, their numbers in the order taken.

    Columns `soup_models`, how many were kept, `soup_validation_accuracy` of their mean and
    `soup_first_accuracy` of the best network alone, on the validation split; of equal ones the earlier comes
    first. The split also picks: on it the soup is no worse than its best member by construction.

    Attributes:
      model: The network.
      task: Data and loss; targets are classes, and some examples are set aside for validation.
      networks: Weights and states, as `run.network()` gives them.
      seeds: Of the runs, by which validation examples were set aside.
      statistics: How those of members and means are estimated, `recalibrated` or `pooled`: a mean has none
        of its own.
      precision: The arithmetic.
    """

    model: Any
    task: Task
    networks: tuple[Network, ...]
    seeds: Seeds
    statistics: str = static(default="recalibrated")
    precision: Precision = Precision()

    def validate(self) -> None:
        """Networks, known statistics, a validation split."""
        if not self.networks:
            raise InputError("there are no networks for a soup; give some: (a.network(), b.network())")
        check_choice("statistics", self.statistics, ESTIMATED)
        if not self.task.data.validation:
            raise InputError("a greedy soup needs a validation split; give the data validation=<examples>")

    def blank(self) -> dict[str, Tree]:
        """Weights like the first network's."""
        return {"weights": self.networks[0].weights}

    def compute(self) -> dict[str, Any]:
        """One reading of the split a network, and one a mean of several."""
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype(self.precision.storage))
        check_alike([network.weights for network in self.networks])
        check_fit("a network of a soup", self.networks[0].weights, layout)
        alone = [self._accuracy(network.weights, network.state) for network in self.networks]
        order = sorted(range(len(alone)), key=lambda i: -alone[i])
        kept, best = [order[0]], alone[order[0]]
        for i in order[1:]:
            accuracy = self._accuracy(self._mean([*kept, i]), self.networks[i].state)
            if accuracy >= best:
                kept, best = [*kept, i], accuracy
        return {
            "weights": self._mean(kept), "members": np.asarray(kept, np.int32), "soup_models": len(kept),
            "soup_validation_accuracy": best, "soup_first_accuracy": alone[order[0]],
        }  # fmt: skip

    def _mean(self, members: list[int]) -> Tree:
        shares = np.full(len(members), 1 / len(members))
        return mixed([self.networks[i].weights for i in members], lambda _, __: shares)

    def _accuracy(self, weights: Tree, state: Any) -> float:
        subject = Subject(self.model, self.task, self.seeds, self.precision)
        found = measure(subject, stacked([Network(weights, state)]), {"validation": None}, self.statistics)
        if "validation_accuracy" not in found:
            raise InputError(
                "a greedy soup goes by accuracy, but the task measures none: "
                f"{', '.join(sorted(found))}; give it targets that are classes"
            )
        return float(found["validation_accuracy"][0])
