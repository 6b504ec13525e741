"""Provenance: the circumstances under which numbers were made, apart from what they are.

Command, versions, the commit and uncommitted changes of the current folder's repository, the machine in
words; never environment variables, but for the compiler's flags that one of them holds. A record is named by
a digest of its content; how the command ended is kept beside it.
"""

import contextlib
import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weightspace import compiler
from weightspace.digests import DIGEST_LENGTH
from weightspace.errors import StoreError
from weightspace.store.write import write_json

LONGEST_DIFF = 2**20
"""Bytes kept of the text of uncommitted changes; the digest covers all of it."""
NUMERICAL = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "ml_dtypes")
"""What numbers come from, recorded even where this package is used without being installed."""
_PATIENCE = 30.0


def collect(command: Sequence[str]) -> dict[str, Any]:
    """What can be known before the work starts; the caller adds the device and how JAX computes on it.

    Args:
      command: The words of the command line.
    """
    return {
        "command": list(command),
        # To the millisecond, so that two processes on one folder have records of their own.
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "cpu": cpu_model(),
        "xla_flags": xla_flags(),
        "git": git_state(),
    }


def cpu_model() -> str | None:
    """The processor's name, where the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "cpu model"):
                return value.strip()
    return platform.processor() or None


def xla_flags() -> list[str]:
    """The compiler's flags; paths among them say nothing about numbers and are left out."""
    flags = [flag.partition("=") for flag in compiler.flags()]
    return [f"{name}{equals}{'…' if '/' in value else value}" for name, equals, value in flags]


def versions() -> dict[str, str]:
    """The versions of this package and of those it stands on, extras included, where they are installed."""
    found: dict[str, str] = {}
    for name in ("weightspace", *NUMERICAL, *_requirements()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _requirements() -> list[str]:
    try:
        required = importlib.metadata.requires("weightspace") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [match[0] for text in required if (match := re.match(r"[\w.-]+", text))]


def git_state() -> dict[str, Any] | None:
    """Commit, and digest and text of the uncommitted changes, of the current folder's repository, if any."""
    inside = _git("rev-parse", "--is-inside-work-tree")
    if inside is None or inside[1].strip() != "true":
        return None
    commit = _git("rev-parse", "--verify", "HEAD")
    # Neither external diff programs nor text converters that a repository may have configured are run.
    diff = _git("diff", "--no-ext-diff", "--no-textconv", "--no-color", *(["HEAD"] if commit else []))
    digest, text, whole = diff if diff is not None else (None, None, False)
    return {
        "commit": commit[1].strip() if commit else None,
        "diff_sha256": digest,
        "diff": text,
        "diff_is_whole": whole,
    }


def _git(*arguments: str) -> tuple[str, str, bool] | None:
    """Digest, the first of the text, and whether this is all of it; None if the command fails."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                timeout=_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode:
            return None
        output.seek(0)
        digest = hashlib.file_digest(output, "sha256").hexdigest()
        size = output.tell()
        output.seek(0)
        text = output.read(LONGEST_DIFF).decode(errors="replace")
    return digest, text, size <= LONGEST_DIFF


def save(folder: Path, record: Mapping[str, Any]) -> str:
    """Write a record unless it is there; returns its id."""
    text = json.dumps(record, sort_keys=True, allow_nan=False)
    name = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
    if not (folder / f"{name}.json").exists():
        write_json(folder / f"{name}.json", record)
    return name


def close(folder: Path, name: str, seconds: float, exit_status: int) -> None:
    """Write how a command ended."""
    write_json(folder / f"{name}.end.json", {"seconds": seconds, "exit_status": exit_status})


def load(folder: Path, name: str) -> dict[str, Any]:
    """A record, with `seconds` and `exit_status` if the command has ended.

    Raises:
      StoreError: If there is none of that id, or it cannot be read.
    """
    if not re.fullmatch(r"[0-9a-f]{1,64}", name):
        raise StoreError(
            f"{name!r} is no id of provenance; ids are hexadecimal"
        )  # nor a path out of the folder
    try:
        begin = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        end = folder / f"{name}.end.json"
        return begin | (json.loads(end.read_text(encoding="utf-8")) if end.exists() else {})
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{folder} has no readable provenance {name}: {error}") from error
