"""Loss and metrics on the splits of the data."""

from weightspace.errors import check_choice
from weightspace.probes.base import At, Carry, Probe, Scalar, at_the_end
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import spec, static
from weightspace.tree import Tree

SPLITS = ("train", "validation", "test")
STATISTICS = ("running", "batch", "recalibrated")
TRAIN_EXAMPLES = 5_000


@spec
class Evaluation(Probe):
    """Mean loss and metrics; columns are `[point_]split_metric`, such as `test_accuracy`.

    Attributes:
      splits: Which parts of the data; `validation` is left out where a run sets none aside.
      names: Points of the space; "" is its default.
      train_examples: The train split is measured on so many examples spread evenly over it, and on all of it
        at the end.
      statistics: What normalisation layers use: their `running` statistics, those of each `batch` of 500
        (dropout then acts), or `recalibrated` ones, estimated anew from training examples for the weights at
        each point. Batches are formed by content: no number depends on the order of a file.
      last: Further splits, measured at the end of training only, whole, with running statistics.
    """

    @property
    def version(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """2 where batches are normalised: since then they go by content, not by the order of the file."""
        return 1 if self.statistics == "running" else 2

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
        """One evaluation for each point and split."""
        record: dict[str, Scalar] = {}
        for point in self.names:
            for split in self.splits:
                if split == "validation" and not at.run.task.data.validation:
                    continue
                prefix = f"{point}_{split}" if point else split
                limit = self.train_examples if split == "train" else None
                measured = at.evaluate(split, point, limit, self.statistics)
                record |= {f"{prefix}_{metric}": value for metric, value in measured.items()}
        if self.last:
            # Read here: what is computed first within a branch must not be shared outside of it.
            weights = {point: at.weights(point) for point in self.names}
            record |= at_the_end(at, lambda: self._whole(at, weights))
        return record, carry

    def _whole(self, at: At, weights: dict[str, Tree]) -> dict[str, Scalar]:
        record: dict[str, Scalar] = {}
        for point in self.names:
            for split in self.last:
                measured = at.measure(weights[point], at.state, split)
                prefix = f"{point}_{split}" if point else split
                record |= {f"{prefix}_{metric}": value for metric, value in measured.items()}
        return record
