"""Drive a block directly: train runs and give their final coordinates and records."""

import jax
import numpy as np

from weightspace.probes import Snapshot
from weightspace.sweeps.cohorts import prepare
from weightspace.sweeps.requests import Request, total_steps
from weightspace.training.block import BlockKey, block_for


def block_of(runs, probes, lanes, devices):
    prepared = [prepare(Request(run, tuple(probes), (0,)), {}) for run in runs]
    _, resolved_probes, groups = prepared[0]
    resolved = [one for one, _, _ in prepared]
    key = BlockKey.of(resolved[0], resolved_probes, groups, runs[0].precision, lanes, devices)
    block = block_for(key)
    padded = resolved + [resolved[-1]] * (key.size - len(resolved))
    return block, block.put_runs(padded, resolved_probes)


def train(runs, probes=(), *, lanes=1, devices=1, stretches=None):
    """Final weights of each run, records at the ends of the stretches, first bad steps; block after block."""
    size = lanes * devices
    parts = [runs[i : i + size] for i in range(0, len(runs), size)]
    found = [train_block(part, probes, lanes, devices, stretches) for part in parts]
    records = {name: np.concatenate([f[1][name] for f in found], axis=1) for name in found[0][1]}
    return [w for f in found for w in f[0]], records, np.concatenate([f[2] for f in found])


def outputs_of(run, probes, stretches):
    """What each probe leaves behind of one run, by name."""
    return [
        {name: jax.tree.map(lambda a: a[0], value) for name, value in found.items()}
        for found in train_block([run], probes, 1, 1, stretches)[3][: len(probes)]
    ]


def train_block(runs, probes, lanes, devices, stretches):
    probes = (*probes, Snapshot("end"))
    block, placed = block_of(runs, probes, lanes, devices)
    feed = block.feed(runs[0])
    frame, carry = block.start(placed, feed)
    total, _ = total_steps(runs[0])
    stretches = stretches or [0, total]
    flags = [[True] * len(block.key.groups) + [False] * block.key.edits] * len(stretches)
    carry, records = block.advance(placed, feed, frame, carry, 0, stretches, flags)
    outputs, bad = block.finish(placed, feed, frame, carry, total)
    outputs = jax.device_get(outputs)
    weights = outputs[-1]["weights"]
    each = [jax.tree.map(lambda a, i=i: a[i], weights) for i in range(len(runs))]
    records = {name: np.asarray(value)[: len(stretches)] for name, value in records.items()}
    return each, records, np.asarray(bad), outputs


def flat(weights):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(weights)])
