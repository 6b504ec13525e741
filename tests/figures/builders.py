"""Made-up runs of the degrees-of-freedom experiments, as tables and in stores."""

import json

import pandas as pd

from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.store.rows import RunRow
from weightspace.store.schema import digest_of

SIZE = 2048
NO_HISTORY = pd.DataFrame({"run": [], "step": []})


def line(dim, seed, accuracy, *, status="ok", method="random", error=None, **labels):
    """One run of a dimension and seed; None is an accuracy that was not recorded."""
    return {
        "method": method,
        "dim": dim,
        "compression": SIZE / dim,
        "optimiser": "adam",
        "lr": 0.05,
        **labels,
        "seed": seed,
        "status": status,
        "error": error,
        "accuracy": accuracy,
    }


def full(seed, accuracy):
    return line(SIZE, seed, accuracy, method="full", optimiser="momentum")


def metrics(accuracy, losses=True):
    """Metrics of a run: the training accuracy is 0.01 above, losses are 1 - accuracy and a tenth of it."""
    if accuracy is None:
        return {}
    found = {"test_accuracy": accuracy, "train_accuracy": accuracy + 0.01}
    return found | ({"test_loss": 1 - accuracy, "train_loss": (1 - accuracy) / 10} if losses else {})


def table(lines):
    """The table of results of made-up lines."""
    rows = [
        {"run": f"r{i}", "experiment": "freedom.random", "model": "conv2", "data": "digits"}
        | {name: value for name, value in each.items() if name not in ("accuracy", "error")}
        | metrics(each["accuracy"])
        for i, each in enumerate(lines)
    ]
    return pd.DataFrame(rows)


def fill(store, experiment, lines, cohort="c", provenance=None, salt=0, losses=False):
    """Store made-up lines as the answer to an experiment; each run has a history of three points."""
    rows, asked, history = [], [], {"digest": [], "step": []}
    for each in lines:
        labels = {k: v for k, v in each.items() if k not in ("accuracy", "status", "error")}
        labels |= {"model": experiment.model, "data": experiment.data}
        # As a run has them: what labels tell is a setting, the seed one of its seeds.
        settings = {name: value for name, value in labels.items() if name != "seed"}
        seeds = {"base": labels.get("seed", 0)}
        text = json.dumps(settings | {"salt": salt, "seeds": seeds}, sort_keys=True)
        digest = digest_of(text)
        asked.append((labels, digest))
        if each["status"] == "waiting":
            continue
        scalars = metrics(each["accuracy"], losses)
        points = (0, 10, 20) if scalars else ()
        for step, share in zip(points, (0.5, 1.25, 1.0), strict=False):
            history["digest"].append(digest)
            history["step"].append(step)
            for name, value in scalars.items():
                history.setdefault(name, []).append(value * share if "accuracy" in name else value / share)
        rows.append(
            RunRow(
                digest=digest, spec=text, status=each["status"], seconds=2.0, steps=20, scalars=scalars,
                readings=points, provenance=provenance, error=each["error"],
            )
        )  # fmt: skip
    store.write_cohort(cohort, rows, history, {})
    store.ask(experiment.name, asked, experiment.fields())
    return [digest for _, digest in asked]


def plain_lines(dims=(4, 16), seeds=(0, 1), top=0.8):
    """Accuracies from 0.2 at the least dimension evenly to `top` at the greatest; a reference of 0.9."""
    span = max(len(dims) - 1, 1)
    lines = [line(d, s, 0.2 + (top - 0.2) * i / span) for s in seeds for i, d in enumerate(dims)]
    return [full(seed, 0.9) for seed in seeds] + lines


def random_experiment(**fields):
    return FreedomRandom(**{"dims": (4, 16), "seeds": ("2",), "epochs": 3.0, "levels": (0.5,), **fields})
