"""What is shown of masks and training: accuracy and gradients against sparsity, and against symmetry lost."""

from weightspace.experiments.symmetry.training import WAY
from weightspace.figures.charts import Against

LOST = "alive_lost_digits"
"""log₁₀ |G|/|Aut(M)| of the units alive."""
DRAWN = ("test_accuracy", *WAY)
"""What is drawn and correlated."""
POOLED = (
    "Spearman's ρ over the runs of one sparsity, with a 90 % interval. Masks of other patterns differ in "
    "more than symmetry, and units that die take away what there is to lose: ρ says nothing of causes."
)
PARTIAL = (
    "Partial rank correlation: what is left of ρ where sparsity and the number of units alive are held fixed."
)


def against_sparsity(arms: tuple[str, ...], share: float) -> Against:
    """Symmetry left, accuracy and the way from the start against sparsity."""
    title = "Accuracy, gradients and symmetry against sparsity"
    return Against(
        "sparsity", (*DRAWN, "alive_order_digits"), arms, name="sparsity", title=title, share=share
    )


def against_lost(arms: tuple[str, ...], share: float) -> Against:
    """Accuracy and the way from the start against the digits of symmetry lost."""
    return Against(
        LOST, DRAWN, arms, name="lost", title="Accuracy and gradients against symmetry lost", share=share,
        caption="Symmetry lost is log₁₀ of the relabellings of the units alive over those that leave the "
        "mask as it is: it falls where units die. Lines follow the sparsity.",
    )  # fmt: skip
