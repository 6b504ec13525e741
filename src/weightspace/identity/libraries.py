"""What Python and the libraries put into classes, functions and objects of a user's, known by name.

Everything that is not known here is the user's and counts: a name that begins with an underscore is no sign
of a library. A library of a newer version that puts more there makes another digest, never one for two
networks.
"""

import dataclasses
import enum
import functools
import operator
import sys
import types
from collections.abc import Iterator
from typing import Any

from weightspace.identity.homes import defined_by_package, installed, qualified_name, space_installed

PYTHONS_GLOBALS = {
    "__name__", "__package__", "__loader__", "__spec__", "__file__", "__cached__", "__builtins__", "__path__",
    "__debug__", "__class__", "__annotate__", "__conditional_annotations__", "__build_class__",
    "__warningregistry__",
}  # fmt: skip
"""Names of a module that Python gives."""

WRAPPERS = {
    "__doc__", "__name__", "__qualname__", "__module__", "__annotations__", "__annotate__", "__type_params__",
    "__signature__", "__isabstractmethod__", "__final__", "__override__", "__no_type_check__",
    "__orig_class__", "__dict__", "__weakref__", "__deprecated__",
}  # fmt: skip
"""What `functools.wraps` copies and marks for type checkers, in the dict of a function or an object."""

WORDS = {
    "__doc__": {"__doc__", "getdoc", "getcomments"},
    "__annotations__": {
        "__annotations__",
        "get_annotations",
        "get_type_hints",
        "signature",
        "getfullargspec",
    },
    "__module__": {"__module__"},
    "__qualname__": {"__qualname__"},
    "__dict__": {"__dict__", "vars"},
    "__orig_bases__": {"__orig_bases__", "get_original_bases", "__parameters__"},
}
"""Words about code, and the names by which code reads them as data."""

_CLASSES = {
    "__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__annotate__", "__qualname__",
    "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__",
    "__orig_bases__", "__parameters__", "__type_params__", "__abstractmethods__", "__final__",
    "__dataclass_fields__", "__dataclass_params__", "__optional_keys__", "__required_keys__", "__total__",
    "__readonly_keys__", "__mutable_keys__", "__protocol_attrs__", "__callable_proto_members_only__",
    "__non_callable_proto_members__", "__abstractclassvars__", "__abstractvars__", "_abc_impl",
    "_is_protocol", "_is_runtime_protocol", "_flax_dataclass", "_pytree__is_pytree", "_pytree__nodes",
}  # fmt: skip
_LINENS = {"_parent_ref", "_state", "_compact_name_scope_methods"}
_OF_LINENS_OBJECTS = {"_parent_ref", "_state", "_id", "scope"}
_NAMEDTUPLES = {"_make", "_replace", "_asdict"}
_ENUMS = {
    "_member_map_", "_member_names_", "_member_type_", "_new_member_", "_unhashable_values_", "_use_args_",
    "_unhashable_values_map_", "_hashable_values_", "_value2member_map_", "_value_repr_", "_all_bits_",
    "_flag_mask_", "_inverted_", "_singles_mask_", "_generate_next_value_",
}  # fmt: skip
_MEMBERS = {"_value_", "_name_", "__objclass__", "_sort_order_"}
_WRITERS = ("dataclasses", "typing", "collections", "enum", "reprlib", "flax.linen.kw_only_dataclasses")
"""Modules that write methods into classes."""


def of_linen(cls: type) -> bool:
    """Whether a class is a module of Flax Linen."""
    return any(qualified_name(base) == "flax.linen.module:Module" for base in cls.__mro__)


def of_class(cls: type, name: str, value: Any) -> bool:
    """Whether Python or a library put an attribute into a class, not the user."""
    if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType) or name in _CLASSES:
        return True
    if users(value):
        return False
    if name == "__hash__" and value is None:  # by `__eq__`
        return True
    if name == "__match_args__":
        return value == _matched(cls)
    if name.startswith("__") and _written(cls, name, value):
        return True
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return name in _NAMEDTUPLES or type(value).__name__ == "_tuplegetter"
    if issubclass(cls, enum.Enum):
        return name in _ENUMS
    return name in _LINENS and of_linen(cls) and _empty(value)


def _empty(value: Any) -> bool:
    return value is None or value == () or type(value).__module__.startswith("flax.")


def of_object(value: Any) -> set[str]:
    """Names of attributes of an object that say nothing about it."""
    if isinstance(value, enum.Enum):
        return WRAPPERS | _MEMBERS
    return WRAPPERS | (_OF_LINENS_OBJECTS if of_linen(type(value)) else set())


def _matched(cls: type) -> tuple[str, ...] | None:
    """What a class of fields is matched by, if the user says nothing else."""
    if "__dataclass_fields__" in vars(cls):
        fields = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
        linens = ("parent", "name") if of_linen(cls) else ()
        named = tuple(f.name for f in fields if f.init and not f.kw_only and f.name not in linens)
        return (*named, *linens)
    return getattr(cls, "_fields", None) if issubclass(cls, tuple) else None


def _written(cls: type, name: str, value: Any) -> bool:
    """Whether a special method was written by `dataclass`, `NamedTuple`, `Protocol` or `Enum`."""
    for layer in layers(value):
        if isinstance(layer, types.FunctionType) and (
            _generated(layer) or str(layer.__globals__.get("__name__")) in _WRITERS
        ):
            return True
    # An enumeration takes over methods of what its members are.
    return issubclass(cls, enum.Enum) and any(vars(base).get(name) is value for base in cls.__mro__[1:])


def _generated(function: types.FunctionType) -> bool:
    """Whether `dataclass` or `namedtuple` made this function from text."""
    space = str(function.__globals__.get("__name__"))
    return function.__code__.co_qualname.startswith("__create_fn__.") or (
        function.__code__.co_filename == "<string>" and space.startswith("namedtuple_")
    )


def layers(value: Any) -> Iterator[Any]:
    """A value and what lies under properties, class methods and wrappers, from without."""
    for _ in range(20):
        yield value
        for holder in ("__func__", "fget", "func", "__wrapped__", "method"):
            inner = getattr(value, holder, None)
            if callable(inner):
                value = inner
                break
        else:
            return


def users(value: Any) -> bool:
    """Whether a method, or one of the layers around it, is the user's own."""
    for layer in layers(value):
        if isinstance(layer, types.FunctionType):
            if not installed(layer) and not _generated(layer):
                return True
        elif not isinstance(layer, type) and not installed(type(layer)):
            return True
    return False


_METHODS = (types.FunctionType, staticmethod, classmethod, property, functools.cached_property)
_PATCHES: dict[type, tuple[list[Any], list[tuple[str, Any]]]] = {}


def patches(cls: type) -> list[tuple[str, Any]]:
    """Methods that a user put into an installed class."""
    values = list(vars(cls).values())
    known = _PATCHES.get(cls)
    if known is None or not same_objects(known[0], values):
        found = [(name, value) for name, value in sorted(vars(cls).items()) if _patched(value)]
        known = _PATCHES[cls] = (values, found)
    return known[1]


def same_objects(a: list[Any], b: list[Any]) -> bool:
    """Whether two lists hold the same objects."""
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _patched(value: Any) -> bool:
    if isinstance(value, _METHODS):
        return any(_foreign(layer) for layer in layers(value))
    home = sys.modules.get(type(value).__module__)  # methods in C may be of types without one
    return callable(value) and home is not None and not isinstance(value, type) and not installed(type(value))


def _foreign(layer: Any) -> bool:
    """Whether a function in a library's class is a user's; what libraries generate has no file."""
    if not isinstance(layer, types.FunctionType) or installed(layer):
        return False
    return not layer.__code__.co_filename.startswith("<") or not space_installed(layer.__globals__)


def word(value: Any, name: str) -> Any:
    """What a user's function, class, module or object says of itself under one of `WORDS`, or None."""
    if name == "__dict__":
        return _order(value)
    if isinstance(value, type):
        return None if defined_by_package(value) else vars(value).get(name)
    if isinstance(value, types.FunctionType):
        if installed(value):
            return None
        within = list(_documentation(value.__code__)) if name == "__doc__" else []
        return [getattr(value, name, None), *within]
    if isinstance(value, types.ModuleType) and installed(value):
        return None
    held = getattr(value, "__dict__", None)
    return held.get(name) if isinstance(held, dict) else None


def _order(value: Any) -> list[str] | None:
    """The order of attributes, which only code that goes through all of them sees."""
    held = {} if isinstance(value, types.FunctionType) else getattr(value, "__dict__", {})
    if isinstance(value, types.ModuleType) or (isinstance(value, type) and defined_by_package(value)):
        return None
    kind: type = type(value)
    caches = {k for cls in kind.__mro__ for k, v in vars(cls).items() if _of_a_cache(v)}
    left_out = caches | _CLASSES
    return [str(name) for name in dict(held) if name not in left_out] or None


def _of_a_cache(value: Any) -> bool:
    return isinstance(value, functools.cached_property)


def _documentation(code: types.CodeType) -> Iterator[str]:
    """What functions within a function are documented by."""
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from (text for text in item.co_consts[:1] if isinstance(text, str))
            yield from _documentation(item)
