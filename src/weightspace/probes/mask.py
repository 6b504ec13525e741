"""Masks that were learned: kept as an output, and measured at the end by thresholding and by sampling."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.network import SPLITS, Network
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Scalar, Training, at_the_end
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import spec, static
from weightspace.tree import flat_dict

SAMPLES = 10
"""Masks that the authors average at the end."""


def _check_masks(probe: str, run: Training) -> None:
    if not run.space.masked:
        raise InputError(
            f"the probe '{probe}' needs a space with masks, such as Supermask or EdgePopup, but the run "
            f"trains in '{run.space.name}'"
        )


@spec
class LearnedMask(Probe):
    """Output `mask`: booleans in the structure of the weights, the mask at the end of training.

    Of the first layer also what can be shown as a picture. Where its kernel is a matrix with a row an input,
    output `inputs`: the share of its units for which each input is kept, in the shape of an input. Where it
    is a convolution in two dimensions, output `filters`: its mask [height, width, channels, filters],
    whichever axis its library puts the filters on.

    Attributes:
      name: Point of the space: `threshold`, `sample0`, …; "" is its default.
    """

    name: str = static(default=DEFAULT_POINT)

    @property
    def key(self) -> str:
        """`learnedmask(threshold)`."""
        return f"learnedmask({self.name})"

    def check(self, run: Training, layout: Layout) -> None:
        """The space has masks."""
        _check_masks("learned mask", run)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The mask there."""
        space = at.run.space
        mask = space.mask_at(at.fixed, at.theta, space.point(at.fixed, at.theta, self.name))
        found = {"mask": mask}
        first = min((leaf for leaf in at.layout if leaf.kind == "kernel"), key=lambda leaf: leaf.order)
        shape = tuple(at.run.task.data.shape)
        if len(first.shape) == 4 and first.out_axis is not None:
            kernel = flat_dict(mask)[first.path]
            # Libraries with filters first have channels second.
            found["filters"] = kernel.transpose(2, 3, 1, 0) if first.out_axis == 0 else kernel
        if len(first.shape) == 2 and first.shape[0] == math.prod(shape):
            share = jnp.mean(flat_dict(mask)[first.path], axis=1, dtype=jnp.float32)
            found["inputs"] = share.reshape(shape)
        return found


@spec
class MaskEvaluation(Probe):
    """What learned masks are worth at the end of training; NaN before.

    Columns `threshold_<split>_<metric>` of the space's default point, where a mask is thresholded. With
    samples also `sampled_<split>_<metric>`, the mean over that many draws of the mask (the space's points
    `sample0`, `sample1`, …), and `sampled_sd_<split>_<metric>`, their standard deviation (n - 1).

    All samples are measured in one reading of the data. Source: Zhou et al., 2019, who report the mean over
    ten samples.

    Attributes:
      samples: How many masks are drawn; 0 for spaces whose masks are not random.
      splits: On which parts of the data, each whole.
    """

    version = 2

    samples: int = static(default=SAMPLES)
    splits: tuple[str, ...] = static(default=("train", "test"))

    def validate(self) -> None:
        """Known splits; none or at least two samples, since one has no spread."""
        for name in self.splits:
            check_choice("split", name, SPLITS)
        check_number("samples", self.samples, least=0)
        if self.samples == 1:
            raise InputError("samples is 1, but one mask has no spread; give at least 2, or 0 for none")

    def check(self, run: Training, layout: Layout) -> None:
        """The space has masks, and random ones where samples are asked for."""
        _check_masks("mask evaluation", run)
        if self.samples and not run.space.random_masks:
            raise InputError(
                f"samples is {self.samples}, but the masks of '{run.space.name}' are not random; give 0"
            )

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """At the end only."""
        return at_the_end(at, lambda: self._measured(at)), carry

    def _measured(self, at: At) -> dict[str, Scalar]:
        found = self._at(at, Network(at.weights(DEFAULT_POINT), at.state), many=False)
        record = {f"threshold_{name}": value for name, value in found.items()}
        if not self.samples:
            return record
        names = tuple(f"sample{number}" for number in range(self.samples))
        for name, values in self._at(at, at.network(names, "running"), many=True).items():
            record[f"sampled_{name}"] = jnp.mean(values)
            record[f"sampled_sd_{name}"] = jnp.std(values, ddof=1)
        return record

    def _at(self, at: At, network: Network, *, many: bool) -> dict[str, Array]:
        return {
            f"{split}_{metric}": value
            for split in self.splits
            for metric, value in at.measure(network, split, many=many).items()
        }
