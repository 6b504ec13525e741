"""Counts: how many weights a round of pruning removes, as exact whole numbers."""

from fractions import Fraction

from weightspace.errors import check_choice, check_number
from weightspace.models.layout import Leaf
from weightspace.spec import Spec, spec, static

RULES = ("round", "legacy")


def _check_rate(name: str, value: float) -> None:
    check_number(name, value, least=0, below=1, hint="It is the share removed, not the share kept.")


@spec
class Rates(Spec):
    """The share of the weights left that a round removes, by kind of layer.

    The defaults are those of FC, Conv2 and Conv4 (Zhou et al., 2019); Conv6 has `conv=0.15`.

    Attributes:
      dense: Of kernels with fewer than four axes.
      conv: Of kernels with four axes or more.
      output: Of the output layer's kernel, whatever its axes.
    """

    dense: float = static(default=0.2)
    conv: float = static(default=0.1)
    output: float = static(default=0.1)

    def validate(self) -> None:
        """Shares lie in [0, 1)."""
        for name in ("dense", "conv", "output"):
            _check_rate(f"pruning rate '{name}'", getattr(self, name))

    def kind_of(self, leaf: Leaf) -> str:
        """Which of the rates holds for a leaf."""
        if leaf.output:
            return "output"
        return "conv" if len(leaf.shape) >= 4 else "dense"

    def of(self, leaf: Leaf) -> float:
        """The rate of a leaf."""
        return getattr(self, self.kind_of(leaf))


DEFAULT_RATES = Rates()


def drop_count(kept: int, rate: float, rule: str = "round", power: int = 1) -> int:
    """How many of the kept weights go when a share `rate` is removed `power` times.

    `round` is exact: kept · (1 - (1 - r)^power), with r the decimal number that was written, rounded to the
    nearest whole number and halves upwards. `legacy` is that of the original code, ⌊kept · p / 100⌋ with the
    percentage p = 100 (1 - (1 - r)^power) in floating point: since 100 (1 - 0.8) is 19.999999999999996 there,
    it removes 47,039 of 235,200 weights at a rate of 0.2, and 99 of 1,000 at 0.1.

    >>> drop_count(1000, 0.1), drop_count(1000, 0.1, "legacy")
    (100, 99)

    Args:
      kept: Weights left.
      rate: Share removed at a time, in [0, 1).
      rule: `round` or `legacy`.
      power: How often; one-shot pruning to the level of round k is power k on a full mask, 0 keeps all.

    Raises:
      InputError: For a rate, rule or power that is none.
    """
    _check_rate("pruning rate", rate)
    check_choice("pruning rule", rule, RULES)
    check_number("pruning power", power, least=0)
    if rule == "legacy":
        percentage = (1 - (1 - rate) ** power) * 100
        return int(kept * percentage / 100)
    share = 1 - (1 - Fraction(str(rate))) ** power
    return int(kept * share + Fraction(1, 2))
