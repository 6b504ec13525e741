"""Bases: the linear maps of affine spaces. One file a basis; `make_basis` finds them by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

from weightspace.errors import InputError, unknown
from weightspace.options import read_options
from weightspace.spaces.bases.base import Basis
from weightspace.spaces.bases.blocks import Blocks
from weightspace.spaces.bases.fastfood import Fastfood
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.bases.regenerated import Regenerated
from weightspace.spaces.bases.sparse import Sparse
from weightspace.spaces.bases.srht import Srht

__all__ = [
    "Basis",
    "Blocks",
    "Fastfood",
    "Gaussian",
    "Regenerated",
    "Sparse",
    "Srht",
    "describe",
    "make_basis",
    "names",
]


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
        Sparse,
        {},
        ("density", "nnz", "disjoint"),
        "±1/√k, k = density · D",
        "k entries a column: √D unless given, also by nnz=k; disjoint=true shares none while any is left",
    ),
    "regenerated": _Entry(
        Regenerated, {}, (), "those of gaussian", "drawn anew in each step: 12 d bytes a run, more time"
    ),
    "fastfood": _Entry(
        Fastfood,
        {},
        (),
        "T G Π H e / ‖g‖, two fast transforms",
        "5 D bytes a run, D log D a step: √2 less orthogonal than gaussian, rms cosine √(2/D) for 1/√D",
    ),
    "srht": _Entry(
        Srht,
        {},
        (),
        "±1/√D, one fast transform",
        "D bytes a run, D log D a step: orthonormal where D is a power of two, else more so than gaussian",
    ),
    "blocks": _Entry(
        Blocks,
        {"by": "leaf"},
        (),
        "of the inner basis, in one leaf each",
        "a basis for each leaf, as in blocks:sparse:density=0.01; d in proportion to sizes",
    ),
    "layers": _Entry(
        Blocks,
        {"by": "layer"},
        (),
        "of the inner basis, in one layer each",
        "a basis for each layer (kernel and bias), as in layers:srht; d in proportion to sizes",
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
    Sparse(dim=8, density=0.01, nnz=None, disjoint=False)

    Args:
      name: A name of `names`, with its options; after `blocks` and `layers` that of the basis inside.
      dim: d, the number of columns.

    Raises:
      InputError: If there is none of that name, or it has no such option.
    """
    base, _, text = name.partition(":")
    if base not in _TABLE:
        raise unknown("basis", base, _TABLE)
    entry = _TABLE[base]
    if entry.cls is Blocks:
        inner = make_basis(text, 1) if text else Gaussian(1)
        return Blocks(dim=dim, inner=inner, **entry.fixed)
    if text and not entry.options:
        raise InputError(f"basis '{base}' has no options, but '{text}' is given; write {base}")
    return entry.cls(
        dim=dim, **entry.fixed, **read_options(f"basis '{base}'", entry.cls, entry.options, text)
    )
