"""Rows, histories and arrays of made-up runs."""

import json
import os
import subprocess
import sys

import numpy as np

from weightspace.store.arrays import to_tensors
from weightspace.store.rows import RunRow
from weightspace.store.schema import digest_of

WEIGHTS = "end.weights"


def spec_text(number, **values):
    return json.dumps({"number": number, **values}, sort_keys=True, separators=(",", ":"))


def digest(number):
    return digest_of(spec_text(number))


def row(number, *, status="ok", scalars=None, outputs=(WEIGHTS,), readings=(5, 10), **values):
    scalars = {"test_accuracy": number / 100} if scalars is None else scalars
    text = spec_text(number)
    return RunRow(digest_of(text), text, status, 1.5, 10, scalars, tuple(outputs), tuple(readings), **values)


def tree(number):
    kernel = np.full((2, 3), number, np.float32)
    return {"fc": {"kernel": kernel, "bias": np.arange(3.0)}, "mask": np.arange(20) % 2 == number % 2}


def cohort(*numbers, **values):
    """Rows, history and arrays of finished runs."""
    rows = [row(number, **values) for number in numbers]
    points = [(made.digest, step) for made in rows for step in made.readings]
    history = {
        "digest": [digest_ for digest_, _ in points],
        "step": [step for _, step in points],
        "train_loss": [1.0 / (step + 1) for _, step in points],
    }
    arrays = {}
    for number, made in zip(numbers, rows, strict=True):
        for key in made.outputs:
            arrays |= to_tensors(made.digest, key, tree(number))
    return rows, history, arrays


def write(store, name, *numbers, **values):
    store.write_cohort(name, *cohort(*numbers, **values))


def names(folder):
    """All files below a folder but those of leases, as sorted relative names."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("lease."))
    return sorted(str(path.relative_to(folder)) for path in found)


def truncate(path, share=0.5):
    """Cut a file short, as a disk that lost power does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def process(code, *arguments):
    """Another Python process that can import what this one can."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
