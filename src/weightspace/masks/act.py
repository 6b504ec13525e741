"""Act: what both actions of a ticket make of given weights."""

from collections.abc import Callable
from typing import Any, NamedTuple

from weightspace.masks.kept import Kept
from weightspace.masks.pruned import Pruned
from weightspace.models.layout import Layout
from weightspace.streams import Keys, Stream
from weightspace.tree import Tree

_KEPT, _PRUNED, _FRESH = 0, 1, 2


class Acted(NamedTuple):
    """The values of all entries: a mask chooses between the two."""

    restarted: Tree
    frozen: Tree


def act(
    kept: Kept,
    pruned: Pruned,
    weights: Tree,
    mask: Tree,
    keys: Keys,
    sample: Callable[[Keys], Tree],
    layout: Layout,
    earlier: Any = 0,
) -> Acted:
    """What each action gives to all entries. Works traced.

    Args:
      kept: What kept weights restart from.
      pruned: What pruned weights are frozen at.
      weights: What both work on.
      mask: Which entries are kept.
      keys: Of the run that trains the ticket; each action draws by a child of its own.
      sample: Draws the model's weights.
      layout: What each leaf is.
      earlier: Rounds before this one, so that permutations and draws fall anew in each.
    """

    def fresh(number: int) -> Tree:
        own = keys.child(_FRESH + number)
        return sample(own.child(earlier) if earlier else own)

    kept_key, pruned_key = (keys.child(part)(Stream.MASK, earlier) for part in (_KEPT, _PRUNED))
    restarted = kept.values(weights, mask, layout, kept_key, fresh)
    return Acted(restarted, pruned.values(weights, mask, layout, pruned_key))
