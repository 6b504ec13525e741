"""Follow a user's code to all that its numbers come from, and digest that.

The walk gives one document: a list of definitions in the order in which they are met, each with references to
others by number, so that functions that call each other have an end. What is met:

- functions: code (`code_form`), default arguments, captured variables, attributes, and the globals they name;
- classes: name, base classes, fields, and every attribute of theirs;
- modules of the user's: the attributes that are named, or all where the module is handed on;
- objects: class and attributes; arrays: type, shape and content; containers: their items in order.

Definitions of installed packages end the walk at their names. Objects that they made (an initialiser with its
scale, a jitted function) are followed through what they hold.
"""

import dataclasses
import functools
import hashlib
import json
import types
from collections.abc import Iterable
from typing import Any

from weightspace.errors import InputError
from weightspace.identity import classes, libraries, names, refusals, sets, values
from weightspace.identity.calls import ANY
from weightspace.identity.changes import Change, first_change
from weightspace.identity.homes import defined_by_package, importable, installed, qualified_name
from weightspace.identity.source import code_form
from weightspace.identity.witnesses import Witnesses

Description = Any
"""JSON values: what an object is, or a reference to the definition that says so."""


def identity_digest(target: Any) -> str:
    """SHA-256 of all that a function, class or object is made of.

    Raises:
      InputError: If part of it cannot be followed; the sentence names it and what to do.
    """
    known = _KNOWN.get(id(target))
    if known is not None and known[0] is target and known[1].unchanged():
        return known[2]
    walk = Follower(qualified_name(target))
    digest = walk.digest(target)
    while len(_KNOWN) >= _KEPT:
        _KNOWN.pop(next(iter(_KNOWN)))
    _KNOWN[id(target)] = (target, walk.witnesses, digest)
    while len(_DOCUMENTS) >= _DOCUMENTS_KEPT:
        _DOCUMENTS.pop(next(iter(_DOCUMENTS)))
    _DOCUMENTS[digest] = walk.document
    return digest


def what_changed(before: str, target: Any) -> Change | None:
    """What is another in code than when its digest was `before`, if that is still known here.

    Raises:
      InputError: If part of it can no longer be followed.
    """
    document = _DOCUMENTS.get(before)
    after = _DOCUMENTS.get(identity_digest(target))
    return first_change(document, after) if document and after else None


_KEPT, _DOCUMENTS_KEPT = 512, 64
_KNOWN: dict[int, tuple[Any, Witnesses, str]] = {}
"""The last walks by the identity of what they began at (which they keep alive)."""
_DOCUMENTS: dict[str, list[Any]] = {}
"""What the last walks found, by its digest."""


@dataclasses.dataclass(frozen=True)
class _Edge:
    """That one definition holds another; `method` where it does so as a method of a class."""

    to: int
    method: str | None


class Follower:
    """One walk: definitions found so far, by the identity of their objects."""

    def __init__(self, root: str):
        self.root = root
        self.definitions: list[Description] = []
        self._numbers: dict[int, int] = {}
        self.document: list[Description] = []
        self._alive: list[Any] = []  # ids are unique among living objects only
        self._within = -1
        self._method: str | None = None
        self._edges: dict[int, list[_Edge]] = {-1: []}
        self._named: dict[int, set[str]] = {}
        self._refused: list[tuple[int, str]] = []
        self._texts: list[str] = []
        self._sets: set[str] = set()
        self._through: dict[int, set[str]] = {}
        self.witnesses = Witnesses()

    def describe(self, value: Any, *, method: str | None = None) -> Description:
        """What a value is: itself, if it is plain or cannot change, else a reference to a definition.

        Args:
          value: Anything.
          method: The name under which a class has it, if nothing calls it but by that name.
        """
        inline = values.plain(value)
        if inline is not None:
            if type(value) is str and refusals.leads_outside((value,)):
                self._texts.append(value)
            return inline
        if type(value) is tuple:
            return ["tuple", [self.describe(item, method=method) for item in value]]
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.definitions)
            self._alive.append(value)
            self.definitions.append(None)
            self._edges[number] = []
            before, self._within = self._within, number
            self.definitions[number] = self._define(value)
            self._within = before
        self._edges[self._within].append(_Edge(number, method))
        return {"see": number}

    def alone(self, value: Any) -> str:
        """The digest of a value by itself, by a walk of its own."""
        self.witnesses.changeable = True
        return Follower(self.root).digest(value)

    def digest(self, value: Any) -> str:
        """The digest of a value, where this walk begins.

        Raises:
          InputError: If something it reaches cannot be followed.
        """
        self.document = document = [self.describe(value), self.definitions]
        words = self._words()
        self._raise_refusals()
        if words:
            document.append(words)
        text = json.dumps(document, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _words(self) -> list[Description]:
        """Documentation, annotations and names of what was met, where code reads such words as data."""
        read = set().union(*self._named.values())
        found = []
        for word, readers in libraries.WORDS.items():
            if read & readers:
                held = [(value, libraries.word(value, word)) for value in self._alive]
                found += [
                    [word, self._numbers[id(value)], self.describe(said)]
                    for value, said in held if said is not None
                ]  # fmt: skip
        return found

    def items(self, given: Iterable[tuple[Any, Any]]) -> list[Description]:
        """Names and values in the order given."""
        given = list(given)
        self._sets |= {name for name, value in given if isinstance(name, str) and sets.is_unordered(value)}
        return [[self.describe(name), self.describe(value)] for name, value in given]

    def refuse(self, what: str, why: str) -> Description:
        """Note that something cannot be followed."""
        self._refused.append((self._within, f"{what} {why}"))
        return ["refused", what]

    def _raise_refusals(self) -> None:
        """Raise for the first thing that cannot be followed, but in methods that nothing names."""
        reached = self._reached() if self._refused or self._texts or self._sets else set()
        for number in sorted(reached & self._through.keys()):
            for name in sorted(self._through[number] & self._sets):
                self._refused.append((number, f"a function {sets.said(f'the set in .{name}')}"))
        if self._texts:
            # Any of these texts may be what is looked up where a name is made while the code runs.
            text = f"looks up a name that is made while it runs, and '{self._texts[0]}' is among its texts"
            by_any = [number for number in reached if ANY in self._named.get(number, ())]
            self._refused += [(number, f"a function {text}") for number in by_any]
        for within, sentence in self._refused:
            if within in reached:
                raise InputError(
                    f"{self.root} cannot be told apart from another version of itself: {sentence}; read "
                    "such a value outside and hand it over as a keyword argument (an array, say), or give "
                    "name= and version= (raised with each change)"
                )

    def _reached(self) -> set[int]:
        """The definitions that can come into play: methods where such code reads their name."""
        reached, names = {-1}, set(classes.HOOKS)
        while True:
            before = len(reached), len(names)
            for number in sorted(reached):
                names |= self._named.get(number, set())
            for number in sorted(reached):
                reached |= {
                    e.to for e in self._edges[number] if e.method is None or e.method in names or ANY in names
                }
            if before == (len(reached), len(names)):
                return reached

    def _define(self, value: Any) -> Description:
        if why := refusals.value_refusal(value):
            return self.refuse(f"it holds {qualified_name(value)}, which", why)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, types.MethodType):
            return ["method", self.describe(value.__func__), self.describe(value.__self__)]
        if isinstance(value, type):
            if defined_by_package(value):
                return classes.named(self, value)
            self.witnesses.attributes(value)
            return classes.define(self, value)
        if isinstance(value, functools.partial):
            return self._partial(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if callable(value) and installed(value) and importable(value):
            return ["named", qualified_name(value)]
        self.witnesses.changeable |= not values.fixed(value)
        return values.define(self, value)

    def _function(self, function: types.FunctionType) -> Description:
        self.witnesses.function(function)
        inner = values.under_checks(function)
        if inner is not function:
            return ["checked", self.describe(inner)]
        if installed(function):
            return self._packages_function(function)
        found = names.names_of(function, self.refuse)
        self._named[self._within] = found.attributes
        self._through[self._within] = found.through
        self._sets |= found.sets
        for space, name, value in found.read:
            self.witnesses.name(space, name, value)
        return [
            "function",
            function.__name__,
            code_form(function.__code__),
            *self._held(function),
            [[dotted, self._of_name(value)] for dotted, value in found.values],
            [],  # has stood here since the first digests
        ]

    def _of_name(self, value: Any) -> Description:
        """What a name in code leads to: there it was seen how it is used (`names`)."""
        if refusals.value_refusal(value) and importable(value):
            return ["named", qualified_name(value)]
        return self.describe(value)

    def _partial(self, value: functools.partial[Any]) -> Description:
        """A function with bound arguments, which may change in place, as may its attributes."""
        self.witnesses.changeable |= bool(vars(value))
        own = type(value) is not functools.partial and not installed(type(value))
        more = [self.describe(type(value))] if own else []
        more += [self.items(sorted(vars(value).items()))] if vars(value) else []
        seeded = refusals.is_seeded(value.func) and bool(value.args or value.keywords)
        function = (self._of_name if seeded else self.describe)(value.func)
        return ["partial", function, *map(self.describe, (value.args, value.keywords)), *more]

    def _packages_function(self, function: types.FunctionType) -> Description:
        """A function of a package by its name; one that it made, with what it holds."""
        if importable(function):
            return ["named", qualified_name(function)]
        name = f"{function.__globals__.get('__name__')}:{function.__code__.co_qualname}"
        if name == "functools:singledispatch.<locals>.wrapper":
            # Its cache changes as it is used.
            registry = dict(vars(function)["registry"])
            return ["dispatch", self.describe(values.wrapped(function)), self.describe(registry)]
        return ["made", name, *self._held(function)]

    def _held(self, function: types.FunctionType) -> list[Description]:
        """Default arguments, captured variables and attributes."""
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        captured = [(name, self.witnesses.cell(cell)) for name, cell in cells]
        attributes = [pair for pair in sorted(vars(function).items()) if pair[0] not in libraries.WRAPPERS]
        return [
            self.describe(function.__defaults__),
            self.items(sorted((function.__kwdefaults__ or {}).items())),
            self.items(captured),
            self.items(attributes),
        ]

    def _module(self, module: types.ModuleType) -> Description:
        """A user's module as a whole; of a package's, the name."""
        if installed(module):
            return ["module", module.__name__]
        self.witnesses.changeable = True
        left_out = libraries.PYTHONS_GLOBALS | libraries.WRAPPERS
        every = [pair for pair in sorted(vars(module).items()) if pair[0] not in left_out]
        return ["module", module.__name__, self.items(every)]
