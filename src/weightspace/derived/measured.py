"""Measured: a network of a run on parts of the data, after the training: a new metric costs an evaluation."""

import functools
from typing import Any

import jax

from weightspace.data.examples import Examples
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice
from weightspace.measure.host import TRAIN_EXAMPLES, measure, stacked
from weightspace.measure.network import SPLITS, STATISTICS, Network, Subject
from weightspace.models.base import layout_of, output_shape_of
from weightspace.models.fit import check_finite_tree, check_fit
from weightspace.node import Derived
from weightspace.precision import Precision
from weightspace.spec import canonical, spec, static
from weightspace.streams import Seeds
from weightspace.tree import Tree


@spec
class Measured(Derived):
    """Metrics of one network: columns `<split>_<metric>`, with those metrics that the task names.

    The task's metrics are no part of a training's identity, but of this value's: another metric is another
    `Measured`, and the training is left as it is.

    Attributes:
      model: The network.
      task: Data, loss and metrics.
      network: Weights and state, as `run.network()` gives them.
      seeds: Of the run, by which its examples were chosen.
      splits: On which parts of the data.
      statistics: What normalisation goes by, as in `Evaluation`.
      train_examples: Of the train split, spread evenly over it; None for all.
      data: Another set to measure on, with the same kind of targets, its inputs normalised as it says itself;
        statistics of layers come from the run's own.
      precision: The arithmetic.
    """

    model: Any
    task: Task
    network: Network
    seeds: Seeds
    splits: tuple[str, ...] = static(default=("test",))
    statistics: str = static(default="running")
    train_examples: int | None = static(default=TRAIN_EXAMPLES)
    data: Any = static(default=None)
    precision: Precision = Precision()

    def validate(self) -> None:
        """Known splits and statistics."""
        for name in self.splits:
            check_choice("split", name, SPLITS)
        check_choice("statistics", self.statistics, STATISTICS)

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """With the task's metrics."""
        return super().canonical | {"metrics": canonical(self.task.metrics)}

    def compute(self) -> dict[str, Tree]:
        """One reading of each part."""
        data = self.task.data
        dtype = data.input_dtype(self.precision.storage)
        layout = layout_of(self.model, tuple(data.shape), dtype)
        self._check(output_shape_of(self.model, tuple(data.shape), dtype))
        check_fit("a network to measure", self.network.weights, layout)
        check_finite_tree("the network to measure", self.network.weights)
        splits = {split: self.train_examples if split == "train" else None for split in self.splits}
        found = measure(
            Subject(self.model, self.task, self.seeds, self.precision), stacked([self.network]), splits,
            self.statistics, data=self.data,
        )  # fmt: skip
        return {name: float(values[0]) for name, values in jax.device_get(found).items()}

    def _check(self, outputs_shape: tuple[int, ...]) -> None:
        """Metrics fit the network's outputs, and another set is of the same kind as the run's own."""
        own, other = self.task.data, self.data
        self.task.check(outputs_shape)
        if other is None:
            return
        if not isinstance(other, Examples):
            raise InputError(f"Measured.data is of type {type(other).__name__}; give Data, as make_data does")
        theirs, ours = ((each.shape, each.classes, each.outputs) for each in (other, own))
        if theirs != ours:
            raise InputError(
                f"'{other.name}' has inputs of shape {other.shape} and {other.outputs} outputs "
                f"({other.classes or 'no'} classes), but the network learnt '{own.name}' of {own.shape} and "
                f"{own.outputs} ({own.classes or 'no'}); give a set of the same kind"
            )
