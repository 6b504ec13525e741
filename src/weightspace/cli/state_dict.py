"""A network of PyTorch as the `state_dict` that its own module takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weightspace.errors import InputError
from weightspace.store.base import Store
from weightspace.store.chosen import run_named
from weightspace.store.write import sentences, write_safetensors

KIND = "state-dict"


def export_state_dict(
    store: Store, run: str, to: Path | None, at: str | None, known: Any, named: Sequence[str]
) -> Path:
    """Write what `load_state_dict(safetensors.torch.load_file(FILE), strict=True)` takes; gives the file.

    Args:
      store: The store.
      run: The run's digest or its beginning.
      to: The file, or None for `export/<run>-state-dict.safetensors` in the store's folder.
      at: A point of a region, such as `0.5` of a line; None takes the weights that were kept.
      known: Experiments beside those of this package that may have asked for the run.
      named: The network, and data of the reader's own, that the run was asked with.

    Raises:
      InputError: If it is not clear which run is meant, or its network is none of PyTorch.
      StoreError: If there is no such run, or none of its networks was kept.
    """
    from weightspace.experiments.asked_run import run_of
    from weightspace.loaded import load
    from weightspace.models.adapters.torch import FromTorch
    from weightspace.models.adapters.torch_checkpoint import state_dict_of

    digest = run_named(store, run)
    found = load(store, run_of(store, digest, known, named), at=at)
    if not isinstance(found.model, FromTorch):
        raise InputError(
            f"the network of {digest[:12]} is {found.model.name}, no module of PyTorch, which alone has a "
            "state_dict; leave out --to: the file then has its arrays by path"
        )
    arrays = state_dict_of(found.model, found.weights, found.state)
    if to is None:
        point = "" if at is None else f"at-{at}-"
        to = store.root / "export" / f"{digest[:12]}-{point}{KIND}.safetensors"
    with sentences(to.parent):
        to.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"run": digest, "model": found.model.name, "status": found.status} | (
        {} if at is None else {"point": at}
    )
    write_safetensors(to, arrays, "export", metadata)
    return to
