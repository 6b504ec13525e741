"""The functions of one run: `start`, `step`, `edit`, `read`, `finish`.

They are pure, take the run as a spec whose leaves are tracers, and are batched by `block`. What depends on
the spec's structure alone (shapes, steps of an epoch, layout) is settled here in Python, once.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state
from jaxtyping import Array, Int

from weightspace import tree
from weightspace.data.examples import Partition
from weightspace.errors import check_choice
from weightspace.measure.evaluate import evaluate, together
from weightspace.measure.network import ESTIMATED, STATISTICS, Network, Part, forward, many_of, part_of
from weightspace.measure.recalibrate import recalibrated
from weightspace.probes.base import At, Probe, Step
from weightspace.run import Run
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.streams import Keys, Stream, key
from weightspace.training import health
from weightspace.training.carry import Carry, Feed, Frame, fixed_of
from weightspace.training.edited import carried_out, standing
from weightspace.training.order import batch_at, epoch_order
from weightspace.training.step import dropout_key, gradient, layout_of_run, update


@dataclasses.dataclass(frozen=True)
class Program:
    """One run's functions, for one structure of spec and probes.

    Attributes:
      probes: The probes with tracers or numbers as leaves.
      groups: Indices of probes that are read together; the first group at the watch's readings.
    """

    probes: tuple[Probe, ...]
    groups: tuple[tuple[int, ...], ...]

    def start(self, run: Run, feed: Feed) -> tuple[Frame, Carry]:
        """Everything before the first step."""
        data = run.task.data
        storage = jnp.dtype(run.precision.storage)
        keys = Keys(run.seeds)
        # Drawn in float32 whatever the run's precision, so that precisions can be compared run by run.
        blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))

        def sample(keys: Keys) -> Any:
            return tree.cast(run.model.init(keys(Stream.INIT), blank)[0], storage)

        state = tree.cast(run.model.init(keys(Stream.INIT), blank)[1], storage)
        fixed, theta = run.space.init(keys, sample, layout_of_run(run))
        partition = data.partition(run.seeds)
        own, labels = data.drawn(run.seeds), data.labels(feed.arrays, run.seeds)
        carry = Carry(
            theta=theta,
            opt=run.recipe.optimiser.direction().init(theta),
            state=state,
            order=jnp.zeros((data.size,), jnp.int32),
            bad_step=jnp.int32(-1),
            found=jnp.int32(-1),
            fixed=fixed if run.edits else None,
            edits=(),
            probes=(),
        )
        usual = health.usual(carry.kept())
        frame = Frame(None if run.edits else fixed, own, labels, partition.train, partition.validation, usual)
        at = self._at(run, feed, frame, carry, jnp.int32(0))
        edits = ()
        if run.edits:
            start = jnp.int32(0)
            now = standing(run, carry, start, lambda: self._gradient(run, feed, frame, carry, start))
            edits = tuple(edit.init(now) for edit in run.edits)
        probes = tuple(probe.init(at) for probe in self.probes)
        return frame, dataclasses.replace(carry, edits=edits, probes=probes)

    def step(self, run: Run, feed: Feed, frame: Frame, carry: Carry, t: Int[Array, ""]) -> Carry:
        """One training step."""
        recipe = run.recipe
        per_epoch = recipe.steps_per_epoch(run.task.data.size)
        order, (x, y, example_weights), found = self._gradient(run, feed, frame, carry, t)
        fixed = fixed_of(frame, carry)
        free = run.space.free(fixed, carry.theta)
        moved, opt, lr = update(run, free, carry.theta, carry.opt, found.theta, t, per_epoch)
        # The loss alone tells here: a pass over the weights would cost an eighth of a small network's step.
        healthy = jnp.isfinite(found.loss)
        bad_step = jnp.where((carry.bad_step < 0) & ~healthy, t, carry.bad_step)
        moved = jax.tree.map(lambda a: jnp.where(bad_step < 0, a, jnp.zeros_like(a)), moved)
        theta = jax.tree.map(jnp.add, carry.theta, moved)
        state = tree.where(bad_step < 0, found.state, carry.state)
        before, point = carry.theta, found.point

        @functools.cache
        def weights_after() -> Any:
            return run.space.weights(fixed, theta, point)

        @functools.cache
        def weights_moved() -> Any:
            return jax.jvp(lambda at: run.space.weights(fixed, at, point), (before,), (moved,))[1]

        seen = Step(
            t=t, run=run, x=x, y=y, example_weights=example_weights, before=carry.theta, theta=theta,
            weights=found.at, state=state, outputs=found.outputs, losses=found.losses,
            g_weights=found.weights, g_theta=found.theta, update=moved, lr=lr, layout=layout_of_run(run),
            apply=lambda weights, x: forward(
                run, Network(weights, carry.state), x, train=True, key=dropout_key(run, t, jnp.uint32(0))
            )[0],
            after=weights_after, moved=weights_moved,
        )  # fmt: skip
        probes = tuple(probe.update(c, seen) for probe, c in zip(self.probes, carry.probes, strict=True))
        return Carry(theta, opt, state, order, bad_step, carry.found, carry.fixed, carry.edits, probes)

    def _gradient(self, run: Run, feed: Feed, frame: Frame, carry: Carry, t: Int[Array, ""]) -> Any:
        """The epoch's order, a step's batch, and what it gives."""
        data, recipe, arrays = run.task.data, run.recipe, frame.examples(feed)
        per_epoch = recipe.steps_per_epoch(data.size)
        position = t % per_epoch
        # The predicate is the same for all lanes, so this stays a branch under vmap.
        order = jax.lax.cond(
            position == 0,
            lambda: epoch_order(run.seeds, t // per_epoch, data.size, frame.train),
            lambda: carry.order,
        )
        chosen, example_weights = batch_at(order, position, recipe.batch, recipe.remainder)
        raw = arrays.train.x[chosen]
        if recipe.augment is not None:
            raw = recipe.augment(key(run.seeds, Stream.AUGMENT, t), chosen, raw)
        x = data.decode(arrays, raw, jnp.dtype(run.precision.storage))
        y = (arrays.train.y if frame.labels is None else frame.labels)[chosen]
        batch = (x, y, example_weights)
        return order, batch, gradient(run, fixed_of(frame, carry), carry.theta, carry.state, batch, t)

    def check(self, run: Run, frame: Frame, carry: Carry, t: Int[Array, ""]) -> Carry:
        """The carry after t steps, marked if it holds what is not finite and should be."""
        parts = self._parts(run, frame, carry)
        moments = {"moments": parts.pop("moments")}
        sick = health.sick(parts, frame.usual)
        # They alone do not rest where a loss is not finite: to hold them would cost a step its fusion.
        sick |= (carry.bad_step < 0) & health.sick(moments, frame.usual)
        bad_step = jnp.where((carry.bad_step < 0) & sick, t, carry.bad_step)
        found = jnp.where((carry.found < 0) & sick, t, carry.found)
        return dataclasses.replace(carry, bad_step=bad_step, found=found)

    def diagnose(
        self, run: Run, feed: Feed, frame: Frame, carries: tuple[Carry, Carry], t: Int[Array, ""]
    ) -> dict[str, dict[str, Array]]:
        """Which leaves are not finite in the gradients of step t and in the carry after it.

        Args:
          run: The run.
          feed: The data.
          frame: As `start` gave it.
          carries: Before and after the step.
          t: Number of the step.
        """
        before, after = carries
        found = self._gradient(run, feed, frame, before, t)[2]
        gradients = {"gradient": found.weights, "slope": found.theta}
        return health.troubled(self._parts(run, frame, after) | gradients, frame.usual)

    def _parts(self, run: Run, frame: Frame, carry: Carry) -> dict[str, Any]:
        """What must be finite: what is carried, and the weights that it gives."""
        fixed = fixed_of(frame, carry)
        point = run.space.point(fixed, carry.theta, DEFAULT_POINT)
        return carry.kept() | {
            "coordinates": carry.theta,
            "weights": run.space.weights(fixed, carry.theta, point),
        }

    def edit(
        self, run: Run, feed: Feed, frame: Frame, carry: Carry, t: Int[Array, ""], number: int
    ) -> tuple[dict[str, Array], Carry]:
        """What one of the run's edits records after t steps, and the carry after it."""
        now = standing(run, carry, t, lambda: self._gradient(run, feed, frame, carry, t))
        record, after = carried_out(run, carry, now, number)
        healthy = carry.bad_step < 0
        # A network that broke stays as it was found.
        return _nan_unless(healthy, record), tree.where(healthy, after, carry)

    def read(
        self, run: Run, feed: Feed, frame: Frame, carry: Carry, t: Int[Array, ""], group: int
    ) -> tuple[dict[str, Array], Carry]:
        """The scalars of one group of probes, and the carry after reading them."""
        at = self._at(run, feed, frame, carry, t)
        record: dict[str, Array] = {}
        carries = list(carry.probes)
        for index in self.groups[group]:
            found, carries[index] = self.probes[index].read(carries[index], at)
            record |= {name: value.astype(run.precision.storage) for name, value in found.items()}
        # Nothing is known of a network that broke: neither an earlier value nor that of its remains.
        record = _nan_unless(carry.bad_step < 0, record)
        return record, dataclasses.replace(carry, probes=tuple(carries))

    def finish(
        self, run: Run, feed: Feed, frame: Frame, carry: Carry, t: Int[Array, ""]
    ) -> tuple[tuple[dict[str, Any], ...], Int[Array, ""]]:
        """The outputs of each probe, and the first bad step."""
        at = self._at(run, feed, frame, carry, t)
        outputs = tuple(probe.finish(c, at) for probe, c in zip(self.probes, carry.probes, strict=True))
        return outputs, carry.bad_step

    def _at(self, run: Run, feed: Feed, frame: Frame, carry: Carry, t: Int[Array, ""]) -> At:
        fixed = fixed_of(frame, carry)
        last = t == jnp.asarray(run.recipe.length, jnp.int32)
        storage = jnp.dtype(run.precision.storage)
        decode = functools.partial(run.task.data.decode, frame.examples(feed), dtype=storage)
        part = functools.partial(self._part, run, feed, frame)

        @shared_in_trace
        def weights(name: str = DEFAULT_POINT) -> Any:
            return run.space.weights(fixed, carry.theta, run.space.point(fixed, carry.theta, name))

        @shared_in_trace
        def network(names: str | tuple[str, ...] = DEFAULT_POINT, statistics: str = "running") -> Network:
            check_choice("statistics", statistics, STATISTICS)
            if isinstance(names, str):
                return renewed(Network(weights(names), carry.state), statistics)
            return renewed(many_of([weights(name) for name in names], carry.state), statistics, together)

        def renewed(found: Network, statistics: str, each: Callable[..., Any] = apply_to) -> Network:
            if statistics not in ESTIMATED:
                return found
            pooled = statistics == "pooled"
            renew = functools.partial(recalibrated, run, part=part("train"), decode=decode, pooled=pooled)
            return found._replace(state=each(renew, found))

        def measure(
            network: Network, split: str, *, limit: int | None = None, by_batch: bool = False,
            many: bool = False,
        ) -> Any:  # fmt: skip
            examples = part(split)
            some = examples.size if limit is None else min(limit, examples.size)
            count = jnp.where(last, jnp.int32(examples.size), jnp.int32(some))
            found = evaluate(run, network, examples, decode, count, by_batch=by_batch, least=some, many=many)
            return _nan_unless(carry.bad_step < 0, found)

        @shared_in_trace
        def evaluated(
            split: str, name: str = DEFAULT_POINT, limit: int | None = None, statistics: str = "running"
        ) -> Any:
            return measure(network(name, statistics), split, limit=limit, by_batch=statistics == "batch")

        @shared_in_trace
        def examples(split: str, limit: int) -> tuple[Array, Array]:
            x, y, chosen = part(split)
            rows = slice(min(limit, x.shape[0])) if chosen is None else chosen[:limit]
            return decode(x[rows]), y[rows]

        def apply(weights: Any, x: Array) -> Array:
            dropout = key(run.seeds, Stream.DROPOUT, t)
            return forward(run, Network(weights, carry.state), x, train=False, key=dropout)[0]

        return At(
            t=t, last=last, run=run, fixed=fixed, theta=carry.theta, state=carry.state,
            layout=layout_of_run(run), weights=weights, network=network, renewed=renewed, evaluate=evaluated,
            measure=measure, examples=examples, apply=apply,
        )  # fmt: skip

    def _part(self, run: Run, feed: Feed, frame: Frame, split: str) -> Part:
        rows = Partition(frame.train, frame.validation)
        return part_of(frame.examples(feed), frame.labels, rows, feed.spread, split)


def apply_to(function: Callable[..., Any], given: Any) -> Any:
    """A function of one network, as `together` is one of many."""
    return function(given)


def shared_in_trace(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose results are remembered within one trace, and not handed to another.

    What was computed inside a branch of compiled code is unknown outside of it.
    """
    known: list[tuple[Any, Any, Any]] = []

    @functools.wraps(function)
    def remembered(*given: Any, **named: Any) -> Any:
        trace, asked = get_opaque_trace_state(), (given, named)
        for where, what, found in known:
            if where == trace and what == asked:
                return found
        known.append((trace, asked, function(*given, **named)))
        return known[-1][2]

    return remembered


def _nan_unless(healthy: Array, values: Mapping[str, Array]) -> dict[str, Array]:
    return {name: jnp.where(healthy, value, jnp.full_like(value, jnp.nan)) for name, value in values.items()}
