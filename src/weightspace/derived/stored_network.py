"""A network from a file: weights and state for whatever takes those of a run.

    donor = StoredNetwork.of("theirs.safetensors", model, task)
    Run(model, task, Full(donor.output("weights")), recipe, seeds)

It is a node like others, so that it serves as the start of a run, the offset of a random subspace, a vertex
of a line, a member of an ensemble, or what a ticket's actions work on. What it is called in the store is
made of the file's content and of the model: the same bytes elsewhere are the same node, a changed
file is another.
"""

import functools
import hashlib
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import safetensors

from weightspace.data.task import Task
from weightspace.errors import DataError, InputError, nearest
from weightspace.measure.network import Network
from weightspace.models.base import Model, example, input_dtype_of, layout_of
from weightspace.models.foreign import network_of
from weightspace.models.pickled import check_not_pickled
from weightspace.node import Derived, Found
from weightspace.spec import spec, static
from weightspace.tree import Tree, nested_dict

_TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "BOOL": np.bool_,
    **{f"{sign}{bits}": np.dtype(f"{sign.lower()}{bits // 8}") for sign in "IU" for bits in (8, 16, 32, 64)},
}  # fmt: skip
_PIECE = 1 << 20


@spec
class StoredNetwork(Derived):
    """Outputs `weights`, and `state` where the file has the model's.

    The file is in safetensors, with the model's names (as `weightspace export` writes it) or those of a
    PyTorch `state_dict` whose modules are called as the model's; `models.foreign` says how layouts turn.

    Attributes:
      model: Whose weights they are.
      shape: Of one input of the model.
      content: SHA-256 of the file; `of` reads it.
      path: Where the file is; no part of the identity.
    """

    model: Any
    shape: tuple[int, ...] = static()
    content: str = static()
    path: str = static()

    @classmethod
    def of(cls, path: str | Path, model: Model, task: Task | tuple[int, ...]) -> "StoredNetwork":
        """That of a file, checked at once.

        Args:
          path: The file.
          model: Whose weights they are.
          task: What the model learns, or the shape of one of its inputs.

        Raises:
          DataError: If there is no such file, or it is damaged.
          InputError: If it holds another network, by the first name that differs.
        """
        shape = tuple(task.data.shape) if isinstance(task, Task) else tuple(task)
        place = Path(path).expanduser().absolute()
        made = cls(model, shape, content_of(place), str(place))
        made.network_now()
        return made

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """All but the place of the file."""
        return {name: value for name, value in super().canonical.items() if name != "path"}

    def network(self) -> Network:
        """Weights and state as outputs, as those of `Run.network`; the state is None where there is none."""
        there = self.network_now().state
        state = self.output("state") if there is not None and jax.tree.leaves(there) else None
        return Network(self.output("weights"), state)

    def network_now(self) -> Network:
        """Weights and state as arrays.

        Raises:
          DataError: If the file is damaged, is gone, or has changed.
          InputError: If it holds another network.
        """
        if content_of(Path(self.path)) != self.content:
            raise DataError(
                f"{self.path} has changed since it was named; a changed file is another network: make the "
                "question anew"
            )
        return read_network(Path(self.path), self.model, self.shape)

    def blank(self) -> dict[str, Tree]:
        """The model's leaves."""
        layout = layout_of(self.model, self.shape, input_dtype_of(self.model, self.shape))
        zero = np.zeros((), np.float32)
        return {"weights": nested_dict({leaf.path: np.broadcast_to(zero, leaf.shape) for leaf in layout})}

    def compute(self) -> Found:
        """The file's arrays in the model's layout."""
        weights, state = self.network_now()
        kept = state is not None and bool(jax.tree.leaves(state))
        return Found({}, {"weights": weights} | ({"state": state} if kept else {}))


def read_network(path: Path, model: Model, shape: tuple[int, ...]) -> Network:
    """The network in a file, in the model's layout; as `models.foreign.network_of`.

    Raises:
      DataError: If there is no such file, or it is damaged.
      InputError: If it holds another network.
    """
    dtype = input_dtype_of(model, shape)
    key = jax.random.key(0, impl="threefry2x32")
    state = jax.eval_shape(model.init, key, example(shape, dtype))[1]
    arrays, layout = read_arrays(path), layout_of(model, shape, dtype)
    if not set(layout.paths()) <= set(arrays):
        # Not the names that `export` writes: the model's own library may know them.
        own = model.from_checkpoint(arrays, shape, f"'{path.name}'")
        if own is not None:
            return Network(*own)
    return Network(*network_of(f"'{path.name}'", arrays, layout, state, shape))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name.

    Raises:
      DataError: If there is no such file, it is in another format or damaged.
    """
    check_not_pickled(path)
    try:
        found = safetensors.deserialize(_bytes(path))
    except safetensors.SafetensorError as error:
        raise DataError(
            f"{path} is damaged or in another format than safetensors ({error}); in PyTorch write it with "
            "safetensors.torch.save_file(model.state_dict(), …)"
        ) from error
    arrays = {}
    for name, told in found:
        if told["dtype"] not in _TYPES:
            raise InputError(f"'{name}' of '{path.name}' is of type {told['dtype']}, which is not read here")
        arrays[name] = np.frombuffer(told["data"], _TYPES[told["dtype"]]).reshape(told["shape"])
    return arrays


def metadata_of(path: Path) -> dict[str, str]:
    """What the header of a safetensors file says beside its arrays.

    Raises:
      DataError: If there is no such file, it is in another format or damaged.
    """
    check_not_pickled(path)
    _check_file(path)
    try:
        with safetensors.safe_open(path, "numpy") as opened:  # pyright: ignore[reportPrivateImportUsage]
            return opened.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(f"{path} is damaged or in another format than safetensors ({error})") from error


def content_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
      DataError: If there is no such file, or it cannot be read.
    """
    _check_file(path)
    found = hashlib.sha256()
    with path.open("rb") as opened:
        while piece := opened.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _bytes(path: Path) -> bytes:
    _check_file(path)
    return path.read_bytes()


def _check_file(path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the file of one network, as weightspace export writes it")
    near = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = nearest(path.name, near)
    hint = f"; did you mean {path.parent / guess}?" if guess else ""
    raise DataError(f"there is no file {path}{hint}")
