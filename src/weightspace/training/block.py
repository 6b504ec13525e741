"""Block: the runs of one call of a compiled program, lanes × devices of them.

A run is resolved (its outputs are arrays, its lengths steps), the leaves of a block's runs are stacked, and
the program's functions are compiled for that block: `shard_map` over devices, and inside a shard `vmap` over
lanes (one lane: no vmap, whose bits differ). A program is compiled once, whatever the number of runs, steps
and readings: a call advances up to `SEGMENTS` stretches between readings.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from weightspace import compiler, platform
from weightspace.data.order import spread_order
from weightspace.training.carry import Feed
from weightspace.training.program import Program
from weightspace.training.resolve import Resolved, stack

SEGMENTS = 32
RUNS = PartitionSpec("runs")
EVERYWHERE = PartitionSpec()


@dataclasses.dataclass(frozen=True)
class BlockKey:
    """All that a compiled block depends on: two equal keys share one."""

    structure: Any
    common: tuple[bool, ...]
    shapes: Any
    probes: Any
    probe_shapes: Any
    groups: tuple[tuple[int, ...], ...]
    edits: int
    dtype: str
    matmul: str
    lanes: int
    devices: int

    @classmethod
    def of(
        cls, run: Resolved, probes: Resolved, groups: Any, precision: Any, lanes: int, devices: int
    ) -> "BlockKey":
        """The key for runs of one structure."""
        return cls(
            run.structure, run.common, run.shapes, probes.structure, probes.shapes, tuple(groups), run.edits,
            precision.dtype, precision.matmul, lanes, devices,
        )  # fmt: skip

    @property
    def events(self) -> int:
        """What can happen where a stretch of steps ends: groups of probes are read, then edits act."""
        return len(self.groups) + self.edits

    @property
    def size(self) -> int:
        """Runs of one call."""
        return self.lanes * self.devices


class Block:
    """The compiled functions for one key. Inputs and results are arrays with a first axis of runs."""

    def __init__(self, key: BlockKey):
        self.key = key
        self.mesh = _mesh(key.devices)
        self.compile_seconds = 0.0
        self.names: tuple[frozenset[str], ...] = ()
        """What each group of probes reads and each edit records, once `advance` was called."""
        self._traced: dict[str, Any] = {}
        self._compiled: dict[str, Any] = {}

    def feed(self, run: Any) -> Feed:
        """The data of a run's task on the devices."""
        return _device_feed(run.task.data, self.key.devices, self.key.dtype == "float64")

    def put(self, tree: Any) -> Any:
        """Arrays with a first axis of runs on the devices, runs apart."""
        return jax.device_put(tree, NamedSharding(self.mesh, RUNS))

    def put_runs(self, runs: Sequence[Resolved], probes: Resolved) -> Any:
        """The leaves of a block's runs and of its probes on the devices: the first argument of every call."""
        stacked, common = stack(runs)
        everywhere = NamedSharding(self.mesh, EVERYWHERE)
        with platform.arithmetic(self.key.dtype, self.key.matmul):
            return self.put(stacked), *jax.device_put((common, probes.leaves), everywhere)

    def started(self, feed: Feed) -> tuple[Any, Any]:
        """Shapes of one run's frame and carry; nothing is computed, and `start` is not traced again."""
        runs = self._run_shapes()
        with platform.arithmetic(self.key.dtype, self.key.matmul):
            traced = self._trace("start", _start, (runs, feed), (), (RUNS, RUNS))
        return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape[1:], s.dtype), traced.out_info)

    def _run_shapes(self) -> Any:
        """What `put_runs` gives, as shapes."""
        apart, everywhere = (NamedSharding(self.mesh, spec) for spec in (RUNS, EVERYWHERE))

        def shape(axes: tuple[int, ...], dtype: str, sharding: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(axes, np.dtype(dtype), sharding=sharding)

        roles = list(zip(self.key.common, self.key.shapes, strict=True))
        stacked = tuple(shape((self.key.size, *axes), t, apart) for shared, (axes, t) in roles if not shared)
        common = tuple(shape(axes, t, everywhere) for shared, (axes, t) in roles if shared)
        return stacked, common, tuple(shape(axes, t, everywhere) for axes, t in self.key.probe_shapes)

    def start(self, runs: Any, feed: Feed) -> tuple[Any, Any]:
        """Frames and carries before the first step."""
        return self._call("start", _start, (runs, feed), (), (RUNS, RUNS))

    def advance(self, runs: Any, feed: Feed, frame: Any, carry: Any, t: int, steps: Any, flags: Any) -> Any:
        """Carries after up to `SEGMENTS` stretches, and what was read at the end of each.

        Where a stretch ends it is checked that all that is carried is finite, then edits act, then probes
        read: what is read is what training goes on with.

        Args:
          runs: As `put_runs` gave them.
          feed: The data.
          frame: As `start` gave it.
          carry: As `start` or the last call gave it; it is used up.
          t: Steps done so far.
          steps: Steps of each stretch; shorter lists are filled with empty stretches.
          flags: For each stretch, which groups of probes are read at its end, then which edits act.
        """
        padded = np.zeros((SEGMENTS,), np.int32)
        padded[: len(steps)] = steps
        reads = np.zeros((SEGMENTS, self.key.events), bool)
        reads[: len(steps)] = flags
        arguments = (runs, feed, frame, carry, np.int32(t), padded, reads)
        results = (RUNS, PartitionSpec(None, "runs"))
        carry, records = self._call("advance", _advance, arguments, (2, 3), results, donate=(3,))
        self.names = tuple(frozenset(group) for group in records)
        return carry, {name: values for group in records for name, values in group.items()}

    def finish(self, runs: Any, feed: Feed, frame: Any, carry: Any, t: int) -> Any:
        """Outputs of each probe and the first bad steps."""
        arguments = (runs, feed, frame, carry, np.int32(t))
        return self._call("finish", _finish, arguments, (2, 3), RUNS)

    def diagnose(self, runs: Any, feed: Feed, frame: Any, carries: tuple[Any, Any], t: int) -> Any:
        """What is not finite in the gradients of step t and after it, from the carries at both ends of it."""
        arguments = (runs, feed, frame, carries, np.int32(t))
        return self._call("diagnose", _diagnose, arguments, (2, 3), RUNS)

    def memory(self) -> int | None:
        """Bytes of temporaries of `advance`, once it is compiled, where the backend tells."""
        compiled = self._compiled.get("advance")
        analysis = compiled.memory_analysis() if compiled is not None else None
        return None if analysis is None else int(analysis.temp_size_in_bytes)

    def _call(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        batched: tuple[int, ...],
        results: Any,
        donate: tuple[int, ...] = (),
    ) -> Any:
        """Run one of the functions; its first argument is `put_runs`, `batched` have a first axis of runs."""
        with platform.arithmetic(self.key.dtype, self.key.matmul):
            everywhere = NamedSharding(self.mesh, EVERYWHERE)
            placed = [
                a if i < 2 or i in batched else jax.device_put(a, everywhere) for i, a in enumerate(arguments)
            ]
            if name not in self._compiled:
                began = time.perf_counter()
                lowered = self._trace(name, function, placed, batched, results, donate).lower()
                self._compiled[name] = lowered.compile(compiler.options())
                self.compile_seconds += time.perf_counter() - began
            return self._compiled[name](*placed)

    def _trace(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        batched: tuple[int, ...],
        results: Any,
        donate: tuple[int, ...] = (),
    ) -> Any:
        """One of the functions, traced once for arguments of these shapes."""
        if name not in self._traced:
            others = [RUNS if i in batched else EVERYWHERE for i in range(1, len(arguments))]
            mapped = jax.shard_map(
                functools.partial(function, self.key),
                mesh=self.mesh,
                in_specs=((RUNS, EVERYWHERE, EVERYWHERE), *others),
                out_specs=results,
                check_vma=False,
            )
            self._traced[name] = jax.jit(mapped, donate_argnums=donate).trace(*arguments)
        return self._traced[name]


@functools.lru_cache(maxsize=64)
def block_for(key: BlockKey) -> Block:
    """The block of a key; one compilation serves all cohorts that have it."""
    return Block(key)


@functools.lru_cache(maxsize=8)
def _mesh(devices: int) -> Mesh:
    return jax.make_mesh(
        (devices,), ("runs",), axis_types=(AxisType.Auto,), devices=jax.local_devices()[:devices]
    )


@functools.lru_cache(maxsize=4)
def _device_feed(data: Any, devices: int, wide: bool) -> Feed:
    feed = Feed(data.arrays(), spread_order(data.size))
    with jax.enable_x64(wide):  # else double precision would be cut on the way
        return jax.device_put(feed, NamedSharding(_mesh(devices), EVERYWHERE))


def rebuild_run(key: BlockKey, leaves: Any) -> Any:
    """A run from its leaves, in the order of the structure."""
    return jax.tree.unflatten(key.structure, leaves)


def _program(key: BlockKey, runs: Any) -> tuple[Program, Callable[[Any], Any]]:
    """The program, and what rebuilds one lane's run from its stacked leaves."""
    _, common, probe_leaves = runs
    program = Program(jax.tree.unflatten(key.probes, probe_leaves), key.groups)

    def rebuild(stacked: Any) -> Any:
        own, same = iter(stacked), iter(common)
        return rebuild_run(key, [next(same) if shared else next(own) for shared in key.common])

    return program, rebuild


def _lanes(key: BlockKey, function: Callable[..., Any]) -> Callable[..., Any]:
    """Over the lanes of a shard; a single lane is not vmapped."""
    return function if key.lanes == 1 else jax.vmap(function)


def _enter(key: BlockKey, tree: Any) -> Any:
    return jax.tree.map(lambda x: x[0], tree) if key.lanes == 1 else tree


def _leave(key: BlockKey, tree: Any, axis: int = 0) -> Any:
    return jax.tree.map(lambda x: jnp.expand_dims(x, axis), tree) if key.lanes == 1 else tree


def _start(key: BlockKey, runs: Any, feed: Feed) -> Any:
    program, rebuild = _program(key, runs)
    begin = _lanes(key, lambda stacked: program.start(rebuild(stacked), feed))
    return _leave(key, begin(_enter(key, runs[0])))


def _advance(
    key: BlockKey, runs: Any, feed: Feed, frame: Any, carry: Any, t: Any, steps: Any, flags: Any
) -> Any:
    program, rebuild = _program(key, runs)
    stacked, frame, carry = (_enter(key, tree) for tree in (runs[0], frame, carry))

    def body(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        carry, t = state
        one = _lanes(key, lambda own, f, c: program.step(rebuild(own), feed, f, c, t))
        return one(stacked, frame, carry), t + 1

    def marks(carry: Any, t: Any) -> tuple[Any, Any]:
        one = _lanes(key, lambda own, f, c: program.check(rebuild(own), f, c, t))
        checked = one(stacked, frame, carry)
        return checked.bad_step, checked.found

    def stretch(state: tuple[Any, Any], now: tuple[Any, Any]) -> tuple[tuple[Any, Any], Any]:
        count, flag = now
        carry, t = jax.lax.fori_loop(jnp.int32(0), count, body, state)
        # Before the first step too; in the program that draws the weights it would change their last bits.
        looked_at = (count > 0) | (t == 0)
        bad_step, found = jax.lax.cond(looked_at, marks, lambda c, _: (c.bad_step, c.found), carry, t)
        carry = dataclasses.replace(carry, bad_step=bad_step, found=found)
        records: list[dict[str, Any]] = [{}] * key.events
        groups = len(key.groups)
        for event in (*range(groups, key.events), *range(groups)):
            # Traced once: what its shapes are and what it does come from one program within this one.
            happen = jax.jit(functools.partial(_happen, key, event))
            blank = jax.eval_shape(happen, runs, feed, frame, carry, t)[0]
            records[event], carry = jax.lax.cond(
                flag[event],
                lambda c, t, happen=happen: happen(runs, feed, frame, c, t),
                lambda c, _, blank=blank: (
                    {name: jnp.full(s.shape, jnp.nan, s.dtype) for name, s in blank.items()},
                    c,
                ),
                carry,
                t,
            )
        return (carry, t), tuple(records)

    (carry, _), records = jax.lax.scan(stretch, (carry, t), (steps, flags))
    return _leave(key, carry), _leave(key, records, axis=1)


def _happen(
    key: BlockKey, event: int, runs: Any, feed: Feed, frame: Any, carry: Any, t: Any
) -> tuple[dict[str, Any], Any]:
    """What one group of probes reads, or one edit records, and the carries after it; lanes are entered."""
    program, rebuild = _program(key, runs)
    edit = event - len(key.groups)
    act, number = (program.read, event) if edit < 0 else (program.edit, edit)
    one = _lanes(key, lambda own, f, c: act(rebuild(own), feed, f, c, t, number))
    return one(_enter(key, runs[0]), frame, carry)


def _finish(key: BlockKey, runs: Any, feed: Feed, frame: Any, carry: Any, t: Any) -> Any:
    program, rebuild = _program(key, runs)
    end = _lanes(key, lambda own, f, c: program.finish(rebuild(own), feed, f, c, t))
    return _leave(key, end(*(_enter(key, tree) for tree in (runs[0], frame, carry))))


def _diagnose(key: BlockKey, runs: Any, feed: Feed, frame: Any, carries: Any, t: Any) -> Any:
    program, rebuild = _program(key, runs)
    one = _lanes(key, lambda own, f, c: program.diagnose(rebuild(own), feed, f, c, t))
    return _leave(key, one(*(_enter(key, tree) for tree in (runs[0], frame, carries))))
