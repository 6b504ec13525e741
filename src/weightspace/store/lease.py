"""Leases: of all processes that share a folder, one at a time works in it.

The holder of the highest numbered file `lease.<n>` holds the lease. Who finds it released or stale creates
`lease.<n+1>` exclusively, which succeeds for one contender only; numbers never fall, so that nobody can take
over, by an old look at the folder, what has been taken over already. A thread of the holder renews the
file's time; without a renewal for a minute, or at once if its process has died on this machine, it is stale.
This works on file systems without locks.
"""

import contextlib
import dataclasses
import json
import os
import platform
import threading
import time
from pathlib import Path
from typing import Any

from weightspace.errors import StoreError
from weightspace.store.write import sentences

STALE = 60.0
"""Seconds without renewal after which a lease may be taken over."""
BEAT = 5.0
"""Seconds between renewals."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
      host: The machine.
      pid: The process on it.
      since: When the lease was taken, seconds since 1970.
      beat: When it was last renewed.
    """

    host: str
    pid: int
    since: float
    beat: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lease:
    """The right to work in a folder; also a context manager, which raises if it is taken.

    Args:
      folder: The folder; it is made if need be.
      every: Seconds between renewals.
      stale: Seconds without renewal after which it may be taken over.
    """

    def __init__(self, folder: Path, *, every: float = BEAT, stale: float = STALE):
        self.folder = folder
        self._every = every
        self._stale = stale
        self._number = -1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the lease unless somebody else has it.

        Raises:
          StoreError: If the folder cannot be written to.
        """
        with sentences(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            number = self._newest()
            if number >= 0 and self._holder(number) is not None:
                return False
            if not self._create(number + 1):
                return False
        # A slow contender may have created a number that others have used and cleared away.
        if self._newest() != number + 1:
            self._path(number + 1).unlink(missing_ok=True)
            return False
        self._number = number + 1
        self._clear_older()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, args=(self._stop,), name="lease", daemon=True)
        self._thread.start()
        return True

    def release(self) -> None:
        """Let others have it at once; nothing happens if it is not held."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        with contextlib.suppress(OSError):
            os.utime(self._path(self._number), (0, 0))
        self._number = -1

    @property
    def held(self) -> bool:
        """Whether this object holds the lease: taken, not lost to another process in the meantime."""
        return self._number >= 0 and self._newest() == self._number

    def held_by(self) -> Holder | None:
        """Who holds the lease now, this process included; None if it is free or stale."""
        number = self._newest()
        return None if number < 0 else self._holder(number)

    def __enter__(self) -> "Lease":
        if not self.acquire():
            raise StoreError(f"{self.folder} is being worked on by {self.held_by()}; wait for it or stop it")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _path(self, number: int) -> Path:
        return self.folder / f"lease.{number}"

    def _newest(self) -> int:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return -1
        numbers = [name.removeprefix("lease.") for name in names if name.startswith("lease.")]
        return max((int(number) for number in numbers if number.isdecimal()), default=-1)

    def _create(self, number: int) -> bool:
        try:
            descriptor = os.open(self._path(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump({**_here(), "since": time.time()}, file)
        except OSError:
            self._path(number).unlink()  # on a full disk: without a name in it, it would seem to be held
            raise
        return True

    def _holder(self, number: int) -> Holder | None:
        try:
            beat = self._path(number).stat().st_mtime
            text = self._path(number).read_text()
        except FileNotFoundError:
            return None
        if time.time() - beat > self._stale:
            return None
        try:
            entry = json.loads(text)
        except ValueError:
            entry = {}  # created this instant, not yet written
        if _has_died(entry):
            return None
        return Holder(entry.get("host", "?"), entry.get("pid", 0), entry.get("since", beat), beat)

    def _clear_older(self) -> None:
        for path in self.folder.glob("lease.*"):
            number = path.name.removeprefix("lease.")
            if number.isdecimal() and int(number) < self._number:
                path.unlink(missing_ok=True)

    def _renew(self, stop: threading.Event) -> None:
        path = self._path(self._number)
        while not stop.wait(self._every):
            try:
                os.utime(path)
            except FileNotFoundError:
                return  # finished and removed, or taken over
            except OSError:
                continue  # a network file system may be away for a moment


def _here() -> dict[str, Any]:
    return {"host": platform.node(), "pid": os.getpid(), "namespace": _namespace()}


def _namespace() -> str:
    """What a process number means: containers on one machine number their processes separately."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def _has_died(entry: dict[str, Any]) -> bool:
    here = _here()
    if any(entry.get(name) != here[name] for name in ("host", "namespace")) or os.name != "posix":
        return False
    try:
        os.kill(entry["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
