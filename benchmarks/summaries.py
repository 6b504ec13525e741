"""The summaries that are kept of long runs: what a store answers, as CSV files, and their line in the list.

    python -m benchmarks.summaries OUT tickets.kept-values --name tickets-kept-values --answers pairs

Writes `benchmarks/results/NAME.csv`, the summary over seeds, and `NAME-<answer>.csv`, and prints the line of
`benchmarks/results/README.md`: the command that asked, the number of runs, the digest of all of them (SHA-256
of their digests in order, joined by colons, cut to 64 bits) and their seconds of training.
"""

import dataclasses
import hashlib
from pathlib import Path

import tyro

from weightspace.cli.output import write_frame
from weightspace.errors import InputError
from weightspace.experiments.answered import Answered, answered
from weightspace.store.base import Store

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Options:
    """What to summarise."""

    out: tyro.conf.Positional[Path]
    """Folder of results."""
    experiment: tyro.conf.Positional[str]
    """Which experiment's."""
    name: str
    """What the files are called."""
    answers: tuple[str, ...] = ()
    """Answers that are kept beside the summary, such as pairs."""
    to: Path = RESULTS
    """Folder of the files."""


def main(options: Options) -> None:
    """Write the files, and print the line."""
    parts = answered(Store(options.out), options.experiment)
    if len(parts) != 1:
        which = "; ".join(str(part.settings or part.folder) for part in parts)
        raise InputError(f"{options.out} answers {len(parts)} questions of {options.experiment}: {which}")
    (part,) = parts
    named = {"experiment": part.name, "model": part.model, "data": part.data}
    frames = {"": part.summary.copy()}
    frames |= {f"-{answer}": part.analyses[answer] for answer in options.answers}
    for suffix, frame in frames.items():
        own = {key: value for key, value in named.items() if key not in frame}
        for place, (key, value) in enumerate(own.items()):
            frame.insert(place, key, value)
        write_frame(frame, "csv", options.to / f"{options.name}{suffix}.csv")
    print(line_of(part, options))


def line_of(part: Answered, options: Options) -> str:
    """The table line of a summary, with the last command that asked for it."""
    runs = list(dict.fromkeys(part.table["run"]))
    digest = hashlib.sha256(":".join(runs).encode()).hexdigest()[:16]
    seconds = part.table.drop_duplicates("run")["seconds"].sum()
    files = ", ".join([f"`{options.name}.csv`", *(f"`…-{answer}.csv`" for answer in options.answers)])
    return f"| {files} | | {len(runs)} | `{digest}` | {seconds:,.0f} |"


if __name__ == "__main__":
    main(tyro.cli(Options))
