"""What must be settled before JAX makes its first array: devices, caches, precision, known faults.

Only the command line, workers and the tests call these; a Python user's session keeps its own settings.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import jax

from weightspace import compiler, native
from weightspace.errors import InputError, nearest
from weightspace.remembered import cache_folder as cache_folder


def use_cpu_devices(count: int | None = None) -> None:
    """Split the CPU into devices, one a core by default, so that runs are sharded over them.

    Each run on one core beats one run on all cores. Nothing happens once JAX has started.
    """
    count = count or available_cores()
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", count)


def available_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_compilation_cache() -> None:
    """Keep compiled programs on disk, so that a second start takes a tenth of a second a program."""
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@contextlib.contextmanager
def arithmetic(dtype: str, matmul: str) -> Iterator[None]:
    """Compute in a run's precision: 64-bit types only where it asks for them, products as it says.

    Random numbers are those of every process, whatever its settings (`draws`).
    """
    with draws(), jax.enable_x64(dtype == "float64"), jax.default_matmul_precision(matmul):
        yield


@contextlib.contextmanager
def draws() -> Iterator[None]:
    """Draw the same numbers from the same keys, whatever a session or `JAX_THREEFRY_PARTITIONABLE` says.

    Settings that no context overrides are refused by `check_settings`.
    """
    with jax.threefry_partitionable(True), jax.default_prng_impl("threefry2x32"):
        yield


_USUAL = {
    "jax_random_seed_offset": (0,),
    "jax_high_dynamic_range_gumbel": (False,),
    "jax_explicit_x64_dtypes": ("ERROR", "WARN"),
}
"""Settings that change numbers beyond rounding, with the values under which results are results."""


def check_settings() -> None:
    """Refuse settings of JAX under which a run would have other numbers than its digest stands for.

    Raises:
      InputError: If one is not as it is by default; says how to set it back.
    """
    for name, usual in _USUAL.items():
        found = getattr(jax.config, name, usual[0])
        value = getattr(found, "name", found)
        if value not in usual:
            raise InputError(
                f"JAX's setting {name} is {value}, which changes the numbers of every run and stands in no "
                f"digest; allowed is {' or '.join(map(str, usual))}: leave {name.upper()} unset, or call "
                f"jax.config.update('{name}', …) before the sweep"
            )


def settings() -> dict[str, Any]:
    """How JAX computes in this process, for provenance; starts JAX."""
    return {
        "devices": jax.local_device_count(),
        "double_precision": bool(jax.config.jax_enable_x64),  # pyright: ignore[reportAttributeAccessIssue]
        "matmul_precision": jax.config.jax_default_matmul_precision,  # pyright: ignore[reportAttributeAccessIssue]
        "optimised": not jax.config.read("jax_disable_most_optimizations"),
        "compiler_options": compiler.options(),
        "convolutions": native.convolutions(),
    }


def check_devices() -> None:
    """Start JAX on the devices that `JAX_PLATFORMS` asks for.

    Raises:
      InputError: If there is none of them, or JAX cannot use it; says how to go on.
    """
    try:
        jax.devices()
    # Without a word where no plug-in answers, in several kinds otherwise: nothing but a start can fail here.
    except Exception as error:
        raise InputError(_no_device(_wanted(), error)) from error


def _wanted() -> str:
    """`JAX_PLATFORMS`, as JAX has read it."""
    return str(jax.config.jax_platforms or "")  # pyright: ignore[reportAttributeAccessIssue]


_ACCELERATORS = {"cuda": "cuda", "gpu": "cuda", "rocm": None, "tpu": None, "metal": None}
"""Platforms of JAX that a package of its own drives, with the extra of ours that brings it."""


def _no_device(wanted: str, error: Exception) -> str:
    """The sentence; the reason in JAX's words, where it has any."""
    reason = (str(error).strip().splitlines() or [""])[0]
    first = wanted.partition(",")[0].strip().lower()
    said = f" ({reason})" if reason else ""
    if not first:
        return f"JAX finds no device to compute on{said}; JAX_PLATFORMS=cpu computes on the processor"
    if first not in (*_ACCELERATORS, "cpu"):
        known = ", ".join(("cpu", *_ACCELERATORS))
        guess = nearest(first, ("cpu", *_ACCELERATORS))
        hint = f"; did you mean {guess}?" if guess else "."
        return f"JAX_PLATFORMS is {wanted}, which JAX does not know{hint} Known: {known}{said}"
    extra = _ACCELERATORS.get(first)
    install = f"install its driver's package, pip install 'weightspace[{extra}]', or " if extra else ""
    kind = "CUDA" if extra else first
    return (
        f"JAX_PLATFORMS is {wanted}, but JAX finds no {kind} device here{said}; {install}leave JAX_PLATFORMS "
        "unset to compute on what there is"
    )


def start() -> None:
    """All of the above that the command line wants."""
    compiler.avoid_known_faults()
    use_cpu_devices()
    use_compilation_cache()
    check_devices()
