"""A run's output as a file of its own, arrays by path in safetensors; numbers of all runs for other tools.

Weights come with what it takes to evaluate them: the model's state beside them, and in the metadata the spec,
the names of model and data, how inputs are decoded, and the versions of the packages.
"""

import contextlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weightspace.cli.parse import parse
from weightspace.cli.show import Modules, Out, RunName, known_experiments, opened
from weightspace.cli.state_dict import KIND as STATE_DICT
from weightspace.cli.state_dict import export_state_dict
from weightspace.errors import InputError, StoreError, nearest, unknown
from weightspace.experiments.answered import safe_name
from weightspace.experiments.base import Experiment
from weightspace.store.base import Store
from weightspace.store.chosen import chosen_output, run_named
from weightspace.store.rows import NETWORK, Record
from weightspace.store.write import in_order, sentences, write_safetensors
from weightspace.tree import flat_dict

_WHOLE = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_STORED = frozenset(["bool", "bfloat16", "float16", "float32", "float64", "complex64", *_WHOLE])
"""Types of numbers that the format knows."""


KINDS = {"tensorboard": "tensorboard", "json": "summary.json"}
"""What the numbers of runs are written as, each with what it is called in `OUT/export`."""
KNOWN = (*KINDS, STATE_DICT)
"""All that `--to` means beside a file."""


def export(arguments: Sequence[str]) -> int:
    """A run's weights as a safetensors file, or the numbers of all runs for other tools."""

    def command(
        out: Out, run: RunName = "", output: str | None = None, to: str | None = None,
        at: str | None = None, into: Path | None = None, experiment: str | None = None,
        experiments: Modules = (), model: str | None = None, data: str | None = None,
    ) -> int:  # fmt: skip
        """Write what a run left behind as safetensors, or the numbers of all runs for other tools.

        With RUN: its weights, if nothing else is named, keyed by path, with the model's state; metadata hold
        the spec, the decoding of inputs and versions.

        --to json: {run: {tag: value}} of all finished runs; a training and what was counted of its mask are
        one run. What was not recorded has no tag; whole numbers beyond 2^53 are text, with all digits.
        weightspace.read_summary(FILE) gives the table.

        --to tensorboard: a folder for each run, called after its labels and digest: histories at their exact
        steps under the names of `list metrics`, last values, labels as hparams. Scalars are rounded to
        float32, as the format has them; NaN and infinity stay such; whole numbers beyond 2^53, and what
        float32 cannot hold, are text, with all digits. Needs pip install 'weightspace[tensorboard]'.

        Args:
          out: Folder of results.
          run: The run: its digest, or the beginning of it; with json and tensorboard none means all.
          output: Which of its outputs; they are listed where there are several.
          at: A point of a learned region, such as 0.5 of a line, midpoint or vertex0: the network there, with
            statistics estimated for it on the run's training data.
          to: tensorboard, json, state-dict (a PyTorch network's, for load_state_dict(strict=True)), or for
            a run's arrays the file; by default OUT/export/RUN-OUTPUT.safetensors. A file called so is ./json.
          into: Where json, tensorboard and state-dict go; by default OUT/export/summary.json and the like.
          experiment: Only what this experiment asked (json, tensorboard).
          experiments: Modules of your own experiments, as package.module; a folder names none itself.
          model: With --at and state-dict: the network of your own that the run was asked with,
            package.module:Net. What a folder names is run only where this command names it too.
          data: Likewise: the folder or factory of your own data.
        """
        known = known_experiments(experiments)
        named = [name for name in (model, data) if name is not None]
        if to == STATE_DICT and run and output is None and experiment is None:
            print(export_state_dict(opened(out), run, into, at, known, named))
            return 0
        if to in KINDS:
            if output is not None:
                raise InputError(f"--output chooses arrays of a run, but {to} has the numbers of runs")
            if at is not None:
                raise InputError(f"--at {at} is the network at a point, but {to} has the numbers of runs")
            print(export_numbers(opened(out), to, run, into, experiment, known))
            return 0
        check_arrays(run, to, into, experiment)
        if named and at is None:
            raise InputError(
                "--model and --data go with --at and --to state-dict, which make the run again; leave them "
                "out"
            )
        print(export_output(opened(out), run, output, None if to is None else Path(to), at, known, named))
        return 0

    return parse(command, arguments, prog="weightspace export")


def export_numbers(
    store: Store,
    kind: str,
    run: str = "",
    into: Path | None = None,
    experiment: str | None = None,
    experiments: Iterable[type[Experiment]] = (),
) -> Path:
    """Write the numbers of runs for TensorBoard or as JSON; gives the folder or the file.

    Args:
      store: The store.
      kind: One of `KINDS`.
      run: Only what this run is part of: its digest or the beginning of it; all where it is empty.
      into: Where to, or None for the store's folder `export`.
      experiment: Only what this experiment asked.
      experiments: Classes beside those of this package.

    Raises:
      InputError: If tensorboardX is lacking, or it is not clear which run is meant.
      StoreError: If there is no such run, nothing has finished, or it cannot be written.
    """
    from weightspace.report.board import write_board
    from weightspace.report.tags import tagged, write_summary

    digest = run_named(store, run) if run else None
    found = [each for each in tagged(store, experiment, experiments) if digest in (None, *each.digests)]
    if not found:
        raise StoreError(f"run {run} was not asked for by itself, or has not finished; leave it out for all")
    to = store.root / "export" / KINDS[kind] if into is None else into
    with sentences(to.parent):
        to.parent.mkdir(parents=True, exist_ok=True)
    if kind == "json":
        write_summary(found, to)
    else:
        write_board(store, found, to)
    return to


def check_arrays(run: str, to: str | None, into: Path | None, experiment: str | None) -> None:
    """Refuse what goes with the numbers of all runs where a run's arrays are meant.

    Raises:
      InputError: If no run is named, or one of these flags is given.
    """
    if to == STATE_DICT:
        said = "name the run, and leave out --output and --experiment"
        raise InputError(f"--to state-dict is a run's whole network: {said}")
    # A bare word that looks like one of them is a slip; a file has an ending, or a folder before it.
    slip = to is not None and not {".", "/"} & set(to) and nearest(to, KNOWN) is not None
    if to is not None and (slip or not run):
        raise unknown("--to" if run else "--to without a run", to, KNOWN)
    if not run:
        raise InputError(
            "export writes the arrays of one run, and none is named: weightspace export OUT RUN; for the "
            "numbers of all runs give --to tensorboard or --to json"
        )
    for flag, given in (("--into", into), ("--experiment", experiment)):
        if given:
            raise InputError(
                f"{flag} goes with --to tensorboard or --to json; a run's arrays go to the file that --to "
                "names"
            )


LOADED_BY = (
    "weightspace.load_file(FILE) gives the network; weightspace run NAME --from FILE and "
    "weightspace.StoredNetwork.of(FILE, model, task) start trainings from it"
)
"""How a network's file is read again: part of its header."""


def export_output(
    store: Store,
    run: str,
    output: str | None,
    to: Path | None,
    at: str | None = None,
    known: Any = (),
    named: Sequence[str] = (),
) -> Path:
    """Write an output of a run, weights with the model's state; gives the file.

    Args:
      store: The store.
      run: The run's digest or its beginning.
      output: The output's key; None takes the only one, or the weights at the end.
      to: The file, or None for `export/<run>-<output>.safetensors` in the store's folder.
      at: A point of a region, such as `0.5` of a line: its weights, with statistics estimated for it.
      known: Experiments beside those of this package that may have asked for the run.
      named: Networks and data of the reader's own that it may have been asked with.

    Raises:
      InputError: If it is not clear which run or output is meant.
      StoreError: If there is no such run, it kept no output, an array is of a type that the format does not
        know, or the file cannot be written.
    """
    digest = run_named(store, run)
    record = store.record(digest)
    if at is not None:
        return _export_point(store, record, output, to, at, known, named)
    key = chosen_output(digest, record.outputs - {NETWORK}, output)
    arrays = _named(store.output(digest, key), key.rpartition(".")[2])
    metadata = {"run": digest, "output": key} | _circumstances(store, record)
    if key.endswith("weights"):
        state = key.removesuffix("weights") + "state"
        beside = _named(store.output(digest, state), "state") if state in record.outputs else {}
        arrays, metadata = _whole(store, record, arrays, beside, metadata)
    return _written(store, record, key, to, arrays, metadata)


def _export_point(
    store: Store,
    record: Record,
    output: str | None,
    to: Path | None,
    at: str,
    known: Any,
    named: Sequence[str],
) -> Path:
    """The network at a point of a region."""
    from weightspace.experiments.asked_run import run_of
    from weightspace.loaded import load

    if output is not None:
        raise InputError(
            f"--at {at} is a network made of the run's coordinates, --output {output} one of its outputs; "
            "give one of both"
        )
    found = load(store, run_of(store, record.digest, known, named), at=at)
    arrays, state = _named(found.weights, "weights"), _named(found.state, "state") if found.state else {}
    metadata = {"run": record.digest, "output": "weights", "point": at} | _circumstances(store, record)
    arrays, metadata = _whole(store, record, arrays, state, metadata)
    return _written(store, record, f"at-{at}", to, arrays, metadata)


Arrays = dict[str, np.ndarray]


def _whole(
    store: Store, record: Record, arrays: Arrays, beside: Arrays, metadata: dict[str, str]
) -> tuple[Arrays, dict[str, str]]:
    """Weights with the state beside them, and what it takes to use them."""
    # Weights and state have names of their own; where they share one, the state's is marked.
    beside = {f"state:{name}" if name in arrays else name: array for name, array in beside.items()}
    told = {"state": json.dumps(sorted(beside)), "load": LOADED_BY} | _decoding(store, record)
    return arrays | beside, metadata | told


def _written(
    store: Store, record: Record, key: str, to: Path | None, arrays: Arrays, metadata: dict[str, str]
) -> Path:
    if to is None:
        to = store.root / "export" / f"{record.digest[:12]}-{safe_name(key)}.safetensors"
        with sentences(to.parent):
            to.parent.mkdir(exist_ok=True)
    write_safetensors(to, arrays, "export", metadata)
    return to


def _named(tree: Any, alone: str) -> dict[str, np.ndarray]:
    """Arrays by path, as they can be stored; a lone array is called after its output."""
    found = {path or alone: in_order(leaf) for path, leaf in flat_dict(tree).items()}
    for name, array in found.items():
        if array.dtype.name not in _STORED:
            raise StoreError(
                f"{name} is an array of {array.dtype}, which safetensors does not know; take it in Python, "
                "by Store(OUT).output(RUN, OUTPUT)"
            )
    return found


def _circumstances(store: Store, record: Record) -> dict[str, str]:
    """What the run was and what made it: its spec, names, and the versions of the packages."""
    asked = store.asked()
    rows = asked[asked["run"] == record.digest]
    found = {"spec": store.spec(record.digest), "status": record.status}
    for name in ("model", "data"):
        if name in rows and rows[name].notna().any():
            found[name] = str(rows[name].dropna().iloc[0])
    with contextlib.suppress(StoreError):
        versions = store.provenance(record.provenance or "").get("versions", {})
        found["versions"] = json.dumps(versions, sort_keys=True)
    return found


def _decoding(store: Store, record: Record) -> dict[str, str]:
    """How the network's inputs are decoded: (x - shift) · scale, as nested lists."""
    if NETWORK not in record.outputs:
        if record.file.parent.name != "runs":
            return {}
        print(
            f"weightspace: {store.root} was written before states and the decoding of inputs were kept, so "
            "the file has the weights alone; run it again into a new folder to have the rest",
            file=sys.stderr,
        )
        return {"state": "not recorded"}
    told = store.output(record.digest, NETWORK)
    decoding = {name: np.asarray(told[name]).tolist() for name in ("shift", "scale", "shape") if name in told}
    return {"inputs": json.dumps({"rule": "(x - shift) * scale", **decoding})}
