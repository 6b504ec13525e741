"""Bases: the linear maps of affine spaces. One file a basis; `make_basis` finds them by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

from weightspace.errors import InputError, unknown
from weightspace.options import read_options
from weightspace.spaces.bases.base import Basis
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.bases.regenerated import Regenerated
from weightspace.spaces.bases.sparse import Sparse

__all__ = ["Basis", "Gaussian", "Regenerated", "Sparse", "describe", "make_basis", "names"]


class _Entry(NamedTuple):
    cls: Callable[..., Basis]
    fixed: dict[str, Any]
    options: tuple[str, ...]
    columns: str
    text: str


_TABLE = {
    "gaussian": _Entry(Gaussian, {}, (), "z / ‖z‖, z ~ N(0, I)", "dense, 4 d D bytes a run"),
    "orthonormal": _Entry(
        Gaussian, {"orthonormal": True}, (), "the same, made orthonormal", "for d above D/2"
    ),
    "sparse": _Entry(
        Sparse, {}, ("density",), "±1/√(density · D)", "few entries a column: density=1/√D unless given"
    ),
    "regenerated": _Entry(
        Regenerated, {}, (), "those of gaussian", "drawn anew in each step: 12 d bytes a run, more time"
    ),
}


def names() -> tuple[str, ...]:
    """The bases that the command line knows."""
    return tuple(_TABLE)


def describe(name: str) -> tuple[str, str]:
    """What a basis' columns are, and what it is for."""
    return _TABLE[name].columns, _TABLE[name].text


def make_basis(name: str, dim: int) -> Basis:
    """A basis by name, with options as in `sparse:density=0.01`.

    >>> make_basis("sparse:density=0.01", 8)
    Sparse(dim=8, density=0.01)

    Args:
      name: A name of `names`, with its options.
      dim: d, the number of columns.

    Raises:
      InputError: If there is none of that name, or it has no such option.
    """
    base, _, text = name.partition(":")
    if base not in _TABLE:
        raise unknown("basis", base, _TABLE)
    entry = _TABLE[base]
    if text and not entry.options:
        raise InputError(f"basis '{base}' has no options, but '{text}' is given; write {base}")
    return entry.cls(
        dim=dim, **entry.fixed, **read_options(f"basis '{base}'", entry.cls, entry.options, text)
    )
