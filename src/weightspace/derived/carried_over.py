"""Controls of carried-over directions: what of them matters, their energy by layer or their places in it?

And what they share with a recipient's own: its displacement, its directions.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.base import layout_of
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.tree import Tree, nested_dict, paths

CHANGES = ("energy", "shuffled")


@spec
class Altered(Derived):
    """Output `columns` [d, D], made of a donor's; column k does not depend on d.

    Attributes:
      columns: The donor's [d, D], in the order of `tree.ravel`.
      model: Whose weights they are of.
      shape: Of one input of the model.
      change: `energy` draws Gaussian columns that have the donor's norm in each leaf; `shuffled` permutes the
        places within each leaf, in the same way for all columns, so that angles stay.
      seed: Of what is drawn.
    """

    columns: Any
    model: Any
    shape: tuple[int, ...] = static()
    change: str = static()
    seed: int

    def validate(self) -> None:
        """A known change."""
        check_choice("change", self.change, CHANGES)
        check_number("seed", self.seed, least=0)

    def blank(self) -> dict[str, Tree]:
        """As the donor's."""
        return {"columns": np.broadcast_to(np.zeros((), np.float32), np.shape(self.columns))}

    def compute(self) -> dict[str, Tree]:
        """Leaf by leaf."""
        given, found = np.asarray(self.columns), np.empty(np.shape(self.columns), np.float32)
        for number, part in enumerate(self._leaves(given)):
            found[:, part] = self._changed(given[:, part].astype(np.float64), number)
        return {"columns": found}

    def _changed(self, given: Float[np.ndarray, "d b"], leaf: int) -> Float[np.ndarray, "d b"]:
        if self.change == "shuffled":
            return given[:, np.random.default_rng((int(self.seed), leaf)).permutation(given.shape[1])]
        drawn = np.stack([
            np.random.default_rng((int(self.seed), leaf, k)).normal(size=given.shape[1])
            for k in range(len(given))
        ])  # fmt: skip
        lengths = np.linalg.norm(drawn, axis=1, keepdims=True)
        return drawn / lengths * np.linalg.norm(given, axis=1, keepdims=True)

    def _leaves(self, given: Float[np.ndarray, "d D"]) -> list[slice]:
        """Where each leaf lies in a flat vector."""
        layout = layout_of(self.model, self.shape, "float32")
        if given.ndim != 2 or given.shape[1] != layout.size:
            raise InputError(
                f"the donor's columns have shape {given.shape}, but the model has D = {layout.size} weights: "
                "take a donor of this architecture"
            )
        order = paths(nested_dict({leaf.path: 0 for leaf in layout}))
        ends = np.cumsum([layout[path].size for path in order])
        return [slice(end - layout[path].size, end) for path, end in zip(order, ends, strict=True)]


@spec
class Shared(Derived):
    """What directions have in common with a training from the recipient's own initialisation.

    Columns `displacement_share` ‖Uᵀ(w_T - w₀)‖² / ‖w_T - w₀‖², `overlap` ‖UᵀV‖_F² / d with V the recipient's
    own first d directions, `overlap_chance` d/D, which random directions have, and the least and the greatest
    principal angle, `angle_least` and `angle_most`, in degrees.

    Attributes:
      columns: [d, D]; made orthonormal here.
      own: The recipient's own [d, D].
      recorded: Its steps [n, D], whose sum is w_T - w₀.
    """

    columns: Any
    own: Any
    recorded: Any

    def compute(self) -> dict[str, Tree]:
        """From the singular values of UᵀV."""
        given = [np.asarray(each, np.float64) for each in (self.columns, self.own)]
        way = np.asarray(self.recorded).sum(axis=0, dtype=np.float64)
        if len({given[0].shape, given[1].shape}) > 1 or given[0].shape[1] != way.size:
            raise InputError(
                f"directions of shapes {given[0].shape} and {given[1].shape} and a way of {way.size} weights "
                "do not go together: take donors of one architecture"
            )
        u, v = (np.linalg.qr(each.T)[0] for each in given)
        cosines = np.clip(np.linalg.svd(u.T @ v, compute_uv=False), 0, 1)
        angles = np.degrees(np.arccos(cosines))
        return {
            "displacement_share": float(np.sum((way @ u) ** 2) / np.sum(way**2)),
            "overlap": float(np.mean(cosines**2)),
            "overlap_chance": u.shape[1] / u.shape[0],
            "angle_least": float(angles.min()),
            "angle_most": float(angles.max()),
            "angles": angles,
        }
