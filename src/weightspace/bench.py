"""Speed of the training program on this machine: run-steps a second, compilation apart.

A workload is a run and how many of it train at once. `Timer` advances a workload's blocks by given numbers of
steps, so that a comparison can alternate between ours and another's on a noisy machine.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable

import jax
import numpy as np

from weightspace import platform
from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.models.zoo import make
from weightspace.precision import Precision
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import make_loss
from weightspace.recipes.optimisers import make_optimiser
from weightspace.run import Run
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.sweeps.cohorts import backend, default_lanes, prepare
from weightspace.sweeps.requests import Request, total_steps
from weightspace.training.block import BlockKey, block_for

ENDLESS = "1000000000it"
FLOAT32 = Precision()


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is timed.

    Attributes:
      model: Zoo name.
      data: Data set.
      batch: Examples of a step.
      optimiser: Name.
      lr: Learning rate.
      dim: d of a random subspace, or None for the full space.
      loss: Name.
      precision: dtype and matmul precision.
    """

    model: str
    data: str
    batch: int
    optimiser: str
    lr: float
    dim: int | None = None
    loss: str = "cross-entropy"
    precision: Precision = FLOAT32

    @property
    def name(self) -> str:
        """In one line."""
        inside = f" in d = {self.dim}" if self.dim else ""
        return f"{self.model}{inside}/{self.data}, batch {self.batch}, {self.optimiser}"

    def run(self, seed: int) -> Run:
        """A training without an end."""
        task = Task(make_data(self.data), make_loss(self.loss))
        model = make(self.model, task.data.shape, task.outputs)
        space = Full() if self.dim is None else Affine(Gaussian(self.dim))
        recipe = Recipe(make_optimiser(self.optimiser, self.lr), ENDLESS, batch=self.batch)
        return Run(model, task, space, recipe, Seeds(seed), precision=self.precision)


class Timer:
    """A number of runs of one program, advanced side by side.

    Args:
      make_run: Seed -> run; runs must be of one structure.
      runs: How many train at once.
      lanes: Lanes of a device; None takes the table's, but no more than there are runs.
    """

    def __init__(self, make_run: Callable[[int], Run], runs: int, lanes: int | None = None):
        first = make_run(0)
        self.runs = runs
        devices = jax.local_device_count()
        self.lanes = min(lanes or default_lanes(first, backend()), max(1, -(-runs // devices)))
        self.devices = min(devices, -(-runs // self.lanes))
        specs = [make_run(seed) for seed in range(runs)]
        prepared = [prepare(Request(run), {}) for run in specs]
        _, probes, groups = prepared[0]
        resolved = [one for one, _, _ in prepared]
        key = BlockKey.of(resolved[0], probes, groups, first.precision, self.lanes, self.devices)
        self.block = block_for(key)
        self.feed = self.block.feed(first)
        self.total = total_steps(first)[0]
        self.parts = []
        for start in range(0, runs, key.size):
            members = resolved[start : start + key.size]
            members += [members[-1]] * (key.size - len(members))
            placed = self.block.put_runs(members, probes)
            frame, carry = self.block.start(placed, self.feed)
            self.parts.append([placed, frame, carry])
        self.t = 0
        self.advance(2)  # compiles

    def advance(self, steps: int) -> float:
        """Advance every run by so many steps; gives the seconds."""
        began = time.perf_counter()
        flags = [(False,) * self.block.key.events]
        for part in self.parts:
            placed, frame, carry = part
            part[2], _ = self.block.advance(placed, self.feed, frame, carry, self.t, [steps], flags)
            jax.block_until_ready(part[2])
        self.t += steps
        return time.perf_counter() - began

    def seconds_per_run_step(self, steps: int) -> float:
        """Wall seconds over runs × steps, of one measurement."""
        return self.advance(steps) / (steps * self.runs)


def matmul_rate(size: int = 2048, repeats: int = 5) -> float:
    """Operations a second of a float32 product of two square matrices: the ceiling to quote against."""
    key = jax.random.key(0, impl="threefry2x32")
    a = jax.random.normal(key, (size, size))
    product = jax.jit(lambda a: a @ a)
    with platform.arithmetic("float32", "highest"):
        product(a).block_until_ready()
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            product(a).block_until_ready()
            seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds)


def tune(workloads: list[Workload], choices: tuple[int, ...], steps: int) -> list[tuple[float, int]]:
    """The best lanes for each workload, by cost of a step: rows of the lane table, rising in cost."""
    from weightspace.training.step import layout_of_run

    found = []
    for workload in workloads:
        cost = layout_of_run(workload.run(0)).size * workload.batch
        timings = {}
        for lanes in choices:
            timer = Timer(workload.run, lanes * jax.local_device_count(), lanes)
            timings[lanes] = float(np.median([timer.seconds_per_run_step(steps) for _ in range(3)]))
        found.append((float(cost), min(timings, key=functools.partial(timings.__getitem__))))
    rows = sorted(found)
    # Each row holds up to half-way (in factors) to the next workload; the last holds for everything above.
    limits = [float(np.sqrt(a[0] * b[0])) for a, b in itertools.pairwise(rows)] + [float("inf")]
    return [(limit, lanes) for limit, (_, lanes) in zip(limits, rows, strict=True)]
