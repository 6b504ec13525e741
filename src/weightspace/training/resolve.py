"""Resolve: a run as numbers and arrays, and the runs of a block as stacked ones.

The arrays of other nodes take the place of a run's outputs, steps the place of its lengths; each leaf keeps
its role, common to a cohort or one a run.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from weightspace.flat import common_leaves
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


def resolve(run: Run, arrays: Mapping[Output, Any], total: int, per_epoch: int) -> Resolved:
    """Put arrays in the place of a run's outputs, and steps in the place of its lengths."""
    filled, common = run, common_leaves(run)
    if outputs_in(run):
        filled = fill(run, arrays)
        # An output may be a tree: its role holds for all of its leaves.
        pieces = jax.tree.structure(run).flatten_up_to(filled)
        common = [role for role, piece in zip(common, pieces, strict=True) for _ in jax.tree.leaves(piece)]
    return dataclasses.replace(
        _as_arrays(filled, common, run.precision.storage, total, per_epoch), edits=len(run.edits)
    )


def resolve_probes(probes: Sequence[Probe], total: int, per_epoch: int, storage: str) -> Resolved:
    """Probes with steps in the place of lengths; all their numbers are common."""
    common = [True] * len(jax.tree.leaves(tuple(probes)))
    return _as_arrays(tuple(probes), common, storage, total, per_epoch)


def _as_arrays(tree: Any, common: list[bool], storage: str, total: int, per_epoch: int) -> Resolved:
    pieces = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Seeds))
    arrays = [
        _as_array(leaf, storage, total, per_epoch, of_seeds=isinstance(piece, Seeds))
        for piece in pieces
        for leaf in (jax.tree.leaves(piece) if isinstance(piece, Seeds) else (piece,))
    ]
    return Resolved(tuple(arrays), jax.tree.structure(tree), tuple(common))


def _as_array(leaf: Any, storage: str, total: int, per_epoch: int, *, of_seeds: bool) -> Any:
    """A number as an array of the run's type, a length as steps."""
    if isinstance(leaf, jax.ShapeDtypeStruct):  # of an array that is not there yet, or not needed
        floating = np.issubdtype(leaf.dtype, np.floating)
        return jax.ShapeDtypeStruct(leaf.shape, np.dtype(storage) if floating else leaf.dtype)
    if isinstance(leaf, Length):
        leaf = leaf.steps(per_epoch, total)
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
