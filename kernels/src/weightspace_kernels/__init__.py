"""Convolutions for weightspace on x86-64 processors, as targets of XLA's foreign calls.

`targets()` gives them where the processor has what they are built for: AVX-512, or AVX2 with FMA.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any

VERSION = 1
"""Of the numbers: raised with every change of an order of sums or of an algorithm."""
ROLES = ("outputs", "inputs", "kernel")
"""The derivatives of the form Σ g · (x ∗ k), by the argument that each is taken by."""
NEEDS = {
    "avx512": {"avx512f", "avx512vl", "avx512dq", "avx512bw", "fma"},
    "avx2": {"avx2", "fma"},
}
"""By library, what a processor must know; the first that fits is taken."""


@functools.cache
def processor() -> str | None:
    """The library for this processor, or None where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    flags = next((set(line.split()) for line in text.splitlines() if line.startswith("flags")), set())
    here = Path(__file__).parent
    return next(
        (name for name, all_of in NEEDS.items() if all_of <= flags and (here / f"{name}.so").exists()), None
    )


@functools.cache
def targets() -> dict[str, Any]:
    """Capsules of the three derivatives by role; none where the processor has no library."""
    import jax

    name = processor()
    if name is None:
        return {}
    library = ctypes.CDLL(str(Path(__file__).parent / f"{name}.so"))
    return {role: jax.ffi.pycapsule(getattr(library, f"weightspace_{role}")) for role in ROLES}
