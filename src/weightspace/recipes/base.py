"""Recipe: how the coordinates move. Optimiser, schedule, decay, batch and length, as one spec."""

from typing import Any

from weightspace.errors import InputError, check_choice, check_kind, check_number
from weightspace.models.layout import Layout
from weightspace.recipes.augment import Augmentation
from weightspace.recipes.length import LengthLike
from weightspace.recipes.optimisers import Optimiser
from weightspace.recipes.schedules import Constant, Schedule
from weightspace.spec import Spec, common, leaf, spec, static

REMAINDERS = ("short", "drop", "wrap")


@spec
class Decay(Spec):
    """Weight decay: a pull of the selected coordinates towards zero.

    Attributes:
      rate: λ. Coupled: λθ is added to the gradient. Decoupled (Loshchilov & Hutter, 2019): lr·λθ is taken
        off beside the optimiser's step.
      select: Which leaves of the coordinates: a kind (`kernel`), `output`, or a glob over paths, alternatives
        set apart by `|`; each must select one at least.
      decoupled: Which of the two.
    """

    rate: float
    select: str = static(default="*")
    decoupled: bool = static(default=False)

    def validate(self) -> None:
        """Rates are not negative; selectors are names."""
        check_number("decay rate", self.rate, least=0)
        if not isinstance(self.select, str):
            raise InputError(f"select of Decay is {self.select!r}, but must be a name such as 'kernel'")


def make_decay(optimiser: str, rate: float) -> Decay | None:
    """The decay that goes with an optimiser's name: decoupled for `adamw`, added to the gradient for others.

    >>> make_decay("adamw", 0.01).decoupled, make_decay("adam", 0.0)
    (True, None)

    Raises:
      InputError: For `adamw` without a rate, which would be `adam`.
    """
    check_number("weight_decay", rate, least=0)
    if rate:
        return Decay(rate, decoupled=optimiser == "adamw")
    if optimiser == "adamw":
        raise InputError(
            "adamw is adam with decoupled weight decay, but weight_decay is 0; give a rate, or use adam"
        )
    return None


@spec
class Recipe(Spec):
    """How a run is trained.

    Attributes:
      optimiser: The rule of a step and its learning rate.
      length: Epochs (`3ep`) or steps (`500it`).
      batch: Examples of a step.
      schedule: What multiplies the learning rate over time.
      decay: Weight decay, or None.
      clip: Largest norm of the gradient to the coordinates, or None.
      remainder: What becomes of the last batch of an epoch, where the batch does not divide the data: it is
        `short` (missing examples weigh nothing), the epoch `drop`s it, or it is filled by `wrap`ping around
        to the epoch's first examples.
      samples: S, the parts a batch is cut into; each has a draw of the space's point of its own.
      augment: What happens to the images of a batch, as `CropFlip()`; None for nothing.
    """

    # Kinds are checked below, in words.
    optimiser: Any
    length: LengthLike = common()
    batch: int = static(default=128)
    schedule: Any = Constant()
    decay: Any = None
    clip: float | None = None
    remainder: str = static(default="short")
    samples: int = static(default=1)
    augment: Any = leaf(default=None, neutral=None)

    def validate(self) -> None:
        """Parts of their kinds, positive batch, known remainder rule, samples that divide the batch."""
        rate = f"ws.Adam({self.optimiser})" if isinstance(self.optimiser, float | int) else "ws.Adam(0.001)"
        check_kind("Recipe.optimiser", self.optimiser, Optimiser, f"give an optimiser, such as {rate}")
        check_kind("Recipe.schedule", self.schedule, Schedule, "give a schedule, such as ws.Cosine()")
        if self.decay is not None:
            check_kind("Recipe.decay", self.decay, Decay, f"give ws.Decay({self.decay!r:.20})")
        if self.augment is not None:
            check_kind("Recipe.augment", self.augment, Augmentation, "give ws.CropFlip()")
        check_number("batch size", self.batch, least=1)
        check_number("clip", self.clip, above=0)
        check_choice("remainder rule", self.remainder, REMAINDERS)
        check_number("samples", self.samples, least=1)
        if self.batch % self.samples:
            raise InputError(f"samples is {self.samples}, but must divide the batch of {self.batch}")

    def check(self, coordinates: Layout) -> None:
        """Raise where the recipe does not fit the coordinates it moves; nothing is traced yet.

        Raises:
          InputError: If the decay's selector, or one of its alternatives, selects no leaf.
        """
        if self.decay is not None:
            coordinates.selected(self.decay.select, "select of Decay")

    def steps_per_epoch(self, size: int, counted: str = "") -> int:
        """Steps of an epoch of `size` examples.

        Args:
          size: Examples to train on.
          counted: How many there were and what was set aside, `Examples.counted`, for the sentence.

        Raises:
          InputError: If the batch is larger than the data.
        """
        if self.batch > size:
            why = f" ({counted})" if counted else ""
            raise InputError(
                f"batch size {self.batch} exceeds the {size} training examples{why}; choose at most {size}"
                + (", or set fewer aside" if counted else "")
            )
        whole, rest = divmod(size, self.batch)
        return whole + (1 if rest and self.remainder != "drop" else 0)

    def steps(self, size: int, counted: str = "") -> int:
        """Steps in all, for `size` training examples; as `steps_per_epoch`."""
        return self.length.steps(self.steps_per_epoch(size, counted))
