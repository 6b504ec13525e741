"""A spec says what to do: a frozen dataclass that is also a pytree and canonical JSON.

Numbers and references are its leaves, choices are its structure. `static()` marks a field as structure,
`common()` marks its leaves as equal within a cohort; all other leaves may differ from run to run and are
stacked. Hence a compiled program is keyed by `jax.tree.structure(spec)`, the runs of a cohort are stacked by
their leaves, and inside compiled code the same class holds tracers: `recipe.lr` is written once.

The digest of a spec is the SHA-256 of its canonical JSON: names and versions of its parts and all their
values. Fields added after a release declare a `neutral` value which the digest leaves out.
"""

import dataclasses
import enum
import functools
import math
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

import jax
import numpy as np

from weightspace.code import check_same
from weightspace.digests import text_digest
from weightspace.errors import InputError
from weightspace.fields import coerce, declared
from weightspace.identity import identity_digest, installed, qualified_name
from weightspace.json_text import dumps, of_array, of_plain

T = TypeVar("T")
_MISSING = dataclasses.MISSING
_READ_ONCE = functools.cached_property
_KEPT = ("digest", "_source")
FLATTENED = "flat form"
"""Under which `flat` keeps leaves and form of a spec, beside its fields: no field can be called so."""
_TEXT = "canonical text"
_KINDS: dict[str, str] = {}


def static(*, default: Any = _MISSING, neutral: Any = _MISSING) -> Any:
    """A field that is structure: a choice, a shape, a name. It must be hashable."""
    return _field("static", default, neutral)


def common(*, default: Any = _MISSING, neutral: Any = _MISSING) -> Any:
    """A field whose leaves are equal for all runs of a cohort: traced, but passed once."""
    return _field("common", default, neutral)


def leaf(*, default: Any = _MISSING, neutral: Any = _MISSING) -> Any:
    """A field whose leaves are stacked, one a run. Fields without a mark are of this kind.

    Only a field added after a release needs it, to declare its `neutral` value.
    """
    return _field("leaf", default, neutral)


def _field(role: str, default: Any, neutral: Any) -> Any:
    metadata = {"role": role} | ({} if neutral is _MISSING else {"neutral": neutral})
    return dataclasses.field(default=default, metadata=metadata)


class Spec:
    """Base of all specs: construction, comparison and canonical form; subclasses are made by `@spec`."""

    version: ClassVar[int] = 1
    """Raised whenever the numbers that this part produces change."""

    def __post_init__(self) -> None:
        for name, hint, known in declared(type(self)):
            value = getattr(self, name)
            if known is None or type(value) in known:
                continue
            coerced = coerce(f"{type(self).__name__}.{name}", value, hint)
            if coerced is not value:
                object.__setattr__(self, name, coerced)
        self.validate()

    def validate(self) -> None:
        """Raise `InputError` for values that make no sense; sees plain values, never tracers."""

    @functools.cached_property
    def digest(self) -> str:
        """What this spec is called in the store: a digest of its canonical JSON."""
        return digest_of(self)

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """Name, version and values of this spec as plain JSON values."""
        values, neutral = _named(self), _fields(type(self))[0]
        for field in dataclasses.fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, field.name)
            if field.name not in neutral or canonical_json(value) != neutral[field.name]:
                values[field.name] = canonical(value)
        return values

    @property
    def _canonical_text(self) -> str:
        """The canonical JSON as text, kept for those that hold this."""
        if _TEXT not in vars(self):
            vars(self)[_TEXT] = canonical_text(self)
        return vars(self)[_TEXT]

    @functools.cached_property
    def _source(self) -> str | None:
        """What a user's class is made of; None for our own, whose names and versions say it."""
        return None if _ours(type(self)) else identity_digest(type(self))

    def check_unchanged(self) -> None:
        """Raise unless the class, if it is a user's, is what it was when this was named or compiled.

        Raises:
          InputError: If something that it reads has changed since.
        """
        cls = type(self)
        if not _ours(cls) and (source := self._source) is not None:
            check_same(source, cls, qualified_name(cls), f"the {cls.__name__}")

    def __getstate__(self) -> dict[str, Any]:
        """The fields, and the digest once it is known: what was read on the way stays in this process."""
        read = {name for name in vars(self) if isinstance(getattr(type(self), name, None), _READ_ONCE)}
        read |= {FLATTENED, _TEXT}
        return {name: value for name, value in vars(self).items() if name in _KEPT or name not in read}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and self.digest == typing.cast(Spec, other).digest

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static, common, leaf))
def spec(cls: type[T]) -> type[T]:
    """Make a class a spec: a frozen dataclass, a registered pytree and canonical JSON at once.

    >>> @spec
    ... class Walk(Spec):
    ...     stride: float
    ...     legs: int = static(default=2)
    >>> jax.tree.leaves(Walk(1))
    [1.0]
    >>> jax.tree.structure(Walk(1.0)) == jax.tree.structure(Walk(3.0))
    True
    """
    if not issubclass(cls, Spec):
        raise TypeError(f"{cls.__name__} must be a subclass of Spec")
    made = dataclasses.dataclass(frozen=True, eq=False)(cls)
    _claim_kind(made)
    fields = dataclasses.fields(typing.cast(Any, made))
    data = [f.name for f in fields if role(f) != "static"]
    meta = [f.name for f in fields if role(f) == "static"]

    if not _ours(made):
        # Two objects of a class that was edited in between are no lanes of one program.
        meta.append("_source")

    def flatten(self: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(self, name) for name in data], tuple(getattr(self, name) for name in meta)

    def flatten_with_keys(self: Any) -> tuple[list[Any], tuple[Any, ...]]:
        keyed = [(jax.tree_util.GetAttrKey(name), getattr(self, name)) for name in data]
        return keyed, tuple(getattr(self, name) for name in meta)

    def unflatten(aux: tuple[Any, ...], children: Any) -> Any:
        # Neither checked nor coerced: inside compiled code the values are tracers.
        self = object.__new__(made)
        for name, value in (*zip(meta, aux, strict=True), *zip(data, children, strict=True)):
            object.__setattr__(self, name, value)
        return self

    _STRUCTURE[made] = tuple(data), tuple(meta)
    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return typing.cast(type[T], made)


_STRUCTURE: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def structure_fields(cls: type) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The names of what is inside a spec's structure, and of what is structure; None for what is no spec."""
    return _STRUCTURE.get(cls)


def role(field: dataclasses.Field[Any]) -> str:
    """`static`, `common` or `leaf`."""
    return field.metadata.get("role", "leaf")


def kind(cls: type) -> str:
    """The name of a spec class in canonical JSON: `family.Name` for our own, qualified for a user's.

    The family is the package's part that the class belongs to, wherever in it it is defined.
    """
    return f"{cls.__module__.split('.')[1]}.{cls.__name__}" if _ours(cls) else qualified_name(cls)


def _ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "weightspace"


def _claim_kind(cls: type) -> None:
    name, home = kind(cls), qualified_name(cls)
    if _ours(cls) and _KINDS.setdefault(name, home) != home:
        raise TypeError(f"two specs are called {name}: {_KINDS[name]} and {home}")


def canonical(value: Any) -> Any:
    """A value as plain JSON: equal values give equal JSON, whatever holds them.

    Raises:
      InputError: For NaN or infinity, and for values that have no canonical form.
    """
    if isinstance(value, Spec):
        return value.canonical
    if hasattr(value, "__canonical__"):
        return _with_source(value, value.__canonical__())
    if isinstance(value, enum.Enum):
        return _with_source(value, value.name)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.generic):
        return canonical(value.item())
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{value} has no place in a spec: numbers must be finite")
        return value
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        raise InputError(
            "a PRNG key cannot be part of a spec; give a seed, from which keys are made, or the key's bits: "
            "jax.random.key_data(key)"
        )
    if isinstance(value, np.ndarray | jax.Array):
        return of_array(np.asarray(value))
    raise InputError(f"{value!r} of type {type(value).__name__} cannot be part of a spec")


def _with_source(value: Any, said: Any) -> Any:
    """What an object says of itself, and what its class is made of, if that is a user's."""
    return said if installed(type(value)) else {"is": said, "source": identity_digest(type(value))}


def canonical_json(value: Any) -> str:
    """`canonical` as text with sorted keys and no blanks, put together from the texts of its parts."""
    text = of_plain(value)
    if text is not None:
        return text
    if isinstance(value, Spec):
        return value._canonical_text
    if type(value) in (tuple, list):
        return f"[{','.join(map(canonical_json, value))}]"
    return dumps(canonical(value))


def canonical_text(spec_: Spec) -> str:
    """The canonical JSON of a spec as text, made anew."""
    cls = type(spec_)
    if cls.canonical is not Spec.canonical:
        return dumps(spec_.canonical)
    neutral, labelled = _fields(cls)
    pieces: list[str] = []
    for name, label, said in labelled:
        text = said or canonical_json(getattr(spec_, name))
        if neutral.get(name) != text:
            pieces.append(label + text)
    return "{" + ",".join(pieces) + "}"


def _named(spec_: Spec) -> dict[str, Any]:
    """What a spec says beside its values."""
    cls = type(spec_)
    own: dict[str, Any] = {"kind": kind(cls), "version": spec_.version}
    return own if _ours(cls) else own | {"source": spec_._source}


def digest_of(value: Any) -> str:
    """The digest of a value's canonical JSON."""
    return text_digest(canonical_json(value))


@functools.cache
def _fields(cls: Any) -> tuple[dict[str, str], tuple[tuple[str, str, str], ...]]:
    """Texts of neutral values; all that is said, in order: attribute, text before it, its own if known."""
    fields = dataclasses.fields(cls)
    neutral = {f.name: canonical_json(f.metadata["neutral"]) for f in fields if "neutral" in f.metadata}
    said = {"kind": ("", canonical_json(kind(cls))), "version": ("version", "")}
    said |= {} if _ours(cls) else {"source": ("_source", "")}
    said |= {field.name: (field.name, "") for field in fields}
    ordered = [(said[name][0], f"{canonical_json(name)}:", said[name][1]) for name in sorted(said)]
    return neutral, tuple(ordered)
