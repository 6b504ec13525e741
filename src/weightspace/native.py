"""The extra `weightspace-kernels`: convolutions written for the processor, used where it is installed.

Without it everything is computed by XLA: the same mathematics, other rounding. Which of the two computed a
result stands in its provenance. `WEIGHTSPACE_KERNELS=off`, before Python starts, leaves the extra unused.
"""

import contextlib
import functools
import importlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

import jax

SWITCH = "WEIGHTSPACE_KERNELS"
KNOWN = 1
"""The version of the kernels whose calls are known here."""

_suspended: ContextVar[bool] = ContextVar("kernels suspended", default=False)


@functools.cache
def _found() -> str | None:
    """Register the kernels with JAX; gives their name, or None where there are none."""
    if os.environ.get(SWITCH, "") == "off":
        return None
    try:
        kernels = importlib.import_module("weightspace_kernels")
    except ImportError:
        return None
    targets = kernels.targets() if kernels.VERSION == KNOWN else {}
    for role, capsule in targets.items():
        jax.ffi.register_ffi_target(target(role), capsule, platform="cpu")
    return f"weightspace-kernels {kernels.VERSION}, {kernels.processor()}" if targets else None


def target(role: str) -> str:
    """The name under which JAX calls the derivative by an argument."""
    return f"weightspace_{role}_{KNOWN}"


def usable() -> bool:
    """Whether programs that are lowered now call the kernels."""
    return not _suspended.get() and _found() is not None


def convolutions() -> str:
    """What computes convolutions in float32 on a CPU: the kernels with version and processor, or XLA."""
    return _found() or "xla"


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Lower programs without the kernels, whose operations XLA cannot count.

    Only programs that are made within: JAX keeps what it lowered, so that a function lowered here is without
    them afterwards too.
    """
    token = _suspended.set(True)
    try:
        yield
    finally:
        _suspended.reset(token)
