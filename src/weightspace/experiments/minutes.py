"""Minutes of presets: the seconds that stored runs took, with the machine and the versions; none is guessed.

`minutes.json` has a line for each preset that was measured. `python -m benchmarks.minutes OUT` writes that of
a folder. A line holds the settings that it is of: a preset that has others by now is not measured.
"""

import dataclasses
import functools
import importlib.resources
import json
from pathlib import Path
from typing import Any

from weightspace.errors import InputError
from weightspace.experiments.answered import answered
from weightspace.experiments.base import Experiment
from weightspace.store.base import Store
from weightspace.store.schema import FINISHED

HOME = "minutes.json"


@dataclasses.dataclass(frozen=True)
class Took:
    """What a preset took.

    Attributes:
      experiment: The experiment's name.
      preset: The preset's.
      settings: Those that were asked, by short name.
      runs: Nodes that were computed.
      training: Their seconds together, without compilation.
      command: Seconds of the whole command, with compilation; None where they were not kept.
      cores: Of the machine.
      cpu: Its processor.
      versions: Of Python, jax and this package, where they were kept.
      date: When, as 2026-11 or 2026-11-28.
      source: Where the numbers are from.
    """

    experiment: str
    preset: str
    settings: dict[str, Any]
    runs: int
    training: float
    command: float | None
    cores: int
    cpu: str
    versions: dict[str, str]
    date: str
    source: str

    @property
    def minutes(self) -> float:
        """To two digits; of training alone where nothing else was kept."""
        return float(f"{(self.training if self.command is None else self.command) / 60:.2g}")

    @property
    def note(self) -> str:
        """What was measured, on what."""
        alone = " of training alone" if self.command is None else ""
        on = ", ".join([self.cpu, *(f"{name} {each}" for name, each in self.versions.items()), self.date])
        return f"{self.minutes:g} min{alone} on {self.cores} cores ({on})"


@functools.cache
def lines() -> tuple[Took, ...]:
    """All that was measured."""
    text = (importlib.resources.files("weightspace.experiments") / HOME).read_text(encoding="utf-8")
    return tuple(Took(**line) for line in json.loads(text))


def took(cls: type[Experiment], preset: str) -> Took | None:
    """What a preset took; None where it was not measured as it is now.

    Settings that were added since do not count: their defaults change nothing.
    """
    found = [line for line in lines() if (line.experiment, line.preset) == (cls.name, preset)]
    now = cls.preset(preset).fields() if found else {}
    default = cls().fields() if found else {}
    # A setting that the line does not know was added since: it must be at its default.
    return next((line for line in found if now == {**default, **line.settings}), None)


def of_store(store: Store) -> list[Took]:
    """What the presets took that a folder answers; several presets may ask for the same.

    Raises:
      InputError: If it answers several questions, or one that is no preset's, or has not finished.
    """
    parts = answered(store)
    if len(parts) != 1:
        raise InputError(f"{store.root} answers {len(parts)} questions; measure a preset in its own folder")
    part, records = parts[0], list(store.records().values())
    cls, settings = type(part.experiment), part.experiment.fields()
    presets = [name for name in cls.presets if cls.preset(name).fields() == settings]
    if not presets:
        raise InputError(f"{store.root} answers {part.name} in the settings of no preset")
    states = {*part.table["status"], *(record.status for record in records)}
    if not states <= set(FINISHED):
        raise InputError(f"{store.root} has runs without a result; run the same command again")
    commands = [store.provenance(name) for name in part.provenance]
    whole = [each["seconds"] for each in commands if each.get("exit_status") == 0]
    last = commands[-1]
    kept = {"Python": last["python"], **{name: last["versions"].get(name) for name in ("jax", "weightspace")}}
    return [
        Took(
            part.name, preset, settings, len(records), round(sum(record.seconds for record in records), 1),
            round(sum(whole), 1) if len(whole) == len(commands) else None, last["cpus"], last["cpu"],
            {name: text for name, text in kept.items() if text}, last["started"][:10], "its store",
        )
        for preset in presets
    ]  # fmt: skip


def write(found: list[Took], path: Path) -> None:
    """Lines into a file, in place of those of the same presets."""
    old = [Took(**line) for line in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []
    mine = {(line.experiment, line.preset): line for line in (*old, *found)}
    ordered = [dataclasses.asdict(mine[key]) for key in sorted(mine)]
    path.write_text(
        "[\n" + ",\n".join(json.dumps(line, allow_nan=False) for line in ordered) + "\n]\n", encoding="utf-8"
    )
