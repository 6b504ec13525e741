"""What compilers are known to get wrong, and how the process at hand keeps clear of it.

On a CPU jaxlib 0.10.2 gives wrong rows, without a word, for a small product over many rows that is followed
by a reduction (jax issue 39103); without its fusion of several operations into one library call the rows are
right. That fusion is switched off before JAX starts, where the process is ours; library calls of single
convolutions, which are right and a quarter faster, stay. Training programs are compiled so whatever the
process was started with. Where JAX has started with the fusion, a program of known result tells whether other
programs are to be trusted. A value that the user gave in `XLA_FLAGS` is kept.
"""

import functools
import importlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

OPTION = "xla_cpu_experimental_ynn_fusion_type"
FLAG = f"--{OPTION}"
KEPT = "individual_convolution"
"""What may stay on: calls of the library for one operation each; nothing is fused with a reduction."""
SETTING = f"{FLAG}={KEPT}"
_ENUM = {"": "", KEPT: "LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"}
"""As `XLA_FLAGS` and as `compiler_options` have it."""
HARMLESS = tuple(_ENUM)
"""Values that give right rows; `dot`, `reduce` and `eltwise`, alone or with others, give wrong ones."""
ISSUE = "https://github.com/jax-ml/jax/issues/39103"
WRONG_FUSION = ("0.10.2",)
"""Versions of jaxlib whose fusion gives wrong rows; 0.10.1, 0.11.0, 0.11.2 and 0.12 were right when tried."""
ROWS = 40_000
"""Rows of the witness: from row 32,768 on they were wrong, though not for every number of rows."""

_ADDED: list[str] = []


class CompilerWarning(UserWarning):
    """Programs of this process may give wrong numbers."""


def jaxlib_version() -> str:
    """Of the compiler that JAX loads."""
    return importlib.import_module("jaxlib.version").__version__


def known_wrong() -> bool:
    """Whether the installed jaxlib is one whose fusion gives wrong rows on a CPU."""
    return jaxlib_version() in WRONG_FUSION


def chosen() -> str | None:
    """The value that `XLA_FLAGS` gives the fusion: empty is off, None where it is not named."""
    values = [flag.partition("=")[2] for flag in flags() if flag.partition("=")[0] == FLAG]
    return values[-1] if values else None


def flags() -> list[str]:
    """The flags in force: those of `XLA_FLAGS`, and what was added to them when JAX started."""
    given = _given()
    return [*given, *(flag for flag in _ADDED if flag not in given)]


def _given() -> list[str]:
    return os.environ.get("XLA_FLAGS", "").split()


def started() -> bool:
    """Whether JAX has started its backends, after which flags come too late; this does not start them."""
    if "jax" not in sys.modules:
        return False
    import jax

    count = jax.config.jax_num_cpu_devices  # pyright: ignore[reportAttributeAccessIssue]
    try:
        # JAX tells in no other public way: this setting may change until it has started.
        jax.config.update("jax_num_cpu_devices", count + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", count)
    return False


def avoid_known_faults() -> bool:
    """Switch the fusion off if it is wrong and JAX has not started; gives whether it is off or harmless.

    Only with versions that are known to be wrong: a flag that a compiler does not know ends the process.
    Processes that are started from this one have it off too.
    """
    if not known_wrong():
        return True
    if chosen() is None and not started():
        _ADDED.append(SETTING)
        os.environ["XLA_FLAGS"] = " ".join(flags())
    return chosen() in HARMLESS


def users_flags() -> list[str]:
    """The flags that the user gave: those of `XLA_FLAGS` but for what was added here."""
    return [flag for flag in _given() if flag not in _ADDED]


def options() -> dict[str, Any]:
    """What `jax.jit` takes as `compiler_options`, so that a program is right in any process; starts JAX."""
    import jax

    value = KEPT if chosen() is None else chosen()
    if jax.default_backend() != "cpu" or not known_wrong() or value not in _ENUM:
        return {}
    # XLA_FLAGS and `compiler_options` spell the same value differently.
    return {OPTION: _ENUM[value]}


def jit(function: Callable[..., Any]) -> Any:
    """`jax.jit` with these options; starts JAX."""
    import jax

    return jax.jit(function, compiler_options=options() or None)


def wrong_rows() -> int:
    """How many of the witness's rows a program that is compiled now gets wrong: none, if all is well.

    Row i is ‖x_i‖² of whole numbers, as the sum of squares of a product with the identity: exact in float32.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    i = np.arange(ROWS)
    x = np.stack([i % 97, i % 3, i % 5], 1)
    program = jax.jit(jax.vmap(lambda w, row: jnp.sum(jnp.square(w @ row)), (None, 0)))
    found = program(np.eye(3, dtype=np.float32), x.astype(np.float32))
    return int(np.count_nonzero(np.asarray(found) != (x**2).sum(1)))


def guard() -> None:
    """Before programs are made in anyone's process: switch the fusion off, or warn that it is too late."""
    if not known_wrong():
        return
    before = os.environ.get("XLA_FLAGS")
    try:
        avoid_known_faults()
        _check_once()
    finally:
        # JAX has read it; other libraries that read it too may not know the flag, and would end the process.
        if before is None:
            os.environ.pop("XLA_FLAGS", None)
        else:
            os.environ["XLA_FLAGS"] = before


@functools.cache
def _check_once() -> None:
    import jax

    if jax.default_backend() == "cpu" and (wrong := wrong_rows()):
        given = chosen()
        why = (
            f"XLA_FLAGS has {FLAG}={given}, which weightspace's own programs are compiled with too"
            if given is not None
            else "JAX had started before weightspace could switch the fault off; weightspace's trainings are "
            "compiled without it, what you compile yourself is not"
        )
        warnings.warn(
            f"jaxlib {jaxlib_version()} gives wrong numbers in this process ({wrong:,} of {ROWS:,} rows of a "
            f"test, {ISSUE}): {why}. Set XLA_FLAGS={SETTING} before Python starts, or use jax 0.12 with "
            "Python 3.12 or newer",
            CompilerWarning,
            stacklevel=4,
        )
