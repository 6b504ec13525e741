"""Which commands train what answers to reference numbers.

Lines that differ only in what a question sweeps are one command. It starts from the preset that needs the
fewest flags.
"""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weightspace.experiments.base import Experiment
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import EXTENT, SWEPT, Setting, settings_of
from weightspace.report.references import ABSENT, FACTS, Line, known_class, number, references, references_of

Flags = dict[str, tuple[Setting, list[str]]]
"""Of each setting, by its flag: the values that are asked for."""


def commands(
    out: Path | str,
    names: Collection[str] = (),
    experiments: Iterable[type[Experiment]] = (),
    more: Sequence[Line] = (),
    *,
    only: bool = False,
) -> str:
    """A command a line, for each set of reference numbers; labels that no setting asks for come after `#`.

    Args:
      out: Folder that they train into.
      names: Only for these experiments; none for all.
      experiments: Classes beside those of this package.
      more: Lines beside those of this package and of the experiments.
      only: Whether these lines are all.
    """
    own = tuple(experiments)
    known = () if only else (*references(), *(line for cls in own for line in references_of(cls)))
    lines = [*known, *more]
    found: dict[str, tuple[type[Experiment], Flags, dict[str, list[str]]]] = {}
    for line in lines:
        if names and line["experiment"] not in names:
            continue
        cls = known_class(line["experiment"], own)
        swept, fixed, labels = _conditions(cls, line)
        key = repr((cls.name, sorted((flag, values) for flag, (_, values) in fixed.items())))
        _, flags, others = found.setdefault(key, (cls, dict(fixed), {}))
        for flag, (setting, values) in swept.items():
            flags.setdefault(flag, (setting, []))[1].extend(values)
        for label, value in labels.items():
            others.setdefault(label, []).append(value)
    asked: dict[str, dict[str, list[str]]] = {}
    for cls, flags, others in found.values():
        labels = asked.setdefault(_command(out, cls, flags), {})
        for label, values in others.items():
            labels.setdefault(label, []).extend(values)
    return "\n".join(f"{command}{_told(labels)}" for command, labels in asked.items())


def left_over(out: Path | str, lines: Sequence[Line], experiments: Iterable[type[Experiment]] = ()) -> str:
    """What is said of lines that nothing in a folder answers to; nothing where there is none."""
    if not lines:
        return ""
    asked = commands(out, (), experiments, lines, only=True)
    return (
        f"{len(lines)} of the given reference lines have no finished run in {out} that answers; these "
        f"commands train what does:\n{asked}"
    )


def _told(labels: Mapping[str, list[str]]) -> str:
    rest = ", ".join(f"{name} {' '.join(dict.fromkeys(values))}" for name, values in labels.items())
    return f"  # where {rest}" if rest else ""


def _conditions(cls: type[Experiment], line: Line) -> tuple[Flags, Flags, dict[str, str]]:
    """The swept settings, the others, and the labels of a line."""
    known = settings_of(cls)
    swept: Flags = {}
    fixed: Flags = {}
    labels: dict[str, str] = {}
    given = {name: value for name, value in line.items() if name not in FACTS or name in ("model", "data")}
    for name, value in {**given, "seeds": line["n"]}.items():
        flag = _flag(known, name)
        if value == ABSENT:
            continue
        if flag is None:
            labels |= {} if name in ("model", "data") else {name: value}
            continue
        setting = known[flag]
        joins = setting.mark is not None and setting.mark.kind in (SWEPT, EXTENT)
        (swept if joins else fixed)[flag] = (setting, [value])
    return swept, fixed, labels


def _flag(known: Mapping[str, Setting], name: str) -> str | None:
    """The setting of a condition: of its name, or of its plural; by its last part where that is one alone."""
    for wanted in (name, f"{name}s", f"{name}es", f"{name.removesuffix('y')}ies"):
        if wanted in known:
            return wanted
        ends = [flag for flag, each in known.items() if wanted in (each.dotted, each.path[-1])]
        if len(ends) == 1:
            return ends[0]
    return None


def _command(out: Path | str, cls: type[Experiment], flags: Flags) -> str:
    presets = {name: _unlike(cls.preset(name), flags) for name in cls.presets}
    # Of two that need as many, the later is the greater.
    best = min(reversed(presets), key=lambda name: len(presets[name]))
    words = ["weightspace", "run", cls.name, "--preset", best]
    for flag, values in presets[best].items():
        words += [f"--{flag.replace('_', '-')}", *values]
    return shlex.join([*words, "--out", str(out)])


def _unlike(preset: Experiment, flags: Flags) -> dict[str, list[str]]:
    """The flags of which a preset does not ask all values."""
    found: dict[str, list[str]] = {}
    for flag, (setting, values) in flags.items():
        own, asked = setting.of(preset), list(dict.fromkeys(values))
        most = flag.rpartition(".")[2] == "seeds" or (setting.mark and setting.mark.kind == EXTENT)
        if most:
            asked = [str(max(map(number, asked)))]
            enough = _count(own) >= float(asked[0])
        else:
            enough = _has(own, asked)
        if not enough:
            found[flag] = asked
    return found


def _count(own: Any) -> float:
    """How many: of seeds those that are meant."""
    return len(parse_seeds(own)) if isinstance(own, tuple | list | str) else float(own)


def _has(own: Any, asked: Sequence[str]) -> bool:
    there = {str(number(str(each))) for each in (own if isinstance(own, tuple | list) else (own,))}
    return {str(number(each)) for each in asked} <= there
