"""The machine: memory, cores, devices, folders, and whether arrays come back from the disk as they were."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import psutil

from weightspace import platform
from weightspace.data import describe, names
from weightspace.doctor.base import Finding
from weightspace.store.arrays import Tensors, write_arrays

PART = "machine"
LEAST_MEMORY, LEAST_DISK = 0.5e9, 0.5e9
"""Bytes; less than this is too little for the smallest experiments of the README."""


def findings() -> Iterator[Finding]:
    """All that is no arithmetic."""
    yield _memory()
    yield _cores()
    yield from _devices()
    yield _data()
    yield _cache()
    yield _arrays_on_disk()


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    seen = f"{memory.available / 1e9:,.1f} of {memory.total / 1e9:,.1f} GB free"
    if memory.available < LEAST_MEMORY:
        return Finding(PART, "memory", "trouble", seen, "end other programs, or use a larger machine")
    return Finding(PART, "memory", "right", seen)


def _cores() -> Finding:
    mine, all_of_them = platform.available_cores(), os.cpu_count() or 1
    limited = f" of {all_of_them}" if mine < all_of_them else ""
    return Finding(PART, "cores", "right", f"{mine}{limited} for this process")


def _devices() -> Iterator[Finding]:
    devices = jax.local_devices()
    seen = f"{len(devices)} × {devices[0].device_kind}"
    unseen = jax.default_backend() == "cpu" and shutil.which("nvidia-smi") is not None
    if unseen:
        advice = "for a GPU that is at hand, install weightspace[cuda]"
        yield Finding(PART, "devices", "note", f"{seen}, though this machine has nvidia-smi", advice)
    else:
        yield Finding(PART, "devices", "right", seen)
    # Whole numbers, whose products are exact in float32.
    a = np.random.default_rng(0).integers(-9, 10, (37, 41)).astype(np.float32)
    wrong = [str(device) for device in devices if not _right_product(a, device)]
    if wrong:
        seen = f"a product of whole numbers is wrong on {', '.join(wrong)}"
        yield Finding(PART, "each device", "trouble", seen, "leave it out, or have it looked after")
    else:
        yield Finding(PART, "each device", "right", "the same product on each of them")


def _right_product(a: np.ndarray, device: Any) -> bool:
    with platform.arithmetic("float32", "highest"):
        here = jax.device_put(a, device)
        return np.array_equal(np.asarray(here @ here.T), a @ a.T)


def _data() -> Finding:
    given = os.environ.get("WEIGHTSPACE_DATA")
    if not given:
        return Finding(PART, "data", "right", "WEIGHTSPACE_DATA is not set; digits are always at hand")
    advice = "let WEIGHTSPACE_DATA name a folder with a folder for each set (mnist, cifar10)"
    if not Path(given).is_dir():
        return Finding(PART, "data", "trouble", f"WEIGHTSPACE_DATA is {given}, which is no folder", advice)
    found = [name for name in names() if describe(name)["on_disk"]]
    return Finding(PART, "data", "right", f"{given}: {', '.join(found)}")


def _cache() -> Finding:
    folder = platform.cache_folder()
    advice = "let WEIGHTSPACE_CACHE name a folder that can be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"weightspace")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(PART, "cache", "trouble", f"{folder} cannot be written to: {error.strerror}", advice)
    seen = f"{folder}, {free / 1e9:,.1f} GB free"
    if free < LEAST_DISK:
        return Finding(PART, "cache", "trouble", seen, f"make room, or {advice}")
    return Finding(PART, "cache", "right", seen)


def _arrays_on_disk() -> Finding:
    """Through the store's own file: safetensors 0.8.0 scrambles arrays that do not lie in C order."""
    line = np.arange(210, dtype=np.float32)
    awkward = {
        "transposed": line.reshape(14, 15).T,
        "strided": line[::3],
        "backwards": line.reshape(14, 15)[::-1, ::2],
        "bfloat16": line.astype(ml_dtypes.bfloat16).reshape(14, 15).T,
        "masks": (line % 3 == 0).reshape(14, 15).T,
        "one number": np.array(7.0),
        "no number": np.zeros((0, 3), np.float32),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "arrays.safetensors")
        write_arrays(file, ((f"d/o/{name}", array) for name, array in awkward.items()), "arrays")
        back = {name: np.array(array) for name, array in Tensors(file, "arrays").items()}
    wrong = [name for name, array in awkward.items() if not _same(back[f"d/o/{name}"], array)]
    if wrong:
        seen = f"arrays come back otherwise than they were written: {', '.join(wrong)}"
        return Finding(PART, "arrays on disk", "trouble", seen, "install another version of safetensors")
    return Finding(PART, "arrays on disk", "right", f"{len(awkward)} awkward ones come back as they were")


def _same(back: np.ndarray, array: np.ndarray) -> bool:
    return back.dtype == array.dtype and back.shape == array.shape and np.array_equal(back, array)
