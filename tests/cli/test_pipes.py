"""`weightspace … | head`: a reader that has gone ends a command quietly, with the status of a broken pipe."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from weightspace.store.base import Store

SOURCE = Path(__file__).parents[2] / "src"


def status(arguments, *, unbuffered=False):
    """Of a command whose reader has gone before it writes, and what it says of it."""
    read, write = os.pipe()
    os.close(read)
    environment = os.environ | {"PYTHONPATH": str(SOURCE)} | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {})
    environment |= {} if unbuffered else {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        [sys.executable, "-m", "weightspace", *map(str, arguments)],
        stdout=write, stderr=subprocess.PIPE, text=True, env=environment, check=False,
    )  # fmt: skip
    os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [(["--help"], False), (["--help"], True), (["list", "models"], False), (["run", "--help"], True)],
    ids=["help", "help at once", "list", "help of a command"],
)
def test_a_reader_that_has_gone_ends_it_quietly(arguments, unbuffered):
    assert status(arguments, unbuffered=unbuffered) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("form", ["table", "csv"])
def test_so_does_a_table_of_results(form, tmp_path):
    store = Store(tmp_path / "out")
    store.ask("freedom.full", [({"seed": 0}, "a" * 32)], {})
    assert status(["results", store.root, "--format", form]) == (128 + signal.SIGPIPE, "")


def test_a_sentence_of_what_was_wrong_keeps_its_status():
    code, said = status(["lits"])
    assert code == 2
    assert "did you mean 'list'?" in said
