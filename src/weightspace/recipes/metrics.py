"""Metrics that are no mean of one number an example: sums over examples that become values at the end.

Any order and any batches of the examples give the same sums, so that a metric is measured in one pass with
all others. Plain means need no class: a function of a user's, or a loss's own metric, is one.
"""

import abc

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from weightspace.errors import InputError, check_number
from weightspace.recipes.targets import Targets
from weightspace.spec import Spec, spec, static
from weightspace.tree import Tree

Outputs = Float[Array, "batch classes"]
Labels = Int[Array, " batch"]
Share = Float[Array, " batch"]
Scalar = Float[Array, ""]


class Metric(Spec, abc.ABC):
    """A metric of whole sets: `sums` of examples, which `values` turns into numbers."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called; what its columns begin with."""

    @abc.abstractmethod
    def sums(self, outputs: Array, y: Array, share: Share) -> Tree:
        """What adds up over examples; one whose share is 0 does not count."""

    @abc.abstractmethod
    def values(self, sums: Tree, count: Scalar) -> dict[str, Scalar]:
        """Columns of `count` examples."""

    def check(self, data: Targets, outputs_shape: tuple[int, ...]) -> None:
        """Refuse data that it makes no sense for.

        Raises:
          InputError: Unless targets are classes with an output each.
        """
        if not data.classes or outputs_shape != (data.classes,):
            raise InputError(
                f"the metric '{self.name}' needs classes with an output each, but '{data.name}' has "
                f"{data.classes or 'no'} classes and the network outputs of shape {list(outputs_shape)}"
            )


def _probabilities(outputs: Outputs) -> Outputs:
    return jax.nn.softmax(outputs, axis=-1)


def _guessed(outputs: Outputs) -> Float[Array, "batch classes"]:
    """1 for the likeliest class, NaN for an example whose outputs hold NaN."""
    one = jax.nn.one_hot(jnp.argmax(outputs, -1), outputs.shape[1], dtype=outputs.dtype)
    bad = jnp.any(jnp.isnan(outputs), -1, keepdims=True)
    return jnp.where(bad, jnp.asarray(jnp.nan, one.dtype), one)


@spec
class CalibrationError(Metric):
    """Σ_b |Σ_{i in b} (p_i - c_i)| / n: p_i the largest probability, c_i whether it is right, b bins of p.

    The expected calibration error of Guo et al. (2017, arXiv:1706.04599, equation 3), with bins of one width.

    Attributes:
      bins: How many, over [0, 1].
    """

    bins: int = static(default=15)

    @property
    def name(self) -> str:
        """`ece`."""
        return "ece"

    def validate(self) -> None:
        """One bin at least."""
        check_number("bins", self.bins, least=1)

    def sums(self, outputs: Array, y: Array, share: Share) -> Tree:
        """P - c in each bin."""
        sure = jnp.max(_probabilities(outputs), -1).astype(share.dtype)
        right = (jnp.argmax(outputs, -1).astype(y.dtype) == y).astype(share.dtype)
        edges = jnp.linspace(0, 1, self.bins + 1, dtype=share.dtype)[1:-1]
        inside = jax.nn.one_hot(jnp.searchsorted(edges, sure), self.bins, dtype=share.dtype)
        # NaN times zero is NaN: an example without probabilities makes every bin undefined.
        return jnp.sum(inside * ((sure - right) * share)[:, None], 0)

    def values(self, sums: Tree, count: Scalar) -> dict[str, Scalar]:
        """`ece`."""
        return {"ece": jnp.sum(jnp.abs(sums)) / count}


@spec
class Brier(Metric):
    """The mean of Σ_k (p_k - 1[y = k])², in [0, 2] (Brier, 1950)."""

    @property
    def name(self) -> str:
        """`brier`."""
        return "brier"

    def sums(self, outputs: Array, y: Array, share: Share) -> Tree:
        """Squares of all examples."""
        true = jax.nn.one_hot(y, outputs.shape[1], dtype=outputs.dtype)
        each = jnp.sum(jnp.square(_probabilities(outputs) - true), -1)
        return jnp.sum(each.astype(share.dtype) * share)

    def values(self, sums: Tree, count: Scalar) -> dict[str, Scalar]:
        """`brier`."""
        return {"brier": sums / count}


@spec
class ByClass(Metric):
    """For each class k, the share of its examples that are recognised: `accuracy_class_<k>`; NaN for none."""

    @property
    def name(self) -> str:
        """`accuracy_class`."""
        return "accuracy_class"

    def sums(self, outputs: Array, y: Array, share: Share) -> Tree:
        """Right ones and all, of each class."""
        true = jax.nn.one_hot(y, outputs.shape[1], dtype=share.dtype) * share[:, None]
        return jnp.stack([jnp.sum(true * _guessed(outputs).astype(share.dtype), 0), jnp.sum(true, 0)])

    def values(self, sums: Tree, count: Scalar) -> dict[str, Scalar]:
        """One a class."""
        shares = sums[0] / sums[1]
        return {f"{self.name}_{k}": shares[k] for k in range(shares.shape[0])}


@spec
class Confusion(Metric):
    """`confusion_<i>_<j>`: the share of all examples that are of class i and taken for class j."""

    @property
    def name(self) -> str:
        """`confusion`."""
        return "confusion"

    def sums(self, outputs: Array, y: Array, share: Share) -> Tree:
        """Counts of pairs."""
        true = jax.nn.one_hot(y, outputs.shape[1], dtype=share.dtype) * share[:, None]
        return true.T @ _guessed(outputs).astype(share.dtype)

    def values(self, sums: Tree, count: Scalar) -> dict[str, Scalar]:
        """One a pair."""
        size = sums.shape[0]
        return {f"confusion_{i}_{j}": sums[i, j] / count for i in range(size) for j in range(size)}
