"""The extreme singular values of a layer's matrix: the two ends between which φ encloses λ.

Theorem 1 of Loukas et al. (2021): λ / σ₁(W) ≤ φ ≤ λ / σₙ(W), for each example. The left inequality always
holds; the right one needs Wᵀ to be injective, hence a layer no wider than its input.
"""

import jax.numpy as jnp

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.layout import Layout, Leaf
from weightspace.probes.base import At, Carry, Scalar, Training
from weightspace.probes.layer import LayerProbe
from weightspace.spec import spec


@spec
class SingularValues(LayerProbe):
    """Columns `sigma_max` and `sigma_min` of the layer's matrix; a layer that only adds a bias has 1, 1."""

    def check(self, run: Training, layout: Layout) -> None:
        """A dense layer."""
        super().check(run, layout)
        kernel = self._kernel(layout)
        if kernel is not None and len(kernel.shape) != 2:
            raise InputError(
                f"the probe 'SingularValues' needs a dense layer, but {kernel.path} has {len(kernel.shape)} "
                "axes; choose another layer"
            )

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """By a singular value decomposition."""
        kernel = self._kernel(at.layout)
        if kernel is None:
            values = jnp.ones((2,), at.run.precision.storage)
        else:
            values = jnp.linalg.svd(tree.flat_dict(at.weights(""))[kernel.path], compute_uv=False)
        return {f"{self.prefix}sigma_max": values[0], f"{self.prefix}sigma_min": values[-1]}, carry

    def _kernel(self, layout: Layout) -> Leaf | None:
        module = self.bias(layout).module
        found = [leaf for leaf in layout if leaf.module == module and leaf.kind == "kernel"]
        return found[0] if found else None
