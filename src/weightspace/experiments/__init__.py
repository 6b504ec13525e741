"""Experiments by name. Modules are loaded on use, so that a list of names costs nothing."""

import importlib

from weightspace.errors import unknown
from weightspace.experiments.base import Experiment

_COMPLEXITY = "weightspace.experiments.complexity"
_TICKETS = "weightspace.experiments.tickets"
_BY_NAME = {
    "complexity.sinusoid": f"{_COMPLEXITY}.sinusoid:ComplexitySinusoid",
    "complexity.corruption": f"{_COMPLEXITY}.images:ComplexityCorruption",
    "complexity.architectures": f"{_COMPLEXITY}.images:ComplexityArchitectures",
    "complexity.batch-size": f"{_COMPLEXITY}.sinusoid:ComplexityBatchSize",
    "complexity.regions": f"{_COMPLEXITY}.regions:ComplexityRegions",
    "complexity.dropout": f"{_COMPLEXITY}.dropout:ComplexityDropout",
    "complexity.generalisation": f"{_COMPLEXITY}.generalisation:ComplexityGeneralisation",
    "tickets.dense": f"{_TICKETS}.dense:TicketsDense",
    "tickets.iterative": f"{_TICKETS}.iterative:TicketsIterative",
    "tickets.kept-values": f"{_TICKETS}.iterative:TicketsKeptValues",
    "tickets.pruned-values": f"{_TICKETS}.iterative:TicketsPrunedValues",
    "tickets.at-init": f"{_TICKETS}.at_init:TicketsAtInit",
    "tickets.supermask": f"{_TICKETS}.supermask:TicketsSupermask",
    "tickets.best-masks": f"{_TICKETS}.best_masks:TicketsBestMasks",
    "tickets.from-supermask": f"{_TICKETS}.from_supermask:TicketsFromSupermask",
    "tickets.connectivity": f"{_TICKETS}.connectivity:TicketsConnectivity",
    "tickets.overlap": f"{_TICKETS}.overlap:TicketsOverlap",
    "freedom.random": "weightspace.experiments.freedom.random_subspace:FreedomRandom",
    "freedom.burn-in": "weightspace.experiments.freedom.burn_in:FreedomBurnIn",
}


def names() -> tuple[str, ...]:
    """All experiments."""
    return tuple(_BY_NAME)


def experiment_class(name: str) -> type[Experiment]:
    """The class of an experiment.

    Raises:
      InputError: If there is none of that name.
    """
    found = _BY_NAME.get(name) or _BY_NAME.get(name.replace("_", "-"))
    if found is None:
        raise unknown("experiment", name, names())
    module, _, attribute = found.partition(":")
    return getattr(importlib.import_module(module), attribute)
