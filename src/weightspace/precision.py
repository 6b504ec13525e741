"""Precision: the arithmetic of a run."""

from weightspace.errors import check_choice
from weightspace.spec import Spec, spec, static

DTYPES = ("float32", "float64", "bfloat16")


@spec
class Precision(Spec):
    """The arithmetic of a run.

    `float32` and `float64` hold for everything; `bfloat16` computes the model's forward and backward pass in
    bfloat16 and keeps coordinates, weights and optimiser in float32. `matmul` is the precision of products:
    an accelerator's default may be coarser than float32, so it is part of the identity.

    Attributes:
      dtype: `float32`, `float64` or `bfloat16`.
      matmul: `highest`, `high` or `default`, as JAX has them.
    """

    dtype: str = static(default="float32")
    matmul: str = static(default="highest")

    def validate(self) -> None:
        """Known names."""
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("matmul precision", self.matmul, ("default", "high", "highest"))

    @property
    def storage(self) -> str:
        """The type of coordinates, weights and optimiser state."""
        return "float64" if self.dtype == "float64" else "float32"
