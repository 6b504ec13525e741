"""Known: what is found once for all runs of a question that share it.

Runs of one kin have equal models, data, losses, spaces, recipes and precision, and differ in seeds and edits
alone: how long they train, what their weights are, whether parts fit together is asked once a kin. What may
look at a run's own seeds, the checks of edits and probes, is asked of each run. Parts are told apart by their
canonical text, which says all that their numbers depend on; those that may leave something out of it, by
which object they are, held here so that no other takes its place.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from weightspace.data.base import Data
from weightspace.data.task import Task
from weightspace.measure.evaluate import BATCH
from weightspace.models.base import output_shape_of
from weightspace.models.layout import Layout
from weightspace.run import Run
from weightspace.spec import Spec, canonical_json
from weightspace.training.step import layout_of_run

T = TypeVar("T")


@contextlib.contextmanager
def growing() -> Iterator[None]:
    """Leave off looking for garbage in cycles, where a million objects are made that stay."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Kin:
    """What runs share that differ in seeds and edits alone; found as it is asked for.

    Attributes:
      found: What was found so far, by name.
    """

    __slots__ = ("found", "run")

    def __init__(self, run: Run):
        self.run = run
        self.found: dict[Any, Any] = {}

    def once(self, name: Any, find: Callable[[Run], T]) -> T:
        """Something that one of the runs says for all of them.

        Args:
          name: What it is called.
          find: Finds it.
        """
        if name not in self.found:
            self.found[name] = find(self.run)
        return self.found[name]


class Known:
    """What was found so far in one look at a question."""

    def __init__(self) -> None:
        self._kin: dict[Any, Kin] = {}
        self._kin_of: dict[int, tuple[Run, Kin]] = {}
        self._found: dict[Any, Any] = {}
        self._held: dict[int, Any] = {}

    def once(self, name: Any, find: Callable[[], T]) -> T:
        """Something that is found once; its name says all that it depends on."""
        if name not in self._found:
            self._found[name] = find()
        return self._found[name]

    def held(self, part: Any) -> int:
        """Which object a part is, for as long as this lives."""
        self._held[id(part)] = part
        return id(part)

    def said(self, part: Any) -> Any:
        """What tells a part from others: what it says of itself, or which object it is."""
        kind = type(part)
        if kind is Task:
            return self.once(("said", self.held(part)), lambda: self._said_of_task(part))
        if kind is Data or (isinstance(part, Spec) and kind.canonical is Spec.canonical):
            return kind, canonical_json(part)
        return self.held(part)

    def _said_of_task(self, task: Task) -> Any:
        return self.said(task.data), self.said(task.loss), tuple(map(self.held, task.metrics))

    def kin(self, run: Run) -> Kin:
        """What a run shares with others."""
        known = self._kin_of.get(id(run))
        if known is None:
            parts = (run.model, run.task, run.space, run.recipe, run.precision)
            name = tuple([self.said(part) for part in parts])
            found = self._kin.get(name)
            if found is None:
                found = self._kin[name] = Kin(run)
            known = self._kin_of[id(run)] = (run, found)
        return known[1]

    def steps(self, run: Run) -> tuple[int, int]:
        """Steps of a run, and steps of its epoch."""
        return self.kin(run).once("steps", self._steps)

    def _steps(self, run: Run) -> tuple[int, int]:
        data, recipe = run.task.data, run.recipe
        size, counted = self.once(("size", self.said(data)), lambda: (data.size, data.counted))
        return recipe.steps(size, counted), recipe.steps_per_epoch(size, counted)

    def layout(self, run: Run) -> Layout:
        """What each leaf of the weights of a run's model is."""
        return self.kin(run).once("layout", self._layout)

    def _layout(self, run: Run) -> Layout:
        parts = (run.model, run.task.data, run.precision)
        return self.once(("layout", *map(self.said, parts)), lambda: layout_of_run(run))

    def coordinates(self, run: Run) -> Layout:
        """What each leaf of a run's coordinates is; its space is checked.

        Raises:
          InputError: If the space does not fit the model.
        """
        layout = self.layout(run)

        def find() -> Layout:
            run.space.check(layout)
            return run.space.coordinates(layout)

        return self.once(("coordinates", self.said(run.space), self.held(layout)), find)

    def check_data(self, data: Any) -> None:
        """Refuse data that cannot be trained on."""
        self.once(("data", self.held(data)), data.check)

    def check_parts(self, run: Run) -> None:
        """Refuse what does not fit together, but for edits and probes.

        Raises:
          InputError: If something does not.
        """
        self.kin(run).once("checked", self._check_parts)

    def _check_parts(self, run: Run) -> None:
        model, data, recipe = run.model, run.task.data, run.recipe
        sizes = (recipe.batch, recipe.samples)
        parts = (*map(self.said, (model, run.task, run.precision)), *sizes)
        self.once(("task", *parts), lambda: _check_task(run))
        recipe.check(self.coordinates(run))
        if recipe.augment is not None:
            recipe.augment.check(data)
        self.steps(run)


def _check_task(run: Run) -> None:
    data, storage = run.task.data, run.precision.storage
    data.check_digits(run.precision.dtype)
    shape = output_shape_of(run.model, tuple(data.shape), data.input_dtype(storage))
    run.task.check(shape, batch_sizes(run))


def batch_sizes(run: Run) -> tuple[int, ...]:
    """The sizes of the batches on which a run's loss and metrics are computed."""
    parts = (run.task.data.size, run.task.data.validation, len(run.task.data.arrays().test.y))
    return (run.recipe.batch // run.recipe.samples, *(min(size, BATCH) for size in parts if size))
