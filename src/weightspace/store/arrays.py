"""Outputs as arrays in files: trees to flat names and back, booleans as bits, one array read at a time.

The array at path `a/b` of output `key` of a run is called `<digest>/<key>/a/b`, a lone array
`<digest>/<key>`. `/` and `~` within a name are written `~1` and `~0`, as in JSON pointers (RFC 6901), and a
lone `~` stands for an empty dict, so that every nested dict comes back as it was.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from weightspace.bits import pack_bits, unpack_bits
from weightspace.errors import StoreError
from weightspace.store.schema import STAMP, DamagedError, check_stamp
from weightspace.store.write import write_safetensors

EMPTY = "~"
_TYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
}
"""The format's names of the types that are stored as they are."""


def escape(name: str) -> str:
    """A name that can be one part of a path."""
    return name.replace("~", "~0").replace("/", "~1")


def unescape(part: str) -> str:
    """The inverse of `escape`."""
    return part.replace("~1", "/").replace("~0", "~")


def to_tensors(digest: str, key: str, tree: Any) -> dict[str, np.ndarray]:
    """An output of a run (an array, a number or a nested dict of them) as arrays by name.

    >>> sorted(to_tensors("d", "end.weights", {"fc": {"kernel": np.ones(2)}, "state": {}}))
    ['d/end.weights/fc/kernel', 'd/end.weights/state/~']

    Raises:
      StoreError: If something in it is neither an array of numbers nor a dict with string keys.
    """
    return dict(_flatten(f"{digest}/{escape(key)}", tree))


def _flatten(name: str, tree: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping):
        if not tree:
            yield f"{name}/{EMPTY}", np.zeros(0, np.uint8)
        for key, branch in tree.items():
            if not isinstance(key, str):
                raise StoreError(
                    f"{name} has the key {key!r}; outputs are nested dicts whose keys are strings"
                )
            yield from _flatten(f"{name}/{escape(key)}", branch)
        return
    if tree is None or isinstance(tree, list | tuple | str | bytes):
        what = type(tree).__name__
        raise StoreError(f"{name} is of type {what}; outputs are arrays or nested dicts of arrays")
    yield name, _numbers(name, tree)


def _numbers(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value, order="C")
    kind = array.dtype.kind
    # Numbers of numpy or of ml_dtypes, which registers its names; no objects, text or records.
    if kind not in "biufc" and (kind != "V" or not hasattr(ml_dtypes, array.dtype.name)):
        raise StoreError(f"{name} is an array of {array.dtype}; only numbers and booleans can be stored")
    return array


def from_tensors(digest: str, key: str, tensors: Mapping[str, np.ndarray]) -> Any:
    """The output that `to_tensors` made these arrays of; other names are passed over.

    Raises:
      KeyError: If there is none of this run and key.
    """
    name = f"{digest}/{escape(key)}"
    found = {
        other[len(name) + 1 :]: other for other in tensors if other == name or other.startswith(name + "/")
    }
    if not found:
        raise KeyError(name)
    if set(found) == {""}:
        return tensors[name]
    tree: dict[str, Any] = {}
    for path, other in found.items():
        *parents, last = path.split("/")
        node = tree
        for part in parents:
            node = node.setdefault(unescape(part), {})
        if last != EMPTY:
            node[unescape(last)] = tensors[other]
    return tree


def owner(name: str) -> tuple[str, str]:
    """The digest and the output that an array belongs to."""
    digest, key, *_ = name.split("/", 2)
    return digest, unescape(key)


def outputs_of(names: Iterable[str]) -> dict[str, list[str]]:
    """By run, the keys of the outputs that these arrays belong to."""
    found: dict[str, list[str]] = {}
    for digest, key in dict.fromkeys(map(owner, names)):
        found.setdefault(digest, []).append(key)
    return found


def write_arrays(
    path: Path,
    arrays: Iterable[tuple[str, np.ndarray]],
    kind: str,
    info: Any = None,
    *,
    flush: bool = True,
) -> None:
    """Write arrays of any type of number; booleans take a bit each.

    Args:
      path: The file.
      arrays: Names and arrays; if they are made one by one, they need not fit into memory at once.
      kind: What the file is for.
      info: A JSON value to go with them.
      flush: Wait until they are on the disk.
    """
    stored: dict[str, np.ndarray] = {}
    packed: dict[str, Any] = {}
    for name, array in arrays:
        stored[name], how = _encode(name, array)
        if how:
            packed[name] = how
    metadata = {"packed": packed, "outputs": outputs_of(stored) if kind == "arrays" else {}, "info": info}
    texts = {key: json.dumps(value) for key, value in metadata.items()}
    write_safetensors(path, stored, kind, texts, flush=flush)


def _encode(name: str, array: Any) -> tuple[np.ndarray, dict[str, Any] | None]:
    array = _numbers(name, array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype in _TYPES.values():
        return array, None
    how = {"dtype": array.dtype.name, "shape": list(array.shape)}
    if array.dtype == bool:
        return pack_bits(array), how
    return np.frombuffer(array.tobytes(), np.uint8), how


class Tensors(Mapping[str, np.ndarray]):
    """The arrays of one file, each read from the disk when it is asked for.

    They are views of the file where its bytes allow it: read-only, and valid after the file is replaced.

    Attributes:
      path: The file.
      info: The JSON value that was written with them.

    Raises:
      DamagedError: If the file is truncated or not of this format.
      StoreError: If it is of another kind or version.
      FileNotFoundError: If it is gone.
    """

    def __init__(self, path: Path, kind: str):
        self.path = path
        metadata = read_metadata(path, kind)
        self._packed = json.loads(metadata["packed"])
        self.info = json.loads(metadata["info"])
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
        self._header.pop("__metadata__", None)
        self._bytes = np.memmap(path, np.uint8, mode="r")[8 + length :]

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._header[name]
        start, stop = entry["data_offsets"]
        stored = self._bytes[start:stop].view(np.ndarray)
        how = self._packed.get(name)
        if how is None:
            return stored.view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
        shape = tuple(how["shape"])
        if how["dtype"] == "bool":
            return unpack_bits(stored, shape)
        return stored.view(np.dtype(how["dtype"])).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._header)

    def __len__(self) -> int:
        return len(self._header)

    @functools.cached_property
    def by_output(self) -> dict[tuple[str, str], list[str]]:
        """The names by digest and output."""
        found: dict[tuple[str, str], list[str]] = {}
        for name in self:
            found.setdefault(owner(name), []).append(name)
        return found


def read_metadata(path: Path, kind: str) -> dict[str, str]:
    """The metadata of a file whose header, length and stamp have been checked; raises as `Tensors` does."""
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedError(path, error) from error
    check_stamp(path, metadata.get(STAMP), kind)
    return metadata


def kept_outputs(path: Path) -> dict[str, frozenset[str]]:
    """By run, the keys of the outputs in a file; raises as `Tensors` does."""
    found = json.loads(read_metadata(path, "arrays")["outputs"])
    return {digest: frozenset(keys) for digest, keys in found.items()}


def copies(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays in memory, free of the file."""
    return {name: np.array(array) for name, array in tensors.items()}
