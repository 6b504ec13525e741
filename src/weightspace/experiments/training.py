"""What experiments train: recipes that a field holds as its value, with runs, seeds, cadence, probes.

`Repeats` says how often and what is recorded. `Training` adds the network, the data and the optimiser, and
gives runs in any space. Experiments that sweep one of these fields have a recipe of their own, beside
`Repeats`.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from weightspace.errors import InputError
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import number, swept
from weightspace.node import ancestors, outputs_in
from weightspace.precision import Precision
from weightspace.probes import Evaluation, Probe, make_probe
from weightspace.run import Run, Watch
from weightspace.streams import Seeds

if TYPE_CHECKING:
    from weightspace.data.task import Task
    from weightspace.models.base import Model
    from weightspace.recipes.base import Recipe
    from weightspace.spaces.base import Space
else:
    Task = Model = Recipe = Space = Any


@dataclasses.dataclass(frozen=True)
class Repeats:
    """How often a training is repeated, and what is recorded of it."""

    seeds: tuple[str | int, ...] | int = swept("3", words="seeds", meant=parse_seeds)
    """Number of runs at each point (from seed 0), a list of seeds, or a range such as 100:105."""
    # Nothing that passes: the best reading, windows and first moments are of the readings there are.
    eval_every: str = "1ep"
    """Evaluation cadence: 1ep or 50it."""
    probes: tuple[str, ...] = swept(empty=True)
    """Further probes to record, with options as in bias-path:layer=2: see `list probes`."""
    dtype: str = "float32"
    """float32, float64 or bfloat16."""
    init_seed: int | None = None
    """One initialisation for all runs."""
    data_seed: int | None = None
    """One data order for all runs."""

    def each_seed(self, **streams: int | None) -> Iterator[Seeds]:
        """The seeds of each run; runs of one seed share initialisation and data order.

        Args:
          streams: Seeds of further streams that all runs share.
        """
        for base in parse_seeds(self.seeds):
            yield self.seeded(base, **streams)

    def seeded(self, base: int, **streams: int | None) -> Seeds:
        """The seeds of one run."""
        return Seeds(base, init=self.init_seed, order=self.data_seed, **streams)

    @property
    def precision(self) -> Precision:
        """The arithmetic."""
        return Precision(self.dtype)

    def watching(self, evaluation: Evaluation | None = None, own: Sequence[str] = ()) -> Watch:
        """What is recorded of a run.

        Args:
          evaluation: What is measured at each reading; training and test split where nothing is said.
          own: Probes that the question itself needs, by name; those asked for come after them.
        """
        wanted = tuple(dict.fromkeys((*own, *self.probes)))
        return Watch(
            self.eval_every, (evaluation or Evaluation(("train", "test")), *further(wanted, ("evaluation",)))
        )


@dataclasses.dataclass(frozen=True)
class Training(Repeats):
    """A network, what it learns, and how it is trained."""

    model: str = "fc"
    """Network: a name of `list models`, with options as in `fc:widths=512,512`, or package.module:factory."""
    data: str = "digits"
    """Data set: a name of `list data`, a folder, or package.module:factory."""
    validation: int = 0
    """Training examples set aside by seed for validation."""
    epochs: float = number(5, above=0)
    """Passes over the training data."""
    optimiser: str = "momentum"
    """How the network is trained: sgd, momentum, adam, adamw, rmsprop."""
    lr: float = 0.05
    """Learning rate."""
    weight_decay: float = 0.0
    """Decoupled for adamw, which needs one, else added to the gradient; acts on what is trained."""
    batch_size: int = 128
    """Examples of a step."""
    from_file: str = ""
    """A network's file from which trainings start (--from), in safetensors: of `export`, or of PyTorch.
    Weights alone: running statistics of normalisation begin anew. Of a line or a simplex the first vertex
    starts there; trainings that go on from others stay as they are."""

    @functools.cached_property
    def task(self) -> Task:
        """Data and cross-entropy."""
        from weightspace.data import make_data
        from weightspace.data.task import Task
        from weightspace.recipes.losses import CrossEntropy

        return Task(make_data(self.data, validation=self.validation), CrossEntropy())

    def network(self, model: str | None = None) -> Model:
        """A model for the data's shape: this one, or another by name."""
        from weightspace.models.zoo import make

        data = self.task.data
        return make(model or self.model, data.shape, data.outputs, data.input_dtype("float32"))

    def watching(self, evaluation: Evaluation | None = None, own: Sequence[str] = ()) -> Watch:
        """As `Repeats`, with the examples set aside for validation, if any, among what is measured."""
        splits = ("train", "validation", "test") if self.validation else ("train", "test")
        return super().watching(evaluation or Evaluation(splits), own)

    def recipe(self, **changes: Any) -> Recipe:
        """How it is trained.

        Args:
          changes: Other values of `optimiser`, `lr`, `epochs`, `batch_size` or `weight_decay`.
        """
        from weightspace.recipes.base import Recipe, make_decay
        from weightspace.recipes.optimisers import make_optimiser

        own = dataclasses.replace(self, **changes)
        decay = make_decay(own.optimiser, own.weight_decay)
        optimiser = make_optimiser(own.optimiser, own.lr)
        return Recipe(optimiser, f"{own.epochs:g}ep", batch=own.batch_size, decay=decay)

    def run(self, space: Space, seeds: Seeds, model: str | None = None, **changes: Any) -> Run:
        """A training in a space.

        Args:
          space: Where its weights may lie.
          seeds: Of the run.
          model: Another network by name.
          changes: As of `recipe`.
        """
        recipe = self.recipe(**changes)
        network = self.network(model)
        return Run(network, self.task, self._started(space, network), recipe, seeds, precision=self.precision)

    @functools.cached_property
    def _read(self) -> dict[str, Any]:
        """What the file holds, by the network it was read for: once for all runs of a question."""
        return {}

    def _started(self, space: Space, network: Model) -> Space:
        """A space whose coordinates begin at the file's network, or go on from a training that did.

        Raises:
          InputError: If they begin anywhere else: the file would be named and not used.
        """
        if not self.from_file:
            return space
        from weightspace.derived.stored_network import StoredNetwork

        if network.digest not in self._read:
            self._read[network.digest] = StoredNetwork.of(self.from_file, network, self.task)
        stored = self._read[network.digest]
        start = stored.output("weights", shared=True)
        given: Any = space
        for field in ("start", "starts", "offset"):
            if hasattr(given, field):
                if (own := getattr(given, field)) is not None:
                    _check_goes_on(own, stored)
                    return space
                value = (start, *[None] * (given.vertices - 1)) if field == "starts" else start
                return dataclasses.replace(given, **{field: value})
        raise InputError(
            f"from_file starts trainings of all weights, of masks and of regions, but '{space.name}' takes "
            "no start; leave it out"
        )


def _check_goes_on(start: Any, stored: Any) -> None:
    """Raise unless some of what training starts from was trained from the file."""
    parts = outputs_in(start)
    if stored.digest not in ancestors([part.of for part in parts]):
        named = ", ".join(dict.fromkeys(type(part.of).__name__ for part in parts)) or "arrays"
        raise InputError(
            f"a training of this question starts from weights of its own ({named}) and not from the file of "
            "--from, which would change nothing; leave --from out, or the arms that start so"
        )


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
