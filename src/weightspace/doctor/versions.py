"""Versions: those known to be bad, those that were not tried, and the fusion that gives wrong rows."""

import importlib.metadata
from collections.abc import Iterator
from typing import NamedTuple

from weightspace import compiler
from weightspace.doctor.base import Finding

PART = "versions"


class Bad(NamedTuple):
    """A version that is known to be bad.

    Attributes:
      package: Its package.
      version: The version.
      what: What it does.
      advice: What to install.
      hangs: Whether programs may not come to an end, so that nothing can be tried.
    """

    package: str
    version: str
    what: str
    advice: str
    hangs: bool = False


KNOWN_BAD = (
    Bad("jax", "0.11.1", "loops on a CPU may never end", "install jax 0.11.2 or newer", hangs=True),
    Bad(
        "jaxlib", "0.11.0", "sums of products of arrays of 7 or more axes end the process (jax issue 39257)",
        "install jaxlib 0.11.2 or newer",
    ),
)  # fmt: skip


def known_bad() -> list[Bad]:
    """Those that are installed."""
    return [bad for bad in KNOWN_BAD if installed(bad.package) == bad.version]


def installed(package: str) -> str | None:
    """The version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def findings() -> Iterator[Finding]:
    """What is installed, against what is known."""
    for bad in known_bad():
        yield Finding(PART, f"{bad.package} {bad.version}", "trouble", bad.what, bad.advice)
    yield fusion()
    yield from _untried()


def fusion() -> Finding:
    """Whether this process is compiled with a fusion that is known to be wrong."""
    name = f"jaxlib {compiler.jaxlib_version()}"
    if not compiler.known_wrong():
        return Finding(PART, name, "right", "not known to give wrong rows")
    given, wrong = compiler.chosen(), compiler.wrong_rows()
    if not wrong:
        return Finding(PART, name, "right", "its fusion that gives wrong rows is off in this process")
    why = (
        f"XLA_FLAGS has {compiler.FLAG}={given}"
        if given
        else "JAX had started before it could be switched off"
    )
    seen = f"{wrong:,} of {compiler.ROWS:,} rows of a product wrong, as {why} ({compiler.ISSUE})"
    return Finding(
        PART, name, "trouble", seen, f"start with XLA_FLAGS={compiler.SETTING}, or install jax 0.12"
    )


def _untried() -> Iterator[Finding]:
    """Packages outside of the versions that the package asks for."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return
    asked = 0
    for text in importlib.metadata.requires("weightspace") or [] if installed("weightspace") else []:
        requirement = Requirement(text)
        version = installed(requirement.name)
        if version is None or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        asked += 1
        if not requirement.specifier.contains(version, prereleases=True):
            seen = f"weightspace was not tried with it, only with {requirement.specifier}"
            yield Finding(
                PART, f"{requirement.name} {version}", "note", seen, "see the constraints of this version"
            )
    yield Finding(PART, "requirements", "right", f"{asked} packages looked at")
