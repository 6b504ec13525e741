"""Edited: what an edit sees of a run, and how what it wants is carried out."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key

from weightspace import tree
from weightspace.edits.base import Changed, Now, counted
from weightspace.models.layout import kernels_by_module
from weightspace.run import Run
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.streams import Stream, key
from weightspace.training.carry import Carry
from weightspace.training.step import layout_of_run


def standing(run: Run, carry: Carry, t: Int[Array, ""], gradient: Callable[[], Any]) -> Now:
    """What an edit sees after t steps.

    Args:
      run: The run, with tracers for its numbers.
      carry: After those steps; it holds the space's fixed arrays.
      t: Steps done.
      gradient: The next step's batch and what it gives.
    """
    space, fixed = run.space, carry.fixed
    point = space.point(fixed, carry.theta, DEFAULT_POINT)
    data = run.task.data

    def sample(sample_key: Key[Array, ""]) -> Any:
        blank = jnp.zeros((1, *data.shape), data.input_dtype("float32"))
        return tree.cast(run.model.init(sample_key, blank)[0], jnp.dtype(run.precision.storage))

    return Now(
        t=t, total=jnp.asarray(run.recipe.length, jnp.int32), run=run, layout=layout_of_run(run),
        weights=space.weights(fixed, carry.theta, point),
        mask=space.mask_at(fixed, carry.theta, point) if space.masked else None,
        gradient=lambda: gradient()[2].weights, sample=sample,
    )  # fmt: skip


def carried_out(run: Run, carry: Carry, now: Now, number: int) -> tuple[dict[str, Array], Carry]:
    """What an edit's event records, and the carry after it.

    Where the mask is changed, the history has `mask_density`, the share of ones over all kernels after it,
    `mask_density_<layer>`, that over each layer's, `mask_dropped` and `mask_grown`, the numbers of weights
    that went and came, beside what the edit records; of a run's second edit the names end in `_2`.
    """
    edit = run.edits[number]
    edit_key = jax.random.fold_in(key(run.seeds, Stream.MASK, now.t), number)
    own, wanted = edit.act(carry.edits[number], now, edit_key)
    theta = carry.theta if wanted.theta is None else wanted.theta
    fixed, fresh = carry.fixed, [] if wanted.fresh is None else [wanted.fresh]
    record = {name: jnp.asarray(value, jnp.float32) for name, value in wanted.record.items()}
    if wanted.mask is not None:
        fixed, theta, changed = run.space.remasked(fixed, theta, wanted.mask, wanted.grown)
        fresh += [] if changed is None else [changed]
        record |= _exchanged(now, wanted)
    opt = carry.opt
    for marks in fresh:
        opt = cleared(run.recipe.optimiser.direction(), opt, theta, marks)
    ending = f"_{number + 1}" if number else ""
    edits = (*carry.edits[:number], own, *carry.edits[number + 1 :])
    after = dataclasses.replace(carry, theta=theta, fixed=fixed, opt=opt, edits=edits)
    return {f"mask_{name}{ending}": value for name, value in record.items()}, after


def _exchanged(now: Now, wanted: Changed) -> dict[str, Array]:
    old, new = now.kernels(now.mask), now.kernels(wanted.mask)
    size = sum(mask.size for mask in new.values())
    counts = {
        "dropped": counted({path: old[path] & ~new[path] for path in new}),
        "grown": counted({path: new[path] & ~old[path] for path in new}),
    }
    found = {name: count.astype(jnp.float32) for name, count in counts.items()}
    found |= {"density": counted(new).astype(jnp.float32) / size}
    for name, leaves in kernels_by_module(now.layout).items():
        own = {leaf.path: new[leaf.path] for leaf in leaves}
        found[f"density_{name}"] = counted(own).astype(jnp.float32) / sum(leaf.size for leaf in leaves)
    return found


def cleared(direction: optax.GradientTransformation, opt: Any, theta: Any, fresh: Any) -> Any:
    """The optimiser's state with the moments of some coordinates as before the first step.

    Args:
      direction: The optimiser's transformation.
      opt: Its state.
      theta: The coordinates.
      fresh: Which of them: booleans in the structure of the coordinates.
    """
    marks = optax.tree_utils.tree_map_params(
        direction, lambda _, mark: mark, opt, fresh, transform_non_params=lambda _: jnp.asarray(False)
    )
    return jax.tree.map(jnp.where, marks, direction.init(theta), opt)
