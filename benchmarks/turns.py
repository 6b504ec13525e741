"""Processes that hold their compiled programs and take turns (A B A B) while the others wait.

Each sees the same machine at the same time, so that ratios hold where seconds do not.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Process:
    """A Python process that says what it is, then answers each line of JSON with one.

    Args:
      command: The interpreter and what it runs.
      environment: All variables that it sees.
      folder: Where it runs.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None):
        self._process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.about = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self, question: Any) -> Any:
        """Its answer."""
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._answer()

    def end(self) -> None:
        """Let it go."""
        self._process.communicate()


def in_turn(processes: Mapping[str, Process], question: Any, rounds: int) -> dict[str, list[Any]]:
    """The answers of each process to one question, asked of all of them again and again."""
    answers: dict[str, list[Any]] = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            answers[name].append(process.ask(question))
    return answers
