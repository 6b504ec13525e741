"""Propagate: what dead units leave behind is cut, in both directions, until nothing changes.

A hidden unit is alive if a path of connections leads from an input to it and another from it to an output.
The connections between units that are alive are kept as they are, taps of convolutions too; all others go.
Reaching forward and reaching back do not depend on each other, so one pass each way is the fixpoint.

A unit without outputs can be cut whatever it computes. A unit without inputs computes a constant, act(bias):
cutting its outgoing weights changes the function unless that is zero (bias 0 and act(0) = 0, as at the start)
or a later bias or normalisation takes it in.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

Connections = Bool[np.ndarray, "_ _ _"]
Net = Sequence[Connections]
"""Connections of each layer; see `weightspace.symmetry`."""


def alive(net: Net) -> list[Bool[np.ndarray, "_"]]:
    """Which units of each hidden layer are on a path from an input to an output."""
    pairs = [np.asarray(layer.any(axis=2)) for layer in net]
    forward, backward = _reached(pairs[:-1]), _reached([layer.T for layer in pairs[:0:-1]])
    return [a & b for a, b in zip(forward, reversed(backward), strict=True)]


def _reached(pairs: list[np.ndarray]) -> list[np.ndarray]:
    """Which units a path leads to from what the first layer takes, layer by layer."""
    found: list[np.ndarray] = []
    for layer in pairs:
        inputs = found[-1] if found else np.ones(len(layer), bool)
        found.append(np.asarray(layer[inputs].any(axis=0)))
    return found


def propagated(net: Net) -> list[Connections]:
    """The net without the connections of dead units; of the same shapes, with no new connection."""
    living = alive(net)
    taken = [np.ones(net[0].shape[0], bool), *living]
    made = [*living, np.ones(net[-1].shape[1], bool)]
    return [
        layer & ins[:, None, None] & outs[None, :, None]
        for layer, ins, outs in zip(net, taken, made, strict=True)
    ]


def restricted(net: Net) -> list[Connections]:
    """The net of the units that are alive alone."""
    living = alive(net)
    taken = [np.ones(net[0].shape[0], bool), *living]
    made = [*living, np.ones(net[-1].shape[1], bool)]
    return [layer[ins][:, outs] for layer, ins, outs in zip(net, taken, made, strict=True)]


def connected(net: Net) -> bool:
    """Whether any input reaches any output."""
    whole = net[0].any() if len(net) == 1 else all(units.any() for units in alive(net))
    return bool(whole)
