"""The command: what it says where all is well, where a kernel is planted, and where the real fault is on."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import psutil
import pytest

from weightspace import cli, compiler
from weightspace.doctor import kernels, machine, models, session, versions
from weightspace.doctor.base import Finding

ROWS = "40,009 rows of 3 times 3 × 2, then a sum of squares, float32"
FEW = (ROWS, "a cumulated sum", "products that wrap")


@pytest.fixture
def few(monkeypatch, tmp_path):
    """A few kernels and the smallest network; the rest is looked at in files of its own."""
    every = kernels.cases
    monkeypatch.setattr(kernels, "cases", lambda: (case for case in every() if case.name in FEW))
    monkeypatch.setattr(models, "SMALL", {"mlp2": models.SMALL["mlp2"]})
    monkeypatch.setattr(session, "PROGRAM", "print(0)")
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path))
    monkeypatch.delenv("WEIGHTSPACE_DATA", raising=False)


def test_all_is_well(few, capsys):
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "no trouble found"
    assert re.search(r"kernels +3 kernels, compiled and not, against NumPy +all right", said)
    assert re.search(r"models +1 networks.* all right", said)
    for name in ("memory", "cores", "devices", "data", "cache", "arrays on disk", "jaxlib", "plain Python"):
        assert name in said
    assert "trouble:" not in said


def test_json_is_whole(few, capsys):
    assert cli.main(["doctor", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["troubles"]) == (True, [])
    assert said["seconds"] > 0
    parts = {finding["part"] for finding in said["findings"]}
    assert parts == {"versions", "machine", "kernels", "models", "session"}
    assert all(set(finding) == {"part", "name", "state", "seen", "advice"} for finding in said["findings"])


def test_a_planted_kernel_ends_in_status_1_and_one_line(few, capsys, monkeypatch):
    """Wrong where it is compiled, and there in one entry alone."""
    right = jnp.cumsum

    def planted(x):
        found = right(x)
        return found.at[7].add(1) if isinstance(x, jax.core.Tracer) else found

    monkeypatch.setattr(jnp, "cumsum", planted)
    assert cli.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("trouble: ")]
    assert line.startswith(
        "trouble: kernels: a cumulated sum: compiled 1 of 40,009 entries wrong, the first at [7]"
    )
    assert "uncompiled right" in line
    assert "no trouble found" not in lines


def test_what_cannot_be_computed_is_trouble_too(few, capsys, monkeypatch):
    def broken(x):
        raise RuntimeError("the device is gone\nlonger story")

    monkeypatch.setattr(jnp, "cumsum", broken)
    assert cli.main(["doctor", "--format", "json"]) == 1
    (line,) = json.loads(capsys.readouterr().out)["troubles"]
    assert line.startswith(
        "kernels: a cumulated sum: cannot be computed: RuntimeError: the device is gone; do not trust"
    )


def test_notes_are_troubles_where_one_is_strict(few, capsys, monkeypatch):
    monkeypatch.setattr(
        machine, "findings", lambda: iter([Finding("machine", "fan", "note", "is loud", "oil it")])
    )
    assert cli.main(["doctor"]) == 0
    assert "note: machine: fan: is loud; oil it" in capsys.readouterr().out.splitlines()
    assert cli.main(["doctor", "--strict"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "trouble: machine: fan: is loud; oil it" in lines
    assert not any(line.startswith("note:") for line in lines)


@pytest.mark.skipif(not compiler.known_wrong(), reason="this jaxlib is right")
def test_the_real_fault_is_caught_where_the_fusion_is_on():
    """The user's own flags have it on, and so does a session in which JAX started first."""
    program = (
        "import sys, jax\n"
        "if sys.argv[1:]: jax.numpy.ones(1)\n"
        "from weightspace import cli\n"
        "from weightspace.doctor import kernels, machine, models\n"
        f"every = kernels.cases\n"
        f"kernels.cases = lambda: (case for case in every() if case.name in {FEW!r})\n"
        "models.SMALL = {}\n"
        "sys.exit(cli.main(['doctor']))"
    )
    clean = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    clean["PYTHONPATH"] = str(Path(compiler.__file__).parent.parent)
    for flags, first in ((f"{compiler.FLAG}=reduce", []), ("", ["first"])):
        done = subprocess.run(
            [sys.executable, "-c", program, *first], env=clean | {"XLA_FLAGS": flags},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("trouble: ")]
        assert len(lines) == 2
        assert lines[0].startswith(
            f"trouble: versions: jaxlib {compiler.jaxlib_version()}: 7,232 of 40,000 rows"
        )
        assert f"XLA_FLAGS={compiler.SETTING}" in lines[0]
        assert lines[1].startswith(f"trouble: kernels: {ROWS}: compiled ")
        assert "uncompiled right" in lines[1]


class TestSession:
    """What a plain Python would get."""

    def finding(self, monkeypatch, program, known=True):
        monkeypatch.setattr(compiler, "known_wrong", lambda: known)
        monkeypatch.setattr(session, "PROGRAM", program)
        return session.Session().finding()

    def test_wrong_rows_there_are_a_note(self, monkeypatch):
        finding = self.finding(monkeypatch, "print(7232)")
        assert finding.state == "note"
        assert "7,232 of 40,000 rows" in finding.seen
        assert finding.advice == f"for your own programs set XLA_FLAGS={compiler.SETTING}"

    def test_it_is_given_the_users_flags_alone(self, monkeypatch):
        monkeypatch.setattr(compiler, "_ADDED", ["--added"])
        monkeypatch.setenv("XLA_FLAGS", "--a=1 --added --b=2")
        code = "import os; print(0 if os.environ['XLA_FLAGS'] == '--a=1 --b=2' else 1)"
        assert self.finding(monkeypatch, code).state == "right"

    def test_no_answer_is_a_note(self, monkeypatch):
        finding = self.finding(monkeypatch, "import sys; sys.exit(3)")
        assert (finding.state, finding.seen) == ("note", "ended with status 3 and no answer")
        monkeypatch.setattr(session, "PATIENCE", 0.2)
        assert "no answer within" in self.finding(monkeypatch, "import time; time.sleep(9)").seen

    def test_right_versions_need_no_second_python(self, monkeypatch):
        assert self.finding(monkeypatch, "raise SystemExit(1)", known=False).state == "right"


class TestVersions:
    def test_a_version_that_hangs_is_told_before_anything_is_tried(self, monkeypatch, capsys):
        monkeypatch.setattr(versions, "installed", lambda package: "0.11.1" if package == "jax" else None)
        monkeypatch.setattr(machine, "findings", lambda: pytest.fail("nothing is to be tried"))
        assert cli.main(["doctor"]) == 1
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trouble:")]
        assert line == (
            "trouble: versions: jax 0.11.1: loops on a CPU may never end; install jax 0.11.2 or newer"
        )

    def test_a_version_that_was_not_tried_is_a_note(self, monkeypatch):
        installed = versions.installed
        monkeypatch.setattr(
            versions, "installed", lambda name: "99.0" if name == "duckdb" else installed(name)
        )
        notes = [finding for finding in versions.findings() if finding.state == "note"]
        assert [finding.name for finding in notes] == ["duckdb 99.0"]
        assert notes[0].seen.startswith("weightspace was not tried with it, only with <")

    def test_what_is_installed_here_was_tried(self):
        assert {finding.state for finding in versions.findings()} == {"right"}


class TestMachine:
    def named(self, name):
        return {finding.name: finding for finding in machine.findings()}[name]

    def test_little_memory(self, monkeypatch):
        little = psutil.virtual_memory()._replace(available=10**8)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
        assert self.named("memory").line.startswith("machine: memory: 0.1 of ")
        assert self.named("memory").state == "trouble"

    def test_data(self, monkeypatch, tmp_path):
        monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path / "gone"))
        assert self.named("data").state == "trouble"
        assert "which is no folder" in self.named("data").seen
        (tmp_path / "mnist").mkdir()
        (tmp_path / "mnist" / "train.parquet").write_bytes(b"")
        monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
        assert self.named("data").seen == f"{tmp_path}: digits, mnist, cosine"

    def test_a_cache_that_cannot_be_written_to(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path / "file" / "cache"))
        finding = self.named("cache")
        assert finding.state == "trouble"
        assert "cannot be written to" in finding.seen
        assert "WEIGHTSPACE_CACHE" in finding.advice

    def test_arrays_that_come_back_otherwise(self, monkeypatch):
        """As safetensors 0.8.0 writes arrays that do not lie in C order: the bytes as they lie in memory."""
        assert self.named("arrays on disk").state == "right"
        right = machine.write_arrays

        def scrambled(path, arrays, kind):
            return right(
                path, ((name, array.ravel("K").reshape(array.shape)) for name, array in arrays), kind
            )

        monkeypatch.setattr(machine, "write_arrays", scrambled)
        finding = self.named("arrays on disk")
        assert finding.state == "trouble"
        assert "transposed" in finding.seen
        assert "safetensors" in finding.advice


def test_help_is_quick_and_loads_no_compiler():
    code = (
        "import sys\nfrom weightspace.cli import main\n"
        "try:\n    main(['doctor', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'weightspace.doctor' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(compiler.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert "--strict" in done.stdout
