"""The doctor: is arithmetic right on this machine, and is all at hand that experiments need?

Kernels on awkward shapes and a training step of every network are compiled, carried out operation by
operation, and computed by NumPy in float64; the three must agree. Beside them: versions that are known to be
bad, memory, cores, devices, folders, and what a plain Python session would get. Programs are compiled anew,
past the cache.
"""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from weightspace import platform
from weightspace.doctor import kernels, machine, models, versions
from weightspace.doctor.base import Finding
from weightspace.doctor.session import Session


def examine() -> Iterator[Finding]:
    """Look at everything; findings come as they are made."""
    hanging = [bad for bad in versions.known_bad() if bad.hangs]
    if hanging:
        for bad in hanging:
            yield Finding("versions", f"{bad.package} {bad.version}", "trouble", bad.what, bad.advice)
        return  # what is tried might never end
    session = Session()
    yield from versions.findings()
    yield from machine.findings()
    # Compiling is most of the time, and lets other threads work.
    with ThreadPoolExecutor(platform.available_cores()) as pool:
        yield from pool.map(lambda one: one(), _computations())
    yield session.finding()


def _computations() -> Iterator[Callable[[], Finding]]:
    """The longest first, so that no core waits for the last one."""
    for name, (described, shape) in reversed(models.SMALL.items()):
        yield functools.partial(_safely, "models", name, functools.partial(models.examined, described, shape))
    for case in kernels.cases():
        yield functools.partial(_safely, "kernels", case.name, functools.partial(kernels.examined, case))


def _safely(part: str, name: str, examined: Callable[[], Finding]) -> Finding:
    """A finding of its own for what cannot even be carried out."""
    try:
        return examined()
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        return Finding(
            part, name, "trouble", f"cannot be computed: {type(error).__name__}: {first}", kernels.ADVICE
        )
