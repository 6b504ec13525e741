"""A small sparse run, and how tests drive its edits."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.builders import small_run
from tests.training.harness import block_of
from weightspace.masks.select import best
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Momentum
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds, Stream, key, named
from weightspace.sweeps.cohorts import reading_plan
from weightspace.sweeps.requests import Request
from weightspace.training.carry import fixed_of
from weightspace.training.step import layout_of_run
from weightspace.tree import flat_dict, map_named

MODEL = "fc:widths=16,8"
LAYOUT = layout_of_run(small_run(0, model=MODEL))
KERNELS = LAYOUT.paths("kernel")


def random_mask(density, seed=0):
    """A mask that keeps so many of each kernel."""
    mask_key = key(Seeds(seed), Stream.MASK)

    def one(path, leaf):
        if path not in KERNELS:
            return jnp.ones(leaf.shape, bool)
        count = jnp.int32(round(density * leaf.size))
        flat = best(jnp.zeros((leaf.size,)), jnp.ones((leaf.size,), bool), count, named(mask_key, path))
        return flat.reshape(leaf.shape)

    run = small_run(0, model=MODEL)
    blank = jnp.zeros((1, *run.task.data.shape))
    weights = jax.eval_shape(run.model.init, jax.random.key(0, impl="threefry2x32"), blank)[0]
    return map_named(one, weights)


SPARSE = random_mask(0.25)


def sparse_run(*edits, seed=0, length="40it", mask=SPARSE, space=None, optimiser=None, **changes):
    """A sparse network with momentum, whose edits are given."""
    recipe = Recipe(optimiser or Momentum(0.05), length, batch=64, decay=changes.pop("decay", None))
    space = space or Masked(mask)
    return small_run(seed, model=MODEL, space=space, recipe=recipe, edits=edits, **changes)


class Driven:
    """A block of runs of one program that is advanced as a sweep does."""

    def __init__(self, *runs, probes=(), lanes=1, devices=1):
        self.runs = runs
        self.block, self.placed = block_of(list(runs), probes, lanes, devices)
        self.feed = self.block.feed(runs[0])
        self.frame, self.carry = self.block.start(self.placed, self.feed)
        self.t, self.records = 0, {}
        self.plan = dict(reading_plan(Request(runs[0], tuple(probes), (0,))))

    def to(self, end, cuts=()):
        """Advance to a step, edits and readings on the way; `cuts` are further ends of stretches."""
        events = [step for step in self.plan if self.t < step <= end]
        ends = sorted({*events, *cuts, end} - {self.t})
        nothing = (False,) * self.block.key.events
        for part in _batched(ends, 16):
            steps = np.diff([self.t, *part]).tolist()
            flags = [self.plan.get(step, nothing) for step in part]
            self.carry, found = self.block.advance(
                self.placed, self.feed, self.frame, self.carry, self.t, steps, flags
            )
            for place, step in enumerate(part):
                self.records[step] = {name: np.asarray(value)[place] for name, value in found.items()}
            self.t = part[-1]
        return self

    def lane(self, tree, lane=0):
        return jax.tree.map(lambda a: np.asarray(a)[lane], jax.device_get(tree))

    def state(self, lane=0):
        """Mask, weights, coordinates and optimiser of a run, leaves by path."""
        carried = fixed_of(self.frame, self.carry), self.carry.theta, self.carry.opt
        fixed, theta, opt = jax.tree.map(jnp.asarray, self.lane(carried, lane))
        space = self.runs[lane].space
        point = space.point(fixed, theta, "")
        found = space.mask_at(fixed, theta, point), space.weights(fixed, theta, point), theta
        return *(flat_dict(jax.tree.map(np.asarray, tree)) for tree in found), opt


def _batched(items, size):
    return [tuple(items[i : i + size]) for i in range(0, len(items), size)]
