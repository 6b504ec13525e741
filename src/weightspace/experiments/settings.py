"""Settings of an experiment: its fields and those of the recipes nested in it, each with a short name.

A recipe is a plain frozen dataclass that a field holds as its value (`training: Training = Training(…)`). A
setting has a path, `training.epochs`, and, where no other setting ends so, a short name, `epochs`. Flags,
keywords, presets, records and published conditions take either, so that nothing that a user writes changes
when fields move into a recipe.

A mark says what a field is for: `swept` lists values, of `extent` a greater value asks for all that a smaller
one does, `passing` changes no number, `number` has bounds. Questions that differ only in the first three are
shown as one.
"""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from weightspace.errors import InputError, check_number, nearest
from weightspace.fields import coerce
from weightspace.spec import Spec, canonical

_MARK = "weightspace"
SWEPT, EXTENT, PASSING, NUMBER = "swept", "extent", "passing", "number"


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a field is for.

    Attributes:
      kind: swept, extent, passing or number.
      words: What its values are, as a user knows them; the field's name where it is empty.
      empty: Whether a swept field may list nothing.
      bounds: Of its numbers: `above`, `least`, `below`, `most`.
    """

    kind: str
    words: str = ""
    empty: bool = False
    bounds: Mapping[str, float | None] = dataclasses.field(default_factory=dict)


def swept(*values: Any, words: str = "", empty: bool = False, **bounds: float) -> Any:
    """A field that lists values: the question is asked for each, and questions of other values join.

    Args:
      values: The default.
      words: What a value is, for sentences: "dimension d".
      empty: Whether there may be none.
      bounds: Of each value: above, least, below, most.
    """
    return _field(tuple(values), Mark(SWEPT, words, empty, bounds))


def extent(value: float, *, words: str = "", **bounds: float) -> Any:
    """A number of which a greater value asks for all that a smaller one does."""
    return _field(value, Mark(EXTENT, words, bounds=bounds))


def passing(value: Any) -> Any:
    """A field that changes no number: where questions differ only here, the newest one's holds."""
    return _field(value, Mark(PASSING))


def number(value: float | None, *, words: str = "", **bounds: float) -> Any:
    """A number within bounds: above, least, below, most."""
    return _field(value, Mark(NUMBER, words, bounds=bounds))


def _field(default: Any, mark: Mark) -> Any:
    return dataclasses.field(default=default, metadata={_MARK: mark})


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a class of experiments.

    Attributes:
      path: Names of fields from the experiment to it.
      default: Its value where nothing is given.
      mark: What it is for; None where nothing is said.
    """

    path: tuple[str, ...]
    default: Any
    mark: Mark | None

    @property
    def dotted(self) -> str:
        """As in `training.epochs`."""
        return ".".join(self.path)

    def of(self, experiment: Any) -> Any:
        """Its value in an experiment."""
        for name in self.path:
            experiment = getattr(experiment, name)
        return experiment


def is_recipe(value: Any) -> bool:
    """Whether a value has settings of its own: a plain dataclass, no spec."""
    return dataclasses.is_dataclass(value) and not isinstance(value, Spec | type)


def settings_of(cls: Any) -> dict[str, Setting]:
    """All settings of a class, by short name, by path where several end so; in the order of the fields."""
    found = list(_walk(cls, ()))
    last = [setting.path[-1] for setting in found]
    whole = {setting.path[0] for setting in found if len(setting.path) == 1}

    def name(setting: Setting) -> str:
        short = setting.path[-1]
        alone = last.count(short) == 1 or len(setting.path) == 1
        return short if alone and (len(setting.path) == 1 or short not in whole) else setting.dotted

    return {name(setting): setting for setting in found}


def _walk(cls: Any, path: tuple[str, ...]) -> Iterator[Setting]:
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if is_recipe(default):
            yield from _walk(default, (*path, field.name))
        else:
            yield Setting((*path, field.name), default, field.metadata.get(_MARK))


def named(cls: Any, name: str) -> Setting | None:
    """The setting of a short name or a path; None where there is none.

    Raises:
      InputError: For a name that several settings end in.
    """
    known = settings_of(cls)
    plain = name.replace("-", "_")
    if plain in known:
        return known[plain]
    ends = [setting for setting in known.values() if setting.dotted == plain or setting.path[-1] == plain]
    exact = [setting for setting in ends if setting.dotted == plain]
    if exact:
        return exact[0]
    if len(ends) > 1:
        which = " or ".join(setting.dotted for setting in ends)
        raise InputError(f"{cls.name} has several settings called '{plain}'; say which: {which}")
    return ends[0] if ends else None


def with_settings(experiment: Any, values: Mapping[str, Any]) -> Any:
    """The same with other values, by short names or paths.

    Raises:
      InputError: For a name that it does not have, with the nearest.
    """
    cls, tree = type(experiment), {}
    own = {field.name for field in dataclasses.fields(experiment)}
    for name, value in values.items():
        setting = None if name in own and "." not in name else named(cls, name)
        if name not in own and setting is None:
            guess = nearest(name, settings_of(cls))
            hint = f"; did you mean '{guess}'?" if guess else "."
            known = ", ".join(settings_of(cls))
            raise InputError(f"{cls.name} has no setting '{name}'{hint} It has: {known}.")
        here = tree
        path = (name,) if setting is None else setting.path
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here[path[-1]] = value
    return _replaced(experiment, tree)


def made(cls: Any, values: Mapping[str, Any]) -> Any:
    """An experiment of a class with these settings, by short names or paths, and defaults for the rest."""
    if set(values) <= {field.name for field in dataclasses.fields(cls)}:
        return cls(**values)
    return with_settings(cls(), values)


def _replaced(value: Any, tree: Mapping[str, Any]) -> Any:
    inner = {
        name: _replaced(getattr(value, name), each)
        if isinstance(each, dict) and is_recipe(getattr(value, name))
        else each
        for name, each in tree.items()
    }
    return dataclasses.replace(value, **inner)


def replaced(recipe: Any, path: Iterable[str], value: Any) -> Any:
    """A recipe with another value at a path within it."""
    first, *rest = path
    inner = replaced(getattr(recipe, first), rest, value) if rest else value
    return dataclasses.replace(recipe, **{first: inner})


def recorded(experiment: Any) -> dict[str, Any]:
    """All settings as JSON values, by short name."""
    return {name: canonical(each.of(experiment)) for name, each in settings_of(type(experiment)).items()}


def marked(experiment: Any, kind: str) -> list[str]:
    """The settings of a kind, by short name: those that are marked, and those that the class lists.

    Raises:
      InputError: If the class lists a field that it does not have.
    """
    known = settings_of(type(experiment))
    found = [name for name, each in known.items() if each.mark is not None and each.mark.kind == kind]
    listed = {SWEPT: "swept", EXTENT: "extents", PASSING: "passing"}[kind]
    for name in getattr(type(experiment), listed, ()):
        if name not in known:
            raise InputError(
                f"{type(experiment).__name__}.{listed} names '{name}', which is none of its fields"
            )
        found.append(name)
    return list(dict.fromkeys(found))


def check(experiment: Any) -> None:
    """Each setting is of its type and within its bounds, and has a value where it is swept.

    What is given for a number or a list becomes one in the type of the field, so that equal questions have
    equal records. Recipes are checked likewise, and say themselves what else must hold.

    Raises:
      InputError: In a sentence, by the words of the field.
    """
    hints = typing.get_type_hints(type(experiment))
    for field in dataclasses.fields(experiment):
        value, mark = getattr(experiment, field.name), field.metadata.get(_MARK)
        if is_recipe(value):
            check(value)
            getattr(value, "check", lambda: None)()
            continue
        object.__setattr__(experiment, field.name, coerce(field.name, value, hints[field.name]))
        if mark is not None:
            _check_marked(field.name, getattr(experiment, field.name), mark)


def _check_marked(name: str, value: Any, mark: Mark) -> None:
    words = mark.words or name.replace("_", " ")
    if mark.kind == SWEPT and not value and not mark.empty:
        raise InputError(f"no {words} to sweep; give at least one")
    for each in (value if mark.kind == SWEPT else (value,)) if mark.bounds else ():
        check_number(words, each, **mark.bounds)  # pyright: ignore[reportArgumentType]


def union(name: str, first: Iterable[Any], second: Iterable[Any]) -> tuple[Any, ...]:
    """The values of two questions."""
    from weightspace.experiments.seeds import parse_seeds

    first, second = tuple(first), tuple(second)
    if first == second:
        return first
    if name == "seeds":
        first, second = parse_seeds(first), parse_seeds(second)
    values = tuple(dict.fromkeys((*first, *second)))
    # Names stay in the order they were given in: comparisons are made with the first.
    return values if any(isinstance(value, str) for value in values) else tuple(sorted(values))


def joined(older: Any, newer: Any) -> Any:
    """The question that asks for what both ask for; they agree in all that is not marked."""
    known = settings_of(type(newer))
    values: dict[str, Any] = {}
    for name in marked(newer, SWEPT):
        values[known[name].dotted] = union(name, known[name].of(older), known[name].of(newer))
    for name in marked(newer, EXTENT):
        values[known[name].dotted] = max(known[name].of(older), known[name].of(newer))
    return with_settings(newer, values)
