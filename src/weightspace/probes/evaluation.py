"""Loss and metrics on the splits of the data."""

from weightspace.errors import check_choice
from weightspace.measure.host import TRAIN_EXAMPLES
from weightspace.measure.network import SPLITS, STATISTICS
from weightspace.probes.base import At, Carry, Probe, Scalar, at_the_end
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import spec, static


@spec
class Evaluation(Probe):
    """Mean loss and metrics; columns are `[point_]split_metric`, such as `test_accuracy`.

    Attributes:
      splits: Which parts of the data; `validation` is left out where a run sets none aside.
      names: Points of the space; "" is its default.
      train_examples: The train split is measured on so many examples spread evenly over it, and on all of it
        at the end.
      statistics: What normalisation layers use: their `running` statistics, those of each `batch` of 500
        (dropout then acts), `recalibrated` ones, estimated anew from training examples for the weights at
        each point, or `pooled` ones, with the variance between batches. Batches are formed by content: no
        number depends on the order of a file.
      last: Further splits, measured at the end of training only, whole.

    Any number of points is measured in one reading of the data.
    """

    @property
    def version(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """2: batches by content, or many points; 3: statistics of all examples, or those of `last`."""
        if self.statistics == "running":
            return 1 if len(self.names) == 1 else 2
        return 3 if self.last or self.statistics != "batch" else 2

    splits: tuple[str, ...] = static(default=SPLITS)
    names: tuple[str, ...] = static(default=(DEFAULT_POINT,))
    train_examples: int = static(default=TRAIN_EXAMPLES)
    statistics: str = static(default="running")
    last: tuple[str, ...] = static(default=(), neutral=())

    def validate(self) -> None:
        """Known splits and statistics."""
        for name in (*self.splits, *self.last):
            check_choice("split", name, SPLITS)
        check_choice("statistics", self.statistics, STATISTICS)

    @property
    def columns(self) -> tuple[str, ...]:
        """`[point_]split`."""
        splits = dict.fromkeys((*self.splits, *self.last))
        return tuple(f"{name}_{split}" if name else split for name in self.names for split in splits)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """One evaluation for each split."""
        record: dict[str, Scalar] = {}
        for split in self.splits:
            if split == "validation" and not at.run.task.data.validation:
                continue
            limit = self.train_examples if split == "train" else None
            record |= self._measured(at, split, limit)
        if self.last:
            record |= at_the_end(at, lambda: self._whole(at))
        return record, carry

    def _whole(self, at: At) -> dict[str, Scalar]:
        record: dict[str, Scalar] = {}
        for split in self.last:
            record |= self._measured(at, split, None)
        return record

    def _measured(self, at: At, split: str, limit: int | None) -> dict[str, Scalar]:
        if len(self.names) == 1:
            (name,) = self.names
            found = at.evaluate(split, name, limit, self.statistics)
            return {_column(name, split, metric): value for metric, value in found.items()}
        networks = at.network(self.names, self.statistics)
        many = at.measure(networks, split, limit=limit, by_batch=self.statistics == "batch", many=True)
        return {
            _column(name, split, metric): values[i]
            for i, name in enumerate(self.names)
            for metric, values in many.items()
        }


def _column(point: str, split: str, metric: str) -> str:
    return f"{point}_{split}_{metric}" if point else f"{split}_{metric}"
