"""Leases: one holder at a time, and a dead one's lease is free."""

import json
import os
import time

import pytest

from weightspace.errors import StoreError
from weightspace.store import lease as module
from weightspace.store.lease import Lease

from .builders import process

CONTEND = """
import sys, time
from pathlib import Path
from weightspace.store.lease import Lease
folder, go = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
lease = Lease(folder)
print("won" if lease.acquire() else "lost", flush=True)
sys.stdin.read()
"""


def pretend(folder, **changes):
    """Make the newest lease that of another holder."""
    path = max(folder.glob("lease.*"), key=lambda path: int(path.suffix[1:]))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_one_of_several_processes_wins_and_its_death_frees_the_lease(tmp_path):
    folder, go = tmp_path / "work", tmp_path / "go"
    contenders = [process(CONTEND, folder, go) for _ in range(3)]
    try:
        for contender in contenders:
            assert contender.stdout.readline() == "ready\n"
        go.touch()
        answers = [contender.stdout.readline().strip() for contender in contenders]
        assert sorted(answers) == ["lost", "lost", "won"]
        winner = contenders[answers.index("won")]
        mine = Lease(folder)
        assert mine.held_by().pid == winner.pid
        assert not mine.acquire()
        winner.kill()
        winner.wait()
        assert mine.held_by() is None
        assert mine.acquire()
        assert mine.held_by().pid == os.getpid()
        mine.release()
    finally:
        for contender in contenders:
            contender.kill()
            contender.communicate()


def test_released_is_free_at_once(tmp_path):
    first, second = Lease(tmp_path), Lease(tmp_path)
    assert first.acquire()
    assert first.held
    assert not second.acquire()
    first.release()
    assert not first.held
    assert second.held_by() is None
    assert second.acquire()
    second.release()
    second.release()


def test_the_context_manager_says_who_has_it(tmp_path):
    with Lease(tmp_path) as lease:
        assert lease.held
        with pytest.raises(StoreError, match=rf"being worked on by process {os.getpid()} on "):
            Lease(tmp_path).__enter__()
    assert lease.held_by() is None


def test_another_machines_lease_is_stale_after_a_minute(tmp_path):
    Lease(tmp_path, every=100).acquire()
    path = pretend(tmp_path, host="elsewhere", pid=1)
    assert str(Lease(tmp_path).held_by()) == "process 1 on elsewhere"
    assert not Lease(tmp_path).acquire()
    old = time.time() - module.STALE - 1
    os.utime(path, (old, old))
    assert Lease(tmp_path).held_by() is None
    taken = Lease(tmp_path)
    assert taken.acquire()
    taken.release()


def test_a_dead_process_counts_only_on_its_own_machine_and_container(tmp_path):
    Lease(tmp_path, every=100).acquire()
    dead = process("pass")
    dead.communicate()
    for changes in ({"host": "elsewhere"}, {"namespace": "pid:[1]"}):
        path = pretend(tmp_path, pid=dead.pid, **changes)
        assert Lease(tmp_path).held_by().pid == dead.pid
    assert path.exists()
    pretend(tmp_path, **module._here() | {"pid": dead.pid})
    assert Lease(tmp_path).held_by() is None


def test_the_heartbeat_keeps_it_alive(tmp_path):
    lease = Lease(tmp_path, every=0.02, stale=0.5)
    assert lease.acquire()
    other = Lease(tmp_path, stale=0.5)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        assert not other.acquire()
        time.sleep(0.05)
    lease.release()


def test_a_holder_learns_that_it_was_overtaken(tmp_path):
    sleeper = Lease(tmp_path, every=100)
    assert sleeper.acquire()
    path = pretend(tmp_path)
    os.utime(path, (1, 1))
    other = Lease(tmp_path)
    assert other.acquire()
    assert not sleeper.held
    sleeper.release()
    assert other.held
    assert Lease(tmp_path).held_by() is not None
    other.release()


def test_a_slow_contender_cannot_take_a_number_that_was_used_up(tmp_path, monkeypatch):
    """It looked when lease 0 was free; meanwhile 1 came and went, 2 is held and the older are gone."""
    first, second, third = Lease(tmp_path), Lease(tmp_path), Lease(tmp_path)
    for lease in (first, second):
        assert lease.acquire()
        lease.release()
    assert third.acquire()
    slow, look = Lease(tmp_path), Lease._newest
    answers = [0]
    monkeypatch.setattr(slow, "_newest", lambda: answers.pop() if answers else look(slow))
    monkeypatch.setattr(slow, "_holder", lambda _: None)
    assert not slow.acquire()
    assert third.held
    assert [path.name for path in tmp_path.iterdir()] == ["lease.2"]
    third.release()


def test_of_two_who_saw_it_free_only_the_first_has_it(tmp_path, monkeypatch):
    first, second, look = Lease(tmp_path), Lease(tmp_path), Lease._newest
    assert first.acquire()
    answers = [-1]
    monkeypatch.setattr(second, "_newest", lambda: answers.pop() if answers else look(second))
    assert not second.acquire()
    assert first.held
    assert not second.held
    first.release()


def test_a_lease_just_created_and_not_yet_written_is_held(tmp_path):
    (tmp_path / "lease.0").touch()
    assert Lease(tmp_path).held_by().host == "?"
    assert not Lease(tmp_path).acquire()


def test_the_folder_may_go_while_the_lease_is_held(tmp_path):
    folder = tmp_path / "work"
    lease = Lease(folder, every=0.01)
    with lease:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        time.sleep(0.05)
        assert not lease.held
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        Lease(tmp_path / "file" / "work").acquire()
