"""What a plain Python session on this machine gets, in which JAX starts before this package can help it."""

import os
import subprocess
import sys

from weightspace import compiler
from weightspace.doctor.base import Finding

PART, NAME = "session", "plain Python"
PROGRAM = "from weightspace import compiler; print(compiler.wrong_rows())"
PATIENCE = 50.0
"""Seconds."""


class Session:
    """Another Python without the flags that this process was given by us; it works beside this one."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        if compiler.known_wrong():
            environment = os.environ | {"XLA_FLAGS": " ".join(compiler.users_flags())}
            # This very package, wherever it was imported from.
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], env=environment, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def finding(self) -> Finding:
        """What it saw: a note where it is wrong, as trainings and this process are right all the same."""
        if self.process is None:
            return Finding(PART, NAME, "right", "compiles as this process does")
        try:
            said, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return Finding(PART, NAME, "note", f"gave no answer within {PATIENCE:.0f} s")
        if not said.strip().isdigit():
            return Finding(PART, NAME, "note", f"ended with status {self.process.returncode} and no answer")
        if not int(said):
            return Finding(PART, NAME, "right", "a test of many rows is right there too")
        seen = (
            f"if JAX starts before weightspace, {int(said):,} of {compiler.ROWS:,} rows of a product are "
            f"wrong there ({compiler.ISSUE}); trainings are compiled without the fault there too"
        )
        return Finding(PART, NAME, "note", seen, f"for your own programs set XLA_FLAGS={compiler.SETTING}")
