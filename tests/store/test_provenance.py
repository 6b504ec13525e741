"""Provenance: what is recorded of the circumstances, and what never is."""

import hashlib
import json
import subprocess
from pathlib import Path

import duckdb
import jax
import pytest

from weightspace import compiler
from weightspace.errors import StoreError
from weightspace.store import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git("init", "-q")
    git("config", "user.email", "a@b.c")
    git("config", "user.name", "A")
    (tmp_path / "model.py").write_text("width = 1\n")
    git("add", ".")
    return tmp_path


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def test_no_environment_variable_is_recorded(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2-value")
    monkeypatch.setenv("PYTHONHASHSEED", "424242")
    text = json.dumps(provenance.collect(["weightspace", "run"]))
    for secret in ("SECRET_TOKEN", "hunter2-value", "424242", "PATH="):
        assert secret not in text


def test_what_is_recorded(repository):
    record = provenance.collect(["weightspace", "run", "random_subspace"])
    assert record["command"] == ["weightspace", "run", "random_subspace"]
    assert set(provenance.NUMERICAL) <= set(record["versions"])
    machine = {"python", "platform", "cpus", "cpu", "xla_flags"}
    assert set(record) == {"command", "started", "versions", "git"} | machine


def test_the_processor_is_named_as_the_system_names_it():
    lines = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    assert provenance.cpu_model() or not lines
    if "model name" in lines:
        assert provenance.cpu_model() in lines


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", []),
        ("--xla_a=1 --xla_b", ["--xla_a=1", "--xla_b"]),
        ("--xla_fusion=", ["--xla_fusion="]),
        ("--xla_dump_to=/home/me/x --xla_a=true", ["--xla_dump_to=…", "--xla_a=true"]),
    ],
)
def test_flags_of_the_compiler_are_kept_without_paths(monkeypatch, given, kept):
    monkeypatch.setenv("XLA_FLAGS", given)
    monkeypatch.setattr(compiler, "_ADDED", [])
    assert provenance.collect([])["xla_flags"] == kept


def test_records_of_earlier_versions_are_read(store):
    """As it was written before the processor, the flags and the settings were kept."""
    old = {
        "command": ["weightspace"], "started": "2026-11-01T00:00:00+00:00", "versions": {"jax": "0.10.2"},
        "python": "3.11.7", "platform": "Linux", "cpus": 2, "git": None, "device": "1 × cpu",
    }  # fmt: skip
    assert store.provenance(store.save_provenance(old)) == old


def test_versions_are_those_of_what_is_required_and_installed(monkeypatch):
    required = ["jaxtyping>=0.3,<0.4", "duckdb", "no-such-package>1", 'equinox[x]>=0.13; extra == "equinox"']
    monkeypatch.setattr(provenance.importlib.metadata, "requires", lambda _: required)
    found = provenance.versions()
    assert found["duckdb"] == duckdb.__version__
    assert found["jax"] == jax.__version__
    assert "jaxtyping" in found
    assert "no-such-package" not in found


def test_a_clean_commit_has_an_empty_diff(repository):
    git("commit", "-qm", "first")
    state = provenance.git_state()
    assert state["commit"] == git("rev-parse", "HEAD").strip()
    assert state["diff"] == ""
    assert state["diff_is_whole"]


def test_uncommitted_changes_are_recorded_with_their_digest(repository):
    git("commit", "-qm", "first")
    (repository / "model.py").write_text("width = 2\n")
    state = provenance.git_state()
    diff = git("diff", "HEAD")
    assert "+width = 2" in state["diff"]
    assert state["diff"] == diff
    assert state["diff_sha256"] == hashlib.sha256(diff.encode()).hexdigest()


def test_a_long_diff_is_cut_and_its_digest_covers_all(repository):
    git("commit", "-qm", "first")
    (repository / "model.py").write_text("\n".join(f"line {number}" for number in range(200_000)))
    state = provenance.git_state()
    assert len(state["diff"].encode()) == provenance.LONGEST_DIFF
    assert not state["diff_is_whole"]
    assert state["diff_sha256"] == hashlib.sha256(git("diff", "HEAD").encode()).hexdigest()


def test_a_repository_without_commits_and_no_repository(repository, tmp_path_factory, monkeypatch):
    assert provenance.git_state()["commit"] is None
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    assert provenance.git_state() is None


def test_no_git_at_all(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state() is None


def test_no_program_of_the_repositorys_choosing_is_run(repository):
    git("commit", "-qm", "first")
    (repository / "model.py").write_text("width = 2\n")
    git("config", "diff.external", "touch ran; true")
    git("config", "diff.evil.textconv", "touch ran; cat")
    git("config", "core.fsmonitor", "touch ran; true")
    (repository / ".gitattributes").write_text("*.py diff=evil\n")
    assert "+width = 2" in provenance.git_state()["diff"]
    assert not (repository / "ran").exists()


def test_the_same_record_is_one_file_and_the_end_is_added(store):
    record = {"command": ["a"], "device": "cpu"}
    name = store.save_provenance(record)
    assert store.save_provenance(dict(reversed(record.items()))) == name
    assert store.provenance(name) == record
    store.close_provenance(name, seconds=2.5, exit_status=0)
    assert store.provenance(name) == record | {"seconds": 2.5, "exit_status": 0}
    with pytest.raises(StoreError, match="no readable provenance abc"):
        store.provenance("abc")
