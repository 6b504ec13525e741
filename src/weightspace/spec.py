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
import hashlib
import json
import math
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

import jax
import numpy as np

from weightspace.code import check_same
from weightspace.digests import text_digest
from weightspace.errors import InputError
from weightspace.fields import coerce
from weightspace.identity import identity_digest, installed, qualified_name

T = TypeVar("T")
_MISSING = dataclasses.MISSING
_READ_ONCE = functools.cached_property
_KEPT = ("digest", "_source")
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
        for name, hint in _hints(type(self)).items():
            value = getattr(self, name)
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
        values: dict[str, Any] = {"kind": kind(type(self)), "version": self.version}
        if self._source is not None:
            values["source"] = self._source
        for field in dataclasses.fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, field.name)
            if "neutral" in field.metadata and _same(value, field.metadata["neutral"]):
                continue
            values[field.name] = canonical(value)
        return values

    @functools.cached_property
    def _source(self) -> str | None:
        """What a user's class is made of; None for our own, whose names and versions say it."""
        return None if _ours(type(self)) else identity_digest(type(self))

    def check_unchanged(self) -> None:
        """Raise unless the class, if it is a user's, is what it was when this was named or compiled.

        Raises:
          InputError: If something that it reads has changed since.
        """
        source, cls = self._source, type(self)
        if source is not None:
            check_same(source, cls, qualified_name(cls), f"the {cls.__name__}")

    def __getstate__(self) -> dict[str, Any]:
        """The fields, and the digest once it is known: what was read on the way stays in this process."""
        read = {name for name in vars(self) if isinstance(getattr(type(self), name, None), _READ_ONCE)}
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

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return typing.cast(type[T], made)


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


def common_leaves(spec_: Any) -> list[bool]:
    """For each leaf, in the order of `jax.tree.leaves`, whether it is common to a cohort."""
    leaves, structure = jax.tree.flatten(spec_)
    if structure not in _COMMON:
        # Fields alone decide, which specs of one structure share; a sweep asks for each of its runs.
        paths = jax.tree_util.tree_leaves_with_path(spec_)
        _COMMON[structure] = tuple(_is_common(spec_, path) for path, _ in paths)
    return [
        common or getattr(leaf, "shared", False)
        for common, leaf in zip(_COMMON[structure], leaves, strict=True)
    ]


_COMMON: dict[Any, tuple[bool, ...]] = {}


def _is_common(node: Any, path: tuple[Any, ...]) -> bool:
    for key in path:
        if isinstance(key, jax.tree_util.GetAttrKey):
            fields = {field.name: field for field in dataclasses.fields(node)}
            if role(fields[key.name]) == "common":
                return True
            node = getattr(node, key.name)
        elif isinstance(key, jax.tree_util.SequenceKey):
            node = node[key.idx]
        else:
            node = node[key.key]  # pyright: ignore[reportAttributeAccessIssue]
    return False


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
        return _canonical_array(np.asarray(value))
    raise InputError(f"{value!r} of type {type(value).__name__} cannot be part of a spec")


def _with_source(value: Any, said: Any) -> Any:
    """What an object says of itself, and what its class is made of, if that is a user's."""
    return said if installed(type(value)) else {"is": said, "source": identity_digest(type(value))}


def _canonical_array(array: np.ndarray) -> Any:
    content = np.ascontiguousarray(array)
    digest = hashlib.sha256(content.tobytes()).hexdigest()
    return {"array": digest, "dtype": str(content.dtype), "shape": list(content.shape)}


def canonical_json(value: Any) -> str:
    """`canonical` as text with sorted keys and no blanks."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _same(a: Any, b: Any) -> bool:
    return canonical_json(a) == canonical_json(b)


def digest_of(value: Any) -> str:
    """The digest of a value's canonical JSON."""
    return text_digest(canonical_json(value))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}
