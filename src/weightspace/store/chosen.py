"""Which run and which of its outputs is meant by what somebody has typed."""

from weightspace.errors import InputError, StoreError, unknown
from weightspace.store.base import Store

_SHOWN = 5
_LAST = "snapshot(end).weights"


def run_named(store: Store, text: str) -> str:
    """The digest that begins so.

    Raises:
      InputError: If several do.
      StoreError: If none does.
    """
    found = sorted(digest for digest in store.records() if digest.startswith(text)) if text else []
    if not found:
        raise StoreError(f"{store.root} has no run '{text}'; weightspace results {store.root} lists them")
    if len(found) > 1:
        some = ", ".join(digest[: len(text) + 4] for digest in found[:_SHOWN])
        more = " …" if len(found) > _SHOWN else ""
        raise InputError(f"{len(found)} runs begin with '{text}' ({some}{more}); write more of it")
    return found[0]


def chosen_output(digest: str, kept: frozenset[str], output: str | None) -> str:
    """The output meant.

    Args:
      digest: The run's.
      kept: Keys of its outputs.
      output: The key given; None takes the only one, or the weights at the end.

    Raises:
      StoreError: If nothing was kept.
      InputError: If there is none of that key, or several and none is given.
    """
    if not kept:
        raise StoreError(
            f"run {digest} kept no outputs; its command again with --keep final trains it once more and "
            "keeps its network at the end, --keep best that of least validation loss (give --validation too)"
        )
    if output is not None:
        if output not in kept:
            raise unknown("output", output, kept)
        return output
    weights = sorted(key for key in kept if key == "weights" or key.endswith(".weights"))
    if len(kept) == 1 or len(weights) == 1:
        return weights[0] if weights else next(iter(kept))
    if _LAST in weights:
        return _LAST
    raise InputError(f"run {digest} kept several outputs; choose by --output: {', '.join(sorted(kept))}")
