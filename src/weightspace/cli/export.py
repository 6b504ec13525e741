"""A run's output as a file of its own: arrays by path, in safetensors."""

from pathlib import Path

import numpy as np

from weightspace.errors import InputError, StoreError, unknown
from weightspace.experiments.answered import safe_name
from weightspace.store.base import Store
from weightspace.store.write import sentences, write_safetensors
from weightspace.tree import flat_dict

_SHOWN = 5


def export_output(store: Store, run: str, output: str | None, to: Path | None) -> Path:
    """Write an output of a run; gives the file.

    Args:
      store: The store.
      run: The run's digest or its beginning.
      output: The output's key; None takes the only one, or the weights at the end.
      to: The file, or None for `export/<run>-<output>.safetensors` in the store's folder.

    Raises:
      InputError: If it is not clear which run or output is meant.
      StoreError: If there is no such run, it kept no output, or the file cannot be written.
    """
    digest = run_named(store, run)
    key = _chosen(digest, store.record(digest).outputs, output)
    tree = store.output(digest, key)
    arrays = {path or key.rpartition(".")[2]: np.asarray(leaf) for path, leaf in flat_dict(tree).items()}
    if to is None:
        to = store.root / "export" / f"{digest[:12]}-{safe_name(key)}.safetensors"
        with sentences(to.parent):
            to.parent.mkdir(exist_ok=True)
    write_safetensors(to, arrays, "export", {"run": digest, "output": key})
    return to


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


def _chosen(digest: str, kept: frozenset[str], output: str | None) -> str:
    if not kept:
        raise StoreError(
            f"run {digest} kept no outputs: arrays are kept where another run takes them, as after a "
            "burn-in, or where a probe keeps them, as --probes best does"
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


_LAST = "snapshot(end).weights"
