"""Labels and metrics that several tables and figures speak of."""

ARMS = ("method", "burn_in", "optimiser", "lr", "noise")
"""Labels that tell the arms of a comparison of subspaces apart."""
FULL = "full"
"""The method of full-space training, the reference."""


def rising(metric: str) -> bool:
    """Whether more of a metric is better."""
    return metric.endswith("accuracy")
