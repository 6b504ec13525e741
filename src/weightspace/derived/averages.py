"""Averages of several networks' weights: soups, random points of their hull, points pulled towards one.

Whether a mean of networks is one depends on whether they lie in one basin; its normalisation statistics are
estimated anew where it is measured (`Compared(..., statistics="recalibrated")`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.fit import check_finite_tree
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.tree import Tree, flat_dict, nested_dict

Shares = Float[np.ndarray, " k"] | Float[np.ndarray, "k ..."]
BY = ("global", "module", "weight")
_ROUNDING = 1e-6


def check_alike(weights: Sequence[Tree]) -> None:
    """Raise unless all are finite weights of one architecture.

    Raises:
      InputError: For the first leaf that differs, or that is not finite.
    """
    if not weights:
        raise InputError("there are no weights to average; give some: (a.final(), b.final())")
    shapes = [{path: np.shape(leaf) for path, leaf in flat_dict(each).items()} for each in weights]
    for i, each in enumerate(shapes):
        differ = [path for path in {**shapes[0], **each} if shapes[0].get(path) != each.get(path)]
        if differ:
            path = differ[0]
            raise InputError(
                f"weights {i} cannot be averaged with weights 0: leaf '{path}' has shape "
                f"{each.get(path, 'none')} and {shapes[0].get(path, 'none')}; take networks of one model"
            )
        check_finite_tree(f"weights {i}", weights[i])


def mixed(weights: Sequence[Tree], shares: Callable[[str, tuple[int, ...]], Shares]) -> Tree:
    """Σ c_i w_i leaf by leaf, summed in double precision, in the type of the first.

    Args:
      weights: Of networks of one architecture.
      shares: `(path, shape of the leaf) -> c`, [k] or [k, ...].
    """
    flat = [flat_dict(each) for each in weights]
    found = {}
    for path, first in flat[0].items():
        stack = np.stack([np.asarray(each[path], np.float64) for each in flat])
        c = np.asarray(shares(path, stack.shape[1:]), np.float64)
        c = c.reshape(*c.shape, *(1,) * (stack.ndim - c.ndim))
        found[path] = (c * stack).sum(0).astype(np.asarray(first).dtype)
    return nested_dict(found)


def pulled(count: int, towards: int, share: float) -> tuple[float, ...]:
    """Shares of a point between networks: `share` of one of them, and of the others the rest in equal parts.

    >>> pulled(3, 1, 0.5)
    (0.25, 0.5, 0.25)
    """
    check_number("networks to pull between", count, least=2)
    check_number("towards", towards, least=0, below=count)
    check_number("share of the pull", share, least=0, most=1)
    return tuple(share if i == towards else (1 - share) / (count - 1) for i in range(count))


class _OfSeveral(Derived):
    """A value with an output `weights` like those of each network that it takes."""

    def blank(self) -> dict[str, Tree]:
        """As the first's."""
        first = flat_dict(self.weights[0])  # pyright: ignore[reportAttributeAccessIssue]
        zeros = {
            path: np.broadcast_to(np.zeros((), np.asarray(leaf).dtype), np.shape(leaf))
            for path, leaf in first.items()
        }
        return {"weights": nested_dict(zeros)}


@spec
class Averaged(_OfSeveral):
    """Output `weights`, Σ c_i w_i; with equal shares a uniform soup (Wortsman et al., 2022).

    Attributes:
      weights: Of the networks.
      shares: c, one a network, summing to 1; None for equal ones.
    """

    weights: tuple[Any, ...]
    shares: tuple[float, ...] | None = None

    def validate(self) -> None:
        """A share each, one in all."""
        if not self.weights:
            check_alike(())
        if self.shares is None:
            return
        if len(self.shares) != len(self.weights):
            raise InputError(
                f"{len(self.shares)} shares are given for {len(self.weights)} networks; give one for each"
            )
        if abs(sum(self.shares) - 1) > _ROUNDING:
            raise InputError(
                f"shares are {self.shares}, which sum to {sum(self.shares):g}, but must sum to 1"
            )

    def compute(self) -> dict[str, Tree]:
        """The mean."""
        check_alike(self.weights)
        count = len(self.weights)
        shares = np.full(count, 1 / count) if self.shares is None else np.asarray(self.shares, np.float64)
        return {"weights": mixed(self.weights, lambda _, __: shares)}


@spec
class RandomAverage(_OfSeveral):
    """Output `weights`, a random point of the hull of several networks: c uniform on the simplex.

    Do networks between checkpoints of one training behave like those of a learned simplex? (Wortsman et al.,
    2021, compare with these.)

    Attributes:
      weights: Of the networks.
      by: One draw of c for all weights (`global`), one for each `module` or one for each `weight`.
      seed: Of the draws; that of a module hangs on its name.
      number: Which of the draws of a seed.
    """

    weights: tuple[Any, ...]
    by: str = static(default="global")
    seed: int = 0
    number: int = 0

    def validate(self) -> None:
        """Networks, a known way."""
        if not self.weights:
            check_alike(())
        check_choice("by", self.by, BY)
        check_number("seed", self.seed, least=0)
        check_number("number", self.number, least=0)

    def compute(self) -> dict[str, Tree]:
        """One draw."""
        check_alike(self.weights)
        return {"weights": mixed(self.weights, self._shares)}

    def _shares(self, path: str, shape: tuple[int, ...]) -> Shares:
        name = {"global": "", "module": path.rpartition("/")[0] or path, "weight": path}[self.by]
        rng = np.random.default_rng((int(self.seed), int(self.number), *name.encode()))
        size = (len(self.weights), *(shape if self.by == "weight" else ()))
        drawn = rng.exponential(size=size)
        return drawn / drawn.sum(0)
