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
import functools
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from weightspace.errors import InputError, check_number, shown, unknown
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
      meant: What the values written stand for, where that is not themselves: `100:105` for five seeds.
    """

    kind: str
    words: str = ""
    empty: bool = False
    bounds: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    meant: Callable[[Any], tuple[Any, ...]] | None = None


def swept(
    *values: Any,
    words: str = "",
    empty: bool = False,
    meant: Callable[[Any], tuple[Any, ...]] | None = None,
    **bounds: float,
) -> Any:
    """A field that lists values: the question is asked for each, and questions of other values join.

    Args:
      values: The default.
      words: What a value is, for sentences: "dimension d".
      empty: Whether there may be none.
      meant: From the values written to those that they stand for, by which questions join; it refuses
        what stands for none. One value alone is a list of it.
      bounds: Of each value: above, least, below, most.
    """
    return _field(tuple(values), Mark(SWEPT, words, empty, bounds, meant))


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


def settings_of(cls: Any) -> Mapping[str, Setting]:
    """All settings of a class, by short name, by path where several end so; in the order of the fields."""
    return _settings_of(cls)


@functools.lru_cache(maxsize=256)
def _settings_of(cls: Any) -> Mapping[str, Setting]:
    found = list(_walk(cls, ()))
    last = [setting.path[-1] for setting in found]
    whole = {setting.path[0] for setting in found if len(setting.path) == 1}

    def name(setting: Setting) -> str:
        short = setting.path[-1]
        alone = last.count(short) == 1 or len(setting.path) == 1
        return short if alone and (len(setting.path) == 1 or short not in whole) else setting.dotted

    return types.MappingProxyType({name(setting): setting for setting in found})


def _walk(of: Any, path: tuple[str, ...]) -> Iterator[Setting]:
    """Of a class, or of a recipe that it has by default."""
    for field in dataclasses.fields(of):
        if not field.init:
            continue
        default = _default(field) if isinstance(of, type) else getattr(of, field.name)
        if default is dataclasses.MISSING:
            kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "…")
            raise InputError(
                f"class {of.__name__} gives its field '{field.name}' no value; presets change values, "
                f"so that each field has one: {field.name}: {kind} = …"
            )
        if is_recipe(default):
            yield from _walk(default, (*path, field.name))
        else:
            yield Setting((*path, field.name), default, field.metadata.get(_MARK))


def _default(field: dataclasses.Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


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


def nested(cls: Any, given: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords for the fields of a class, of which some are given by short names or paths within recipes.

    Args:
      cls: The class.
      given: Values of fields.
      more: Values by short names or paths.

    Raises:
      InputError: For a name that it does not have, with the nearest.
    """
    defaults = {field.name: _default(field) for field in dataclasses.fields(cls)}
    tree: dict[str, Any] = {}
    for name, value in more.items():
        setting = named(cls, name)
        if setting is None:
            raise unknown(f"setting of {cls.name}", name, settings_of(cls))
        here = tree
        for part in setting.path[:-1]:
            here = here.setdefault(part, {})
        here[setting.path[-1]] = value
    found = {
        name: _replaced(given.get(name, defaults[name]), each) if isinstance(each, dict) else each
        for name, each in tree.items()
    }
    return {**given, **found}


def _replaced(recipe: Any, tree: Mapping[str, Any]) -> Any:
    """A recipe with other values; what is none is left for `check` to refuse."""
    if not is_recipe(recipe):
        return recipe
    inner = {
        name: _replaced(getattr(recipe, name), each) if isinstance(each, dict) else each
        for name, each in tree.items()
    }
    return dataclasses.replace(recipe, **inner)


def recorded(experiment: Any) -> dict[str, Any]:
    """All settings as JSON values, by short name."""
    return {name: canonical(each.of(experiment)) for name, each in settings_of(type(experiment)).items()}


def marked(experiment: Any, kind: str) -> list[str]:
    """The settings of a kind, by short name."""
    known = settings_of(type(experiment))
    return [name for name, each in known.items() if each.mark is not None and each.mark.kind == kind]


def check(experiment: Any) -> None:
    """Each setting is of its type and within its bounds, and has a value where it is swept.

    What is given for a number or a list becomes one in the type of the field, so that equal questions have
    equal records. Recipes are checked likewise, and say themselves what else must hold.

    Raises:
      InputError: In a sentence, by the words of the field.
    """
    hints = typing.get_type_hints(type(experiment))
    for field in dataclasses.fields(experiment):
        value, mark, default = getattr(experiment, field.name), field.metadata.get(_MARK), _default(field)
        if is_recipe(default):
            if type(value) is not type(default):
                # Another recipe's own settings would be in no record.
                raise InputError(
                    f"{field.name} is {shown(value)}, but must be a {type(default).__name__} as by default"
                )
            check(value)
            getattr(value, "check", lambda: None)()
            continue
        if mark is not None and mark.meant is not None and isinstance(value, int | str):
            value = (str(value),)
        object.__setattr__(experiment, field.name, coerce(field.name, value, hints[field.name]))
        if mark is not None:
            _check_marked(field.name, getattr(experiment, field.name), mark)


def _check_marked(name: str, value: Any, mark: Mark) -> None:
    words = mark.words or name.replace("_", " ")
    if mark.kind == SWEPT and not value and not mark.empty:
        raise InputError(f"no {words} to sweep; give at least one")
    if mark.meant is not None:
        mark.meant(value)
    for each in (value if mark.kind == SWEPT else (value,)) if mark.bounds else ():
        check_number(words, each, **mark.bounds)  # pyright: ignore[reportArgumentType]


def _union(mark: Mark | None, first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of two questions."""
    if first == second:
        return first
    if mark is not None and mark.meant is not None:
        first, second = mark.meant(first), mark.meant(second)
    values = tuple(dict.fromkeys((*first, *second)))
    # Names stay in the order they were given in: comparisons are made with the first.
    return values if any(isinstance(value, str) for value in values) else tuple(sorted(values))


def joined(older: Any, newer: Any) -> Any:
    """The question that asks for what both ask for; they agree in all that is not marked."""
    known = settings_of(type(newer))
    values: dict[str, Any] = {}
    for name in marked(newer, SWEPT):
        values[name] = _union(known[name].mark, known[name].of(older), known[name].of(newer))
    for name in marked(newer, EXTENT):
        values[name] = max(known[name].of(older), known[name].of(newer))
    return dataclasses.replace(newer, **values)
