"""What no walk through code can follow: text that becomes code, files, clocks, shared generators, settings.

An object stands for itself, whatever the user's code calls it and whichever way it came there: by a name, out
of a table, as a default argument or a captured variable. Of objects that are not known, the names of their
attributes tell (`x.read_text`).
"""

import builtins
import io
import os
import pathlib
import random
import sys
import types
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.identity.homes import installed, qualified_name

_TEXT = "runs text as code"
_FILE = "reads a file"
_FOLDER = "looks at files and folders"
_CLOCK = "reads the clock"
_ENVIRONMENT = "reads the environment"
_MACHINE = "asks what machine or process it runs in"
_NET = "asks another machine"
_NAMES = "looks names up while it runs"
_CHANCE = "draws from a generator that all code shares"
_ENTROPY = "draws from the machine's own chance"
_UNSEEDED = "makes a generator that starts elsewhere each time, as it is given no seed"
_HASHES = "goes by numbers that are others in each process"

_BUILTINS = {
    "eval": _TEXT, "exec": _TEXT, "compile": _TEXT, "__import__": _NAMES, "globals": _NAMES, "open": _FILE,
    "input": "asks a person", "hash": _HASHES, "id": _HASHES,
}  # fmt: skip
_NUMPY_FILES = ("load", "loadtxt", "genfromtxt", "fromfile", "memmap", "fromregex")
_NUMPY_GENERATORS = ("default_rng", "Generator", "RandomState", "SeedSequence", "BitGenerator")
_SEEDED = (
    random.Random, np.random.RandomState, np.random.default_rng, np.random.SeedSequence, np.random.PCG64,
    np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64,
)  # fmt: skip
_JAX_MACHINE = (
    "devices", "local_devices", "device_count", "local_device_count", "default_backend", "process_index",
    "process_count", "process_indices", "host_count", "host_id", "live_arrays",
)  # fmt: skip
_BY_MODULE = {
    _CLOCK: "time",
    _ENTROPY: "secrets uuid",
    _NAMES: "importlib runpy inspect",
    _FILE: (
        "pickle _pickle shelve csv _csv safetensors h5py gzip bz2 lzma zipfile tarfile configparser sqlite3 "
        "_sqlite3 dbm fileinput linecache mmap pkgutil pkg_resources joblib scipy.io netCDF4 zarr tempfile "
        "pyarrow.parquet pyarrow.feather pyarrow.csv imageio skimage.io torchvision.io tensorstore orbax "
        "datasets huggingface_hub tensorflow_datasets torchvision.datasets"
    ),
    _FOLDER: "glob shutil genericpath",
    _MACHINE: "posix nt os platform multiprocessing psutil resource getpass locale gc",
    "runs another program": "subprocess _posixsubprocess",
    _NET: "socket _socket urllib.request http ftplib requests httpx",
}
_OF_MODULE = {name: why for why, names in _BY_MODULE.items() for name in names.split()}
_HARMLESS = {
    *("posix:fspath", "os:fspath", "os:fsencode", "os:fsdecode", "time:sleep"),
    *(
        f"inspect:{name}"
        for name in (
            "isfunction",
            "ismethod",
            "isclass",
            "ismodule",
            "isbuiltin",
            "getdoc",
            "signature",
            "_empty",
        )
    ),
}
_BY_QUALIFIED = {
    **dict.fromkeys(("datetime.now", "datetime.utcnow", "datetime.today", "date.today"), _CLOCK),
    **dict.fromkeys(("Path.cwd", "Path.home", "PathBase.cwd"), _FOLDER),
    "SystemRandom": _ENTROPY,
    "FileIO": _FILE,
    "get_ident": _MACHINE,
    "get_native_id": _MACHINE,
}
_READERS = {
    _FILE: (
        "open read_text read_bytes readline readlines from_pretrained tree_deserialise_leaves loadmat "
        "load_file safe_open loadtxt genfromtxt fromfile fromregex open_memmap imread load_img "
        "load_svmlight_file load_svmlight_files load_files load_checkpoint restore_checkpoint get_data "
        "read_csv read_parquet read_pickle read_json read_feather read_excel read_hdf read_sql "
        "read_sql_table read_sql_query read_table read_fwf read_orc read_stata read_sas read_spss read_xml "
        "read_html read_clipboard read_ipc read_avro read_ndjson read_database scan_csv scan_parquet "
        "scan_ipc fetchone fetchall fetchmany namelist infolist extractall"
    ),
    _NET: "fetch_openml fetch_california_housing fetch_20newsgroups fetch_lfw_people fetch_olivetti_faces "
    "fetch_covtype fetch_kddcup99 fetch_rcv1 fetch_species_distributions urlopen urlretrieve",
    _FOLDER: "exists is_file is_dir isfile isdir listdir scandir iterdir glob rglob getcwd getsize getmtime "
    "expanduser expandvars realpath abspath",
    _ENVIRONMENT: "environ environb getenv",
    _MACHINE: "cpu_count getpid gethostname device_count local_device_count default_backend get_backend",
    _ENTROPY: "urandom getrandbits token_bytes getnode uuid1 uuid4",
    _CLOCK: "time_ns perf_counter perf_counter_ns monotonic monotonic_ns process_time utcnow",
    "runs another program": "popen check_output",
}
_OF_ATTRIBUTE = {name: why for why, names in _READERS.items() for name in names.split()}
_OF_PATHS = ("stat", "lstat", "resolve", "absolute", "cwd", "home", "glob", "walk", "samefile", "readlink")
_MEANT = {*_OF_ATTRIBUTE, *_NUMPY_FILES}
"""Names that, as text, lead a `getattr` to what reads from outside."""
UNSEEN = ("__hash__", "__eq__", "__repr__", "__str__")
"""Methods in which hashes and addresses change no numbers."""


def _by_object() -> dict[int, str]:
    found: dict[int, Any] = {id(getattr(builtins, name)): why for name, why in _BUILTINS.items()}
    found |= {id(getattr(np, name)): _FILE for name in _NUMPY_FILES} | {id(jnp.load): _FILE}
    found |= dict.fromkeys(map(id, (os.environ, os.getenv, os.environb, sys.argv)), _ENVIRONMENT)
    found |= {id(getattr(jax, name)): _MACHINE for name in _JAX_MACHINE if hasattr(jax, name)}
    found[id(io.open)] = _FILE
    shared = [getattr(random, name) for name in random.__all__ if not isinstance(getattr(random, name), type)]
    shared += [
        getattr(np.random, name)
        for name in np.random.__all__
        if name not in _NUMPY_GENERATORS and callable(getattr(np.random, name))
        and not isinstance(getattr(np.random, name), type)
    ]  # fmt: skip
    return found | {id(item): _CHANCE for item in shared if item is not random.getstate}


_OBJECTS = _by_object()
_SEEDED_IDS = frozenset(map(id, _SEEDED))


def refusal(value: Any, name: str, *, unseeded: bool = False) -> str | None:
    """Why a value of an installed package, or of Python's own, cannot be followed; None where it can.

    Args:
      value: What a name in the user's code leads to.
      name: The last part of that name.
      unseeded: Whether it is called without arguments there, or not called at once.
    """
    known = _of_value(value)
    if known is not None:
        return known
    if unseeded and is_seeded(value):
        return _UNSEEDED
    return None if isinstance(value, types.ModuleType) else attribute_refusal(name)


def value_refusal(value: Any) -> str | None:
    """Why an object that was handed on cannot be followed: there its calls cannot be seen."""
    return _of_value(value) or (_UNSEEDED if is_seeded(value) else None)


def is_seeded(value: Any) -> bool:
    """Whether it makes a generator from the seed that it is given."""
    return id(value) in _SEEDED_IDS


def attribute_refusal(name: str, of: Any = None) -> str | None:
    """Why an attribute of this name, of whatever object, cannot be followed.

    Args:
      name: The name.
      of: The object, where it is known.
    """
    if name in _OF_PATHS and (isinstance(of, pathlib.Path) or of is pathlib.Path):
        return _FOLDER
    return _OF_ATTRIBUTE.get(name)


def leads_outside(texts: Iterable[str]) -> str | None:
    """The first text by which a `getattr` would come to what reads from outside."""
    return next((text for text in sorted(texts) if text in _MEANT), None)


def _of_value(value: Any) -> str | None:
    """Why an object reads from outside, known by itself, its module or its name."""
    known = _OBJECTS.get(id(value))
    if known is not None:
        return known
    if type(value) is dict and len(value) == len(os.environ) and value == dict(os.environ):
        return _ENVIRONMENT
    if isinstance(value, types.ModuleType) or not callable(value) or not installed(value):
        return None
    if isinstance(value, type) and issubclass(value, BaseException):
        return None
    if not isinstance(getattr(value, "__qualname__", None), str):
        return None  # an object that can be called; what it is made of is looked at
    full = qualified_name(value)
    module, _, path = full.partition(":")
    if full in _HARMLESS or (module == "os" and isinstance(value, type)):
        return None
    if path in _BY_QUALIFIED:
        return _BY_QUALIFIED[path]
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if why := _OF_MODULE.get(".".join(parts[:length])):
            return why
    return None if isinstance(value, type) else _OF_ATTRIBUTE.get(path.rpartition(".")[2])
