"""Resolve: a run as numbers and arrays, and the runs of a block as stacked ones.

The arrays of other nodes take the place of a run's outputs, steps the place of its lengths; each leaf keeps
its role, common to a cohort or one a run.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from weightspace.flat import common_leaves, flat
from weightspace.node import Output, fill, outputs_in
from weightspace.probes.base import Probe
from weightspace.recipes.length import Length
from weightspace.run import Run
from weightspace.streams import Seeds


@dataclasses.dataclass(frozen=True)
class Resolved:
    """A run (or probes) whose leaves are numbers and arrays.

    Attributes:
      leaves: Numpy arrays, in the order of the structure; shapes where a run is only planned.
      structure: What turns them back into the spec.
      common: For each leaf, whether it is equal for all runs of a cohort.
      edits: How many edits a run has.
    """

    leaves: tuple[Any, ...]
    structure: Any
    common: tuple[bool, ...]
    edits: int = 0

    @property
    def shapes(self) -> tuple[tuple[tuple[int, ...], str], ...]:
        """Shape and type of each leaf."""
        return tuple((leaf.shape, str(leaf.dtype)) for leaf in self.leaves)

    def common_values(self) -> tuple[bytes, ...]:
        """The bits of the common leaves: equal for all runs of a cohort."""
        pairs = zip(self.leaves, self.common, strict=True)
        return tuple(_bits(leaf) for leaf, shared in pairs if shared)


def _bits(leaf: Any) -> bytes:
    return b"" if isinstance(leaf, jax.ShapeDtypeStruct) else leaf.tobytes()


class Numbers(dict[Any, np.ndarray]):
    """Numbers as arrays, each made once; arrays of no axes that nobody writes to."""

    def __call__(self, value: Any, storage: str, *, of_seeds: bool) -> np.ndarray:
        """One number of Python as an array of the run's type."""
        # Zero is equal to its negative, whose bits are others.
        name = (type(value), value or repr(value), storage, of_seeds)
        found = self.get(name)
        if found is None:
            found = self[name] = _number(value, storage, of_seeds=of_seeds)
            found.flags.writeable = False
        return found


def resolve(
    run: Run, arrays: Mapping[Output, Any], total: int, per_epoch: int, numbers: Numbers | None = None
) -> Resolved:
    """Put arrays in the place of a run's outputs, and steps in the place of its lengths.

    Args:
      run: The run.
      arrays: For each output that it takes.
      total: Steps of the run.
      per_epoch: Steps of its epoch.
      numbers: Of other runs, to share arrays with.
    """
    filled, common = run, common_leaves(run)
    if outputs_in(run):
        filled = fill(run, arrays)
        # An output may be a tree: its role holds for all of its leaves.
        pieces = jax.tree.structure(run).flatten_up_to(filled)
        common = [role for role, piece in zip(common, pieces, strict=True) for _ in jax.tree.leaves(piece)]
    steps = (total, per_epoch)
    found = _as_arrays(
        filled, common, run.precision.storage, steps, Numbers() if numbers is None else numbers
    )
    return dataclasses.replace(found, edits=len(run.edits))


def resolve_probes(probes: Sequence[Probe], total: int, per_epoch: int, storage: str) -> Resolved:
    """Probes with steps in the place of lengths; all their numbers are common."""
    common = [True] * len(jax.tree.leaves(tuple(probes)))
    return _as_arrays(tuple(probes), common, storage, (total, per_epoch), Numbers())


def common_values(run: Run, total: int, per_epoch: int, numbers: Numbers | None = None) -> tuple[bytes, ...]:
    """The bits of the leaves that a run has in common with its cohort; those of no arrays are empty."""
    _, leaves = flat(run)
    storage, steps, numbers = (
        run.precision.storage,
        (total, per_epoch),
        Numbers() if numbers is None else numbers,
    )
    return tuple(
        [
            b""
            if isinstance(leaf, Output)
            else _bits(_as_array(leaf, storage, steps, numbers, of_seeds=of_seeds))
            for leaf, shared, of_seeds in zip(leaves, common_leaves(run), _seeds_in(run), strict=True)
            if shared
        ]
    )


def shapes_apart(run: Run) -> tuple[Any, ...]:
    """Shapes and types of those leaves that runs of one form may have in different ones: arrays."""
    form, leaves = flat(run)

    def find() -> tuple[int, ...]:
        told = (float, int, bool, Length, Output)
        return tuple(place for place, kind in enumerate(form.kinds) if kind not in told)

    arrays = [np.asarray(leaves[place]) for place in form.fact("arrays", find)]
    return tuple([(array.shape, str(array.dtype)) for array in arrays])


def _seeds_in(tree: Any) -> tuple[bool, ...]:
    """For each leaf, whether it is of seeds."""

    def find() -> tuple[bool, ...]:
        pieces = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Seeds))
        return tuple(isinstance(piece, Seeds) for piece in pieces for _ in jax.tree.leaves(piece))

    return flat(tree)[0].fact("seeds", find)


def _as_arrays(
    tree: Any, common: list[bool], storage: str, steps: tuple[int, int], numbers: Numbers
) -> Resolved:
    form, leaves = flat(tree)
    arrays = [
        _as_array(leaf, storage, steps, numbers, of_seeds=of_seeds)
        for leaf, of_seeds in zip(leaves, _seeds_in(tree), strict=True)
    ]
    structure = form.fact("structure", lambda: jax.tree.structure(tree))
    return Resolved(tuple(arrays), structure, tuple(common))


def _as_array(leaf: Any, storage: str, steps: tuple[int, int], numbers: Numbers, *, of_seeds: bool) -> Any:
    """A number as an array of the run's type, a length as steps."""
    if isinstance(leaf, Length):
        leaf = leaf.steps(steps[1], steps[0])
    if type(leaf) in (float, int, bool):
        return numbers(leaf, storage, of_seeds=of_seeds)
    if isinstance(leaf, jax.ShapeDtypeStruct):  # of an array that is not there yet, or not needed
        floating = np.issubdtype(leaf.dtype, np.floating)
        return jax.ShapeDtypeStruct(leaf.shape, np.dtype(storage) if floating else leaf.dtype)
    return _number(leaf, storage, of_seeds=of_seeds)


def _number(leaf: Any, storage: str, *, of_seeds: bool) -> np.ndarray:
    array = np.asarray(leaf)
    if np.issubdtype(array.dtype, np.floating):
        return array.astype(storage)
    if np.issubdtype(array.dtype, np.integer) and isinstance(leaf, int):
        return array.astype(np.uint32 if of_seeds else np.int32)
    return array


def stack(runs: Sequence[Resolved]) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The leaves of a block: those that differ stacked along a first axis, and the common ones."""
    first = runs[0]
    stacked = tuple(
        np.stack([run.leaves[i] for run in runs]) for i, shared in enumerate(first.common) if not shared
    )
    return stacked, tuple(leaf for leaf, shared in zip(first.leaves, first.common, strict=True) if shared)
