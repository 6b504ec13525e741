"""Masks of the "weight symmetry" study: which patterns, how sparse, and what is counted of them."""

import dataclasses

from weightspace.derived.pattern_mask import PatternMask
from weightspace.derived.symmetry import Symmetry
from weightspace.errors import InputError
from weightspace.experiments.base import Paper
from weightspace.experiments.settings import swept
from weightspace.masks.layers import masked_kernels
from weightspace.masks.patterns import make_pattern
from weightspace.models.base import Model, layout_of
from weightspace.streams import Seeds
from weightspace.tables.words import Label

IOANNOU_2020 = Paper(
    title="Weight Symmetry Research Code",
    bibtex="""@misc{ioannou2020weight,
  title = {Weight Symmetry Research Code},
  author = {Ioannou, Yani},
  year = {2020},
  howpublished = {github.com/google-research/rigl, rigl/experimental/jax},
}""",
    figure="README",
)
PATTERN = Label("pattern", "mask pattern", spaced=True)
COUNTED = (
    "alive_order_digits", "alive_twin_digits", "alive_lost_digits", "order_digits", "twin_digits",
    "lost_digits", "alive_units", "units",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Patterns:
    """Patterns of masks."""

    patterns: tuple[str, ...] = swept(
        "random", "per_neuron", "per_neuron_no_input_ablation", "symmetric", words="mask pattern"
    )
    """How ones are placed, with options as in block_repeat:repeat=4: random, bernoulli, per_neuron,
    per_neuron_no_input_ablation, symmetric, block_repeat, circulant, n_m; hyphens do as well."""
    mask_layers: str = ""
    """Kernels that are masked: numbers in forward order (0,2), a selector; nothing: all but the output's."""

    def check(self) -> None:
        """Every pattern is known, and named once.

        Raises:
          InputError: For the first that is not.
        """
        known = [make_pattern(name).name for name in self.patterns]
        if len(set(known)) != len(known):
            raise InputError(f"a pattern is named twice in {', '.join(self.patterns)}; name each once")

    def mask(
        self, model: Model, shape: tuple[int, ...], seeds: Seeds, pattern: str, sparsity: float
    ) -> PatternMask:
        """The mask of a network.

        Raises:
          InputError: If the network has no such layers.
        """
        masked_kernels(layout_of(model, shape, "float32"), self.mask_layers or None)
        return PatternMask(model, shape, seeds, pattern, sparsity, self.mask_layers or None)


def symmetry(mask: PatternMask) -> Symmetry:
    """What is counted of a mask."""
    return Symmetry(mask.model, mask.shape, mask.output("mask"))
