"""Prune: from scores to a mask, with exact counts and keyed tie-breaks.

A mask is a tree of booleans with the structure of the weights, True where a weight is kept. Kernels are
pruned; biases, scales and shifts are True throughout. Masks of successive rounds are nested: an entry that is
pruned is left out of the ranking, so that no score brings it back.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from weightspace.errors import InputError, check_choice
from weightspace.masks.counts import DEFAULT_RATES, Rates, drop_count
from weightspace.masks.criterion import Criterion
from weightspace.masks.score import score
from weightspace.models.fit import check_fit
from weightspace.models.layout import Layout, Leaf
from weightspace.streams import named
from weightspace.tree import Tree, flat_dict, map_named

Flags = Bool[Array, "..."] | Bool[np.ndarray, "..."]
SCOPES = ("layer", "global")
ScoresLike = Float[Array, "..."] | Int[Array, "..."] | Float[np.ndarray, "..."] | Int[np.ndarray, "..."]


@jax.jit
def ranks(scores: ScoresLike, kept: Flags, key: Key[Array, ""]) -> Int[Array, "..."]:
    """The place of each entry: 0 for the best that is kept, pruned ones behind all kept ones.

    Equal scores, as 0.0 and -0.0, are ordered by random bits. Works traced; one sort.

    Args:
      scores: Of each entry, in any shape; none of the kept ones NaN, as `score.check_scores` makes sure.
      kept: Which entries are still there.
      key: Orders equal scores.
    """
    flat = jnp.asarray(scores).reshape(-1)
    places = jnp.arange(flat.size, dtype=jnp.int32)
    keys = (~jnp.asarray(kept).reshape(-1), -flat, _tie_bits(key, flat.shape), places)
    order = jax.lax.sort(keys, num_keys=3)[3]
    return jnp.zeros_like(places).at[order].set(places, unique_indices=True).reshape(np.shape(scores))


def _tie_bits(key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
    return jax.random.bits(key, shape, jnp.uint32)


def keep(scores: ScoresLike, kept: Flags, count: int, key: Key[Array, ""]) -> Bool[np.ndarray, "..."]:
    """The mask of the `count` best entries among those kept: where `ranks` is below `count`.

    Computed on the host by selection instead of a sort: for 4.3 million entries 0.1 s on one core, 0.7 s
    where all are equal.

    Raises:
      InputError: If a kept entry's score is NaN, or `count` exceeds the number of those kept.
    """
    values, there = np.asarray(scores).reshape(-1), np.asarray(kept).reshape(-1)
    pool = values[there]
    if not 0 <= count <= pool.size:
        raise InputError(f"{count} weights are to be kept of {pool.size}; the number must lie between")
    if np.isnan(pool).any():
        raise InputError("the scores of kept weights hold NaN; scores must be numbers")
    if count == 0:
        return np.zeros(np.shape(kept), bool)
    least = np.partition(pool, pool.size - count)[pool.size - count]
    chosen = there & (values > least)
    tied = np.flatnonzero(there & (values == least))
    needed = count - np.count_nonzero(chosen)
    if needed < tied.size:
        bits = np.asarray(_tie_bits(key, values.shape))[tied]
        # Stable, as the sort of `ranks`: the few entries of equal bits go by their place.
        tied = tied[np.argsort(bits, kind="stable")[:needed]]
    chosen[tied] = True
    return chosen.reshape(np.shape(kept))


def prune(
    before: Tree,
    after: Tree,
    gradient: Tree | None,
    mask: Tree | None,
    layout: Layout,
    criterion: Criterion | str,
    *,
    key: Key[Array, ""],
    rates: Rates | float = DEFAULT_RATES,
    power: int = 1,
    scope: str = "layer",
    rule: str = "round",
    select: str = "kernel",
    empty: bool = False,
) -> Tree:
    """The mask after one more round of pruning: booleans of numpy, with the structure of the weights.

    Args:
      before: Weights before training, w_i.
      after: Weights after training, w_f.
      gradient: Loss gradient at w_i, for the criteria that need it; else None.
      mask: The mask of the round before, None for a full one.
      layout: What each leaf is.
      criterion: By which weights are kept, or its name. The `_single` ones are the mask themselves: of rates,
        scope and the last mask they notice only that what this prunes stays pruned.
      key: Breaks ties; each leaf has a key by its path.
      rates: Shares removed, by kind of layer; or one for all, as scope `global` needs it.
      power: Rounds in one, and
      rule: how shares become counts: see `drop_count`.
      scope: `layer` ranks each kernel apart, `global` all together.
      select: Which leaves are pruned; the original's `_single` masks are those of `kernel|bias`.
      empty: Whether a layer may lose all its weights.

    Raises:
      InputError: If a tree belongs to another architecture, a gradient is missing, weights are not numbers,
        an option is none of those allowed, or a layer would lose all its weights and may
        not (a bias may: the layer is still there).
    """
    by = criterion if isinstance(criterion, Criterion) else Criterion.parse(criterion)
    check_choice("pruning scope", scope, SCOPES)
    mask = full_mask(before) if mask is None else mask
    flat = _checked({"before": before, "after": after, "gradient": gradient, "mask": mask}, layout)
    leaves = [layout[path] for path in layout.selected(select, "select of pruning")]
    found: dict[str, np.ndarray] = {}
    for group in [leaves] if scope == "global" else [[leaf] for leaf in leaves]:
        salt = named(key, scope if scope == "global" else group[0].path)
        scores, there = _scored(by, flat, group, key), _joined(flat["mask"], group)
        if by.fixed:
            chosen = (scores > 0) & there
        else:
            left = int(np.count_nonzero(there))
            chosen = keep(
                scores, there, left - drop_count(left, _rate_of(group, rates, scope), rule, power), salt
            )
        found |= _parted(chosen, group)
        if not empty:
            _check_alive(group, found, flat["mask"], by, scope, rates)
    return map_named(lambda path, flags: found.get(path, np.asarray(flags)), mask)


def _checked(trees: Mapping[str, Tree | None], layout: Layout) -> dict[str, dict[str, np.ndarray]]:
    """The leaves by path of those trees that are given, once they fit the model."""
    given = {name: tree for name, tree in trees.items() if tree is not None}
    for name, tree in given.items():
        check_fit(f"'{name}'", tree, layout, boolean=name == "mask")
    return {name: flat_dict(jax.tree.map(np.asarray, tree)) for name, tree in given.items()}


def _rate_of(group: Sequence[Leaf], rates: Rates | float, scope: str) -> float:
    if not isinstance(rates, Rates):
        return rates
    if scope == "global":
        raise InputError(
            "scope 'global' ranks all layers together, so it takes one pruning rate, not one by kind of "
            "layer; give rates=0.2, say"
        )
    return rates.of(group[0])


def _joined(tree: Mapping[str, np.ndarray], group: Sequence[Leaf]) -> np.ndarray:
    """The leaves of a group laid end to end."""
    return np.concatenate([tree[leaf.path].reshape(-1) for leaf in group])


def _parted(joined: np.ndarray, group: Sequence[Leaf]) -> dict[str, np.ndarray]:
    ends = np.cumsum([leaf.size for leaf in group])[:-1]
    parts = zip(group, np.split(joined, ends), strict=True)
    return {leaf.path: part.reshape(leaf.shape) for leaf, part in parts}


def _scored(
    by: Criterion, flat: Mapping[str, Mapping[str, np.ndarray]], group: Sequence[Leaf], key: Key[Array, ""]
) -> np.ndarray:
    """The scores of the leaves of a group, laid end to end; each leaf has a key by its path."""
    if by.pooled and len(group) > 1:
        path = ", ".join(leaf.path for leaf in group)
        whole = Leaf(path, (sum(leaf.size for leaf in group),), group[0].kind, path, group[0].order)
        return score(by, {name: _joined(tree, group) for name, tree in flat.items()}, whole, named(key, path))
    each = [
        score(by, {name: tree[leaf.path] for name, tree in flat.items()}, leaf, named(key, leaf.path))
        for leaf in group
    ]
    return np.concatenate([scores.reshape(-1) for scores in each])


def _check_alive(
    group: Sequence[Leaf], found: Mapping[str, np.ndarray], mask: Mapping[str, np.ndarray], by: Criterion,
    scope: str, rates: Rates | float,
) -> None:  # fmt: skip
    for leaf in group:
        if leaf.kind == "kernel" and not found[leaf.path].any():
            raise _nothing_left(leaf, mask[leaf.path], by, scope, rates)


def _nothing_left(
    leaf: Leaf, there: np.ndarray, by: Criterion, scope: str, rates: Rates | float
) -> InputError:
    left = int(np.count_nonzero(there))
    lost = f"layer '{leaf.path}' would keep none of its {left} weights"
    if by.fixed:
        return InputError(f"{lost} by the criterion '{by.name}', which takes no rate; choose another")
    if scope == "global":
        return InputError(f"{lost}; lower the pruning rate of {rates}, or prune each layer: scope 'layer'")
    if isinstance(rates, Rates):
        kind = rates.kind_of(leaf)
        return InputError(f"{lost}; lower the pruning rate '{kind}' of {getattr(rates, kind)} or the power")
    return InputError(f"{lost}; lower the pruning rate of {rates} or the power")


def full_mask(weights: Tree) -> Tree:
    """The mask that keeps everything: True in the structure and shapes of the weights."""
    return jax.tree.map(lambda leaf: np.ones(np.shape(leaf), bool), weights)


def density(mask: Tree, layout: Layout, select: str = "kernel") -> dict[str, float]:
    """The share of weights kept of each kernel by path, in the order of the forward pass.

    Args:
      mask: Booleans.
      layout: What each leaf is.
      select: Which leaves; a kind or a glob over paths.
    """
    flat = flat_dict(mask)
    return {
        path: float(np.mean(np.asarray(flat[path]))) for path in layout.selected(select, "select of density")
    }
