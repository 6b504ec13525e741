"""Averages of the weights of one run: over moments of training, or of all steps with weights that fade.

An averaged network is none that training has been at, so that its normalisation statistics are estimated anew
before it is measured. Both kinds keep the weights as an output, with the model's state at the last moment
that is in them: what is made of them elsewhere estimates statistics for itself (`statistics="recalibrated"`).
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.collect import KINDS
from weightspace.measure.network import Network
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Scalar, Step, Training, at_the_end
from weightspace.probes.snapshot import check_moment, state_output
from weightspace.recipes.length import Length, LengthLike
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import common, spec, static
from weightspace.tree import Tree, where


class AverageOfRun(Probe, abc.ABC):
    """What averages share: columns `<label>_<split>_<metric>` at the end, outputs `weights` and `state`.

    Attributes:
      last: Splits on which the average is measured, once, at the end; none for its weights alone.
      statistics: What normalisation goes by there: `recalibrated`, `pooled`, or the run's `running` ones.
    """

    last: tuple[str, ...]
    statistics: str

    def validate(self) -> None:
        """Statistics of one network."""
        check_choice("statistics", self.statistics, KINDS)

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What its columns begin with."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its label, where it has columns."""
        return (self.label,) if self.last else ()

    @property
    def writes_columns(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where it is measured."""
        return bool(self.last)

    def measured(self, at: At, weights: Tree, state: Any) -> dict[str, Scalar]:
        """At the end, the metrics of the average; NaN before."""
        if not self.last:
            return {}

        def found() -> dict[str, Scalar]:
            network = at.renewed(Network(weights, state), self.statistics)
            return {
                f"{self.label}_{split}_{metric}": value
                for split in self.last
                for metric, value in at.measure(network, split).items()
            }

        return at_the_end(at, found)


@spec
class Average(AverageOfRun):
    """The mean of the weights at moments of training: stochastic weight averaging (Izmailov et al., 2018).

    Moments are multiples of `every`, from the last one that is not after `since` to the end. With `count`
    only so many of them: the first, the last, and between them those at k/(count - 1) of the way, rounded
    down, which are the borders of `Cycles(count - 1, begin=since)`. Columns `average_models`, how many
    weights are in the mean so far, and `average_<split>_<metric>`; outputs `weights` and `state`.

    Attributes:
      since: Where the mean begins: `75%`, `120ep`, `500it`.
      every: Between two moments.
      count: How many moments; None takes all.
      name: Point of the space; "" is its default.
    """

    since: LengthLike = common(default=Length(75, "%"))
    every: LengthLike = common(default=Length(1, "ep"))
    count: int | None = static(default=None)
    name: str = static(default=DEFAULT_POINT)
    last: tuple[str, ...] = static(default=("test",))
    statistics: str = static(default="recalibrated")

    @property
    def label(self) -> str:
        """`average`."""
        return "average"

    def validate(self) -> None:
        """Two moments at least where they are counted."""
        AverageOfRun.validate(self)
        check_number("count of moments", self.count, least=2, hint="The first and the last are among them.")

    def moments(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """The steps after which weights are taken.

        >>> Average("75%", "1ep", count=4).moments(total=1600, per_epoch=10)
        (1200, 1330, 1460, 1600)
        """
        since, every = (length.steps(per_epoch, total) for length in (self.since, self.every))
        check_number("every", every, least=1, hint="Write 1ep or 50it.")
        first, last = since // every, total // every
        if self.count is None:
            return tuple(range(first * every, last * every + 1, every))
        return tuple((first + (last - first) * k // (self.count - 1)) * every for k in range(self.count))

    def readings(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """The moments, and the end."""
        return tuple(sorted({*self.moments(total, per_epoch), total}))

    def check(self, run: Training, layout: Layout) -> None:
        """Moments lie within the training, each once, and no edit changes the space after the first.

        Raises:
          InputError: Unless they do.
        """
        check_moment("an average that begins", self.since, run)
        size = run.task.data.size
        total, per_epoch = run.recipe.steps(size), run.recipe.steps_per_epoch(size)
        found = self.moments(total, per_epoch)
        if len(set(found)) < len(found):
            there = len(self._all().moments(total, per_epoch))
            raise InputError(
                f"an average of {self.count} moments every {self.every} since {self.since} is asked of a run "
                f"that has {there} of them; take at most {there}, begin earlier or look more often"
            )
        for edit in getattr(run, "edits", ()):
            late = [step for step in edit.steps(total, per_epoch) if step > found[0]]
            if late:
                raise InputError(
                    f"an average since step {found[0]} is asked of a run whose {type(edit).__name__} changes "
                    f"the weights' mask after step {late[-1]}; begin when it is done"
                )

    def _all(self) -> "Average":
        return Average(self.since, self.every)

    def taken(self, at: At) -> Bool[Array, ""]:
        """Whether the reading is one of the moments; lengths are steps by now."""
        every = jnp.asarray(self.every, jnp.int32)
        first = jnp.asarray(self.since, jnp.int32) // every
        if self.count is None:
            return (at.t >= first * every) & (at.t % every == 0)
        last = jnp.asarray(at.run.recipe.length, jnp.int32) // every
        k = jnp.arange(self.count, dtype=jnp.int32)
        return jnp.any(at.t == (first + (last - first) * k // (self.count - 1)) * every)

    def init(self, at: At) -> Carry:
        """Nothing yet."""
        return jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, at.weights(self.name)), at.state

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """One more, if it is a moment."""
        carry = where(self.taken(at), self.added(carry, at), carry)
        count, mean, state = carry[:3]
        models = {f"{self.label}_models": count.astype(jnp.float32)} if self.last else {}
        return models | self.measured(at, mean, state), carry

    def added(self, carry: Carry, at: At) -> Carry:
        """The mean of one more, as a running one: sums of many weights would lose digits."""
        count, mean, _ = carry
        return count + 1, running_mean(mean, at.weights(self.name), count + 1), at.state

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The mean."""
        return {"weights": carry[1]} | state_output(carry[2])


def running_mean(mean: Tree, new: Tree, count: Array) -> Tree:
    """Of m over n - 1 weights m + (w - m) / n, the mean of n weights of which w is the last."""
    return jax.tree.map(lambda m, w: m + (w - m) / count.astype(m.dtype), mean, new)


@spec
class Ema(AverageOfRun):
    """The exponential moving average of the weights: e ← decay · e + (1 - decay) · w after each step.

    It begins at the weights after `since` steps. Columns `ema_<split>_<metric>` at the end; outputs `weights`
    and `state`. A step costs one more pass over the weights.

    Attributes:
      decay: In [0, 1).
      since: Where it begins.
    """

    decay: float = common(default=0.999)
    since: LengthLike = common(default=Length(0, "it"))
    last: tuple[str, ...] = static(default=("test",))
    statistics: str = static(default="recalibrated")

    @property
    def label(self) -> str:
        """`ema`."""
        return "ema"

    def validate(self) -> None:
        """A share that leaves something for what is new."""
        AverageOfRun.validate(self)
        check_number("decay", self.decay, least=0, below=1)

    def check(self, run: Training, layout: Layout) -> None:
        """It begins within the training, and steps lead from weights to weights.

        Raises:
          InputError: If steps are taken at drawn points, or edits change masks on the way.
        """
        check_moment("a moving average that begins", self.since, run)
        if run.space.points or getattr(run, "edits", ()):
            why = "each step is at a drawn point" if run.space.points else "edits change masks between steps"
            raise InputError(
                f"a moving average follows the weights step by step, but in this run {why}; take the probe "
                "'average', which looks at named points and at moments"
            )

    def init(self, at: At) -> Carry:
        """The start."""
        return at.weights(DEFAULT_POINT)

    def update(self, carry: Carry, step: Step) -> Carry:
        """One step; those before it begins are forgotten."""
        on = step.t + 1 > jnp.asarray(self.since, jnp.int32)
        decay = jnp.asarray(self.decay)
        decay = jnp.where(on, decay, jnp.zeros_like(decay))

        def moved(kept: Array, new: Array) -> Array:
            share = decay.astype(kept.dtype)
            # One of both terms is exact where the share is 0, so that it begins at the weights themselves.
            return share * kept + (1 - share) * new

        return jax.tree.map(moved, carry, step.after())

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Its metrics, at the end."""
        return self.measured(at, carry, at.state), carry

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The average."""
        return {"weights": carry} | state_output(at.state)
