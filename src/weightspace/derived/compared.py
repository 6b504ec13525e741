"""Compared: networks of separate trainings side by side and as ensembles; what `Points` shares with it."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from weightspace.data.base import Data
from weightspace.data.corruptions.copies import Corruption
from weightspace.data.examples import Arrays, Examples
from weightspace.data.task import Task
from weightspace.errors import InputError, check_choice, check_number
from weightspace.measure.agreement import (
    BINS,
    WAYS,
    differences,
    ensemble_scores,
    log_probabilities,
    pair_mean,
    reliability,
    scores,
    together,
)
from weightspace.measure.collect import KINDS, Seen, collect
from weightspace.measure.host import stacked
from weightspace.measure.network import SPLITS, Network, Subject
from weightspace.models.base import layout_of
from weightspace.models.fit import check_finite_tree, check_fit
from weightspace.models.layout import Layout
from weightspace.node import Derived, Found
from weightspace.precision import Precision
from weightspace.spec import spec, static
from weightspace.streams import Seeds
from weightspace.tree import Tree, flat_dict


class Comparison(NamedTuple):
    """Numbers by column, arrays by output."""

    columns: dict[str, float]
    arrays: dict[str, Any]


def compared(seen: Seen, kind: str, weights: Tree, way: str, bins: int, layout: Layout) -> Comparison:
    """Each network, each pair and all together.

    Args:
      seen: What the networks make of a split.
      kind: The statistics that count; running ones beside them are told as uncalibrated.
      weights: Of the networks, along a leading axis.
      way: How ensembles vote.
      bins: Of the calibration error.
      layout: Of the weights: which of them are kernels.

    Raises:
      InputError: If targets are no classes with an output each.
    """
    outputs, y = seen.outputs[kind], seen.y
    if outputs.ndim != 3 or not np.issubdtype(y.dtype, np.integer) or outputs.shape[2] < 2:
        raise InputError(
            f"networks are compared by their classes, but outputs have shape {outputs.shape[2:]} and targets "
            f"are {y.dtype}; give a task of classes with an output each"
        )
    pairs = ensemble_scores(outputs, y, way, bins)
    arrays: dict[str, Any] = {name: np.diagonal(matrix).copy() for name, matrix in pairs.items()}
    arrays |= {f"ensemble_{name}": matrix for name, matrix in pairs.items()}
    differ = differences(outputs, y) | geometry(weights)
    arrays |= differ
    kernels = {path: leaf for path, leaf in flat_dict(weights).items() if layout[path].kind == "kernel"}
    if kernels:
        arrays |= {f"kernel_{name}": matrix for name, matrix in geometry(kernels).items()}
    voted = log_probabilities(outputs[0]) if len(outputs) == 1 else together(outputs, way)
    whole = scores(voted, y, bins)
    arrays["reliability"] = reliability(voted, y, bins)
    columns = {f"all_{name}": value for name, value in whole.items()}
    columns |= {f"mean_{name}": float(arrays[name].mean()) for name in pairs}
    columns["sd_accuracy"] = float(arrays["accuracy"].std(ddof=1)) if len(outputs) > 1 else float("nan")
    columns |= {f"pair_{name}": pair_mean(matrix) for name, matrix in differ.items()}
    columns |= {f"pair_{name}": pair_mean(matrix) for name, matrix in pairs.items()}
    if "running" in seen.outputs and kind != "running":
        each = [scores(log_probabilities(own), y, bins) for own in seen.outputs["running"]]
        plain = {f"uncalibrated_{name}": np.asarray([one[name] for one in each]) for name in pairs}
        arrays |= plain
        columns |= {f"mean_{name}": float(values.mean()) for name, values in plain.items()}
    return Comparison(columns, arrays)


def geometry(weights: Tree) -> dict[str, np.ndarray]:
    """Distances and squared cosines of networks as vectors, in double precision."""
    leaves = [np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(weights)]
    # Differences themselves: those of squared norms would lose the digits of near points.
    squares = sum(np.square(v[:, None] - v[None]).sum(-1) if v.size < 2**16 else _squares(v) for v in leaves)
    gram = sum(v @ v.T for v in leaves)
    norms = np.maximum(np.diagonal(gram), np.finfo(np.float64).tiny)
    return {"distance": np.sqrt(squares), "cosine_squared": gram**2 / np.outer(norms, norms)}


def _squares(v: np.ndarray) -> np.ndarray:
    return np.stack([np.square(v - row).sum(-1) for row in v])


def feature_arrays(seen: Seen) -> dict[str, np.ndarray]:
    """Cosines of features, where they were asked for."""
    if seen.cosine is None or seen.squared is None:
        return {}
    return {"feature_cosine": seen.cosine, "feature_cosine_squared": seen.squared}


def worse(data: Examples, corruption: Corruption | None) -> Arrays | None:
    """The data with corrupted test images; None where nothing is done to them."""
    if corruption is None:
        return None
    given = data.arrays()
    white = data.source.loaded.full_scale if isinstance(data, Data) else None
    return dataclasses.replace(given, test=corruption.of(given.test, white))


def check_worse(data: Examples, split: str, corruption: Corruption | None) -> None:
    """Refuse, before anything is trained, to corrupt what cannot be.

    Raises:
      InputError: For another split, or data that are no stored images.
      DataError: If a folder's images are not of the set's kind.
    """
    if corruption is None:
        return
    given = data.arrays()
    if split != "test" or data.classes is None or np.asarray(given.test.x[:1]).dtype != np.uint8:
        raise InputError(
            f"'{corruption.corruption}' is done to the test images of a set of classes, but this is "
            f"split '{split}' of {data.name}, inputs of {np.asarray(given.test.x[:1]).dtype}; give images of "
            "8 bits"
        )
    corruption.check(given.test)


@spec
class Compared(Derived):
    """Networks of separate trainings: each alone, in pairs, and all as one ensemble.

    Columns and outputs are those of `Points`, but for what lies along a path. Outputs `kernel_distance` and
    `kernel_cosine_squared` [k, k] are of kernels alone, `reliability` [bins, 3] of all networks as one: the
    examples of each bin, the sum of their confidences, how many are right.

    Attributes:
      model: The network.
      task: Data and loss; targets are classes.
      networks: Weights and states, as `run.network()` gives them.
      seeds: Of a run, by which its examples were chosen.
      statistics: `running` ones, as training left them, or estimated anew for each.
      split: On which part of the data.
      way: How ensembles vote, one of `logit_sum`, `logit_mean`, `probability_mean`.
      bins: Of the calibration error.
      features: The module whose outputs are compared by their cosine; None for none.
      precision: The arithmetic.
      corruption: What is done to the images of the test part; None for nothing.
    """

    model: Any
    task: Task
    networks: tuple[Network, ...]
    seeds: Seeds
    statistics: str = static(default="running")
    split: str = static(default="test")
    way: str = static(default="logit_sum")
    bins: int = static(default=BINS)
    features: str | None = static(default=None)
    precision: Precision = Precision()
    corruption: Corruption | None = static(default=None, neutral=None)

    def validate(self) -> None:
        """Networks, known choices, images that can be corrupted."""
        if not self.networks:
            raise InputError("there are no networks to compare; give some: (a.network(), b.network())")
        check_choice("statistics", self.statistics, KINDS)
        check_choice("split", self.split, SPLITS)
        check_choice("way of an ensemble", self.way, WAYS)
        check_number("bins", self.bins, least=1)
        check_worse(self.task.data, self.split, self.corruption)

    def compute(self) -> Found:
        """One reading of the split."""
        data = self.task.data
        layout = layout_of(self.model, tuple(data.shape), data.input_dtype(self.precision.storage))
        for i, network in enumerate(self.networks):
            check_fit(f"network {i}", network.weights, layout)
            check_finite_tree(f"network {i}", network.weights)
        networks = stacked(list(self.networks))
        kinds = (self.statistics,) if networks.state is None else ("running", self.statistics)
        subject = Subject(self.model, self.task, self.seeds, self.precision)
        seen = collect(
            subject, networks, self.split, tuple(dict.fromkeys(kinds)), features=self.features,
            arrays=worse(self.task.data, self.corruption),
        )  # fmt: skip
        found = compared(seen, self.statistics, networks.weights, self.way, self.bins, layout)
        return Found(found.columns, found.arrays | feature_arrays(seen))
