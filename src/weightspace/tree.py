"""Trees of arrays: paths, selection and flat vectors.

Weights are nested dicts with string keys. A leaf is named by its path, the keys joined by `/`, so that a
name means the same in a layout, a file, a selector and an error message.
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from weightspace.errors import InputError

Tree = Any
"""Any pytree of arrays; most often a nested dict with string keys."""


def path_string(path: tuple[Any, ...]) -> str:
    """The name of a leaf: its keys joined by `/`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def paths(tree: Tree) -> tuple[str, ...]:
    """The names of all leaves, in the order of `jax.tree.leaves`.

    >>> paths({"b": {"bias": 0}, "a": 1})
    ('a', 'b/bias')
    """
    return tuple(path_string(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree))


def flat_dict(tree: Tree) -> dict[str, Any]:
    """The leaves by name; a lone array is named by the empty path."""
    return {path_string(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def check_distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names of leaves, if each is another and none is also the beginning of another's path.

    Raises:
      InputError: If two coincide, as those of `{"a/b": …}` and `{"a": {"b": …}}` do.
    """
    found = tuple(names)
    within = {name[:at] for name in found for at, letter in enumerate(name) if letter == "/"}
    seen: set[str] = set()
    for name in found:
        if name in seen or name in within:
            raise InputError(
                f"two arrays are called '{name}', the keys on the way to each joined by '/'; rename one of "
                "them, best without a '/' in its key"
            )
        seen.add(name)
    return found


def nested_dict(flat: Mapping[str, Any]) -> Tree:
    """The nested dict that `flat_dict` would turn into `flat`."""
    if set(flat) == {""}:
        return flat[""]
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree


def map_named(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """`jax.tree.map` whose function also takes the name of the leaf, first."""
    return jax.tree_util.tree_map_with_path(
        lambda path, *leaves: function(path_string(path), *leaves), tree, *rest
    )


def matches(name: str, pattern: str) -> bool:
    """Whether a path fits a glob; `*` crosses `/`, alternatives are set apart by `|`."""
    return any(fnmatchcase(name, part.strip()) for part in pattern.split("|"))


def size(tree: Tree) -> int:
    """The number of entries in all leaves together."""
    return sum(int(np.prod(np.shape(leaf), dtype=np.int64)) for leaf in jax.tree.leaves(tree))


def nbytes(tree: Tree) -> int:
    """The bytes of all leaves together; shapes are enough."""
    leaves = jax.tree.leaves(tree)
    return sum(int(np.prod(leaf.shape, dtype=np.int64)) * _itemsize(leaf.dtype) for leaf in leaves)


def _itemsize(dtype: Any) -> int:
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return 8
    return np.dtype(dtype).itemsize


def is_key(leaf: Any) -> bool:
    """Whether a leaf holds typed PRNG keys, which are no numbers."""
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def to_numbers(leaf: Any) -> np.ndarray:
    """A leaf on the host; keys as their bits."""
    return np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)


def from_numbers(numbers: np.ndarray, like: Any) -> Any:
    """The inverse of `to_numbers`, for a leaf of the kind of `like`."""
    if not is_key(like):
        return numbers
    return jax.random.wrap_key_data(jnp.asarray(numbers), impl=jax.random.key_impl(like))


def ravel(tree: Tree) -> tuple[Float[Array, " D"], Callable[[Array], Tree]]:
    """All leaves as one vector, and the function that turns such a vector back into the tree."""
    return jax.flatten_util.ravel_pytree(tree)


def dot(a: Tree, b: Tree) -> Float[Array, ""]:
    """The inner product of two trees of equal structure."""
    products = jax.tree.map(jnp.vdot, a, b)
    return jax.tree.reduce(jnp.add, products)


def squared_norm(tree: Tree) -> Float[Array, ""]:
    """The sum of the squares of all entries."""
    # A sum of squares is one pass; a product of two trees is a matrix product for each leaf.
    return jax.tree.reduce(jnp.add, jax.tree.map(lambda a: jnp.sum(jnp.square(a)), tree))


def distance(a: Tree, b: Tree) -> Float[Array, ""]:
    """The Euclidean distance between two trees of equal structure."""
    return jnp.sqrt(squared_norm(jax.tree.map(jnp.subtract, a, b)))


def where(condition: Bool[Array, ""], a: Tree, b: Tree) -> Tree:
    """`a` if the condition holds, else `b`, leaf by leaf."""
    return jax.tree.map(lambda u, v: jnp.where(condition, u, v), a, b)


def cast(tree: Tree, dtype: Any) -> Tree:
    """The same tree with its floating leaves in another precision."""
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def equal(a: PyTree, b: PyTree) -> bool:
    """Whether two trees have one structure and the same bits in every leaf."""
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(to_numbers(u).tobytes() == to_numbers(v).tobytes() for u, v in pairs)
