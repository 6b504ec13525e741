import errno
import json
import multiprocessing
import os
import time

import numpy as np
import pytest

from weightspace.data import cache
from weightspace.data.content import assemble
from weightspace.errors import DataError

ORIGIN = {"test": "numbers"}


def numbers(seed=0):
    x = np.random.default_rng(seed).normal(size=(50, 3)).astype(np.float32)
    return assemble("numbers", (x, np.arange(50) % 4))


class Counted:
    """Makes the set and counts how often."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return numbers()


def test_made_once_then_mapped(own_cache):
    make = Counted()
    first = cache.cached("numbers", ORIGIN, make)
    again = cache.cached("numbers", ORIGIN, make)
    assert make.count == 1
    assert isinstance(again.train.x, np.memmap)
    assert first.digest == again.digest == numbers().digest
    assert np.array_equal(again.train.x, numbers().train.x)
    assert (again.classes, again.full_scale) == (4, None)
    assert cache.name_of(first.digest) == "numbers"


def test_another_origin_with_the_same_content_shares_the_files(own_cache):
    cache.cached("numbers", ORIGIN, numbers)
    cache.cached("copy", {"test": "elsewhere"}, numbers)
    assert len([home for home in own_cache.iterdir() if home.name != "origins"]) == 1


def _truncate(file):
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 1)


def _flip(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def _flip_unseen(file):
    """A flipped bit that leaves size and time of change as they were."""
    before = file.stat()
    _flip(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _spoil_text(file):
    file.write_text(file.read_text().replace('"classes": 4', '"classes": 5'))


DAMAGE = [
    ("train_x.npy", _truncate),
    ("train_x.npy", _flip),
    ("test_x.npy", _flip_unseen),
    ("test_y.npy", _flip),
    ("train_y.npy", lambda file: file.unlink()),
    ("train_y.npy", lambda file: file.write_bytes(b"")),
    ("meta.json", lambda file: file.write_text("{")),
    ("meta.json", _spoil_text),
    ("meta.json", lambda file: file.write_bytes(b"\xff\xfe")),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_damage_is_found_and_the_set_made_anew(own_cache, monkeypatch, name, damage):
    make = Counted()
    digest = cache.cached("numbers", ORIGIN, make).digest
    damage(own_cache / digest / name)
    # As in another process, which has checked nothing yet.
    monkeypatch.setattr(cache, "_checked", {})
    found = cache.cached("numbers", ORIGIN, make)
    assert make.count == 2
    assert np.array_equal(found.train.x, numbers().train.x)
    assert np.array_equal(found.test.y, numbers().test.y)
    assert found.classes == 4
    assert cache.find(digest) is not None
    assert not list(own_cache.glob(".writing-*"))


def test_damage_is_found_in_the_process_that_checked_before(own_cache):
    digest = cache.cached("numbers", ORIGIN, numbers).digest
    _flip(own_cache / digest / "train_x.npy")
    assert cache.find(digest) is None
    assert not (own_cache / digest).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"digest": 3}', '{"digest": "no-such-set"}'])
def test_a_spoilt_pointer_is_written_again(own_cache, text):
    make = Counted()
    digest = cache.cached("numbers", ORIGIN, make).digest
    (pointer,) = (own_cache / "origins").iterdir()
    pointer.write_text(text)
    assert cache.cached("numbers", ORIGIN, make).digest == digest
    assert json.loads(pointer.read_text())["digest"] == digest
    assert make.count == 2


def test_what_a_killed_process_left_goes_after_a_day(own_cache):
    own_cache.mkdir(parents=True)
    old, young = own_cache / ".writing-old", own_cache / ".writing-young"
    old.mkdir()
    young.mkdir()
    day = time.time() - 2 * 24 * 3600
    os.utime(old, (day, day))
    cache.keep("numbers", numbers())
    assert not old.exists()
    assert young.exists()


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept in the cache at .*WEIGHTSPACE_CACHE"):
        cache.keep("numbers", numbers())


def _work(home, barrier, answers):
    os.environ["WEIGHTSPACE_CACHE"] = home
    barrier.wait(60)
    for round_ in range(20):
        found = cache.cached("numbers", {"round": round_}, lambda number=round_: numbers(number))
        answers.put((round_, found.digest, float(found.train.x.sum())))


def test_two_processes_at_once(own_cache):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    home = str(own_cache.parent)
    workers = [context.Process(target=_work, args=(home, barrier, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=60) for _ in range(40)]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    expected = {
        (number, numbers(number).digest, float(numbers(number).train.x.sum())) for number in range(20)
    }
    assert set(found) == expected
    assert len(list(own_cache.iterdir())) == 21
    assert not list(own_cache.glob(".writing-*"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_no_more_file_handles_is_no_damage(own_cache, monkeypatch, number):
    """A sound set must not be removed because this process can open nothing more."""
    kept = cache.keep("numbers", numbers())

    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(cache.np, "load", refused)
        with pytest.raises(DataError, match=r"holds as many files as it may.*ulimit -n"):
            cache.find(kept.digest)
    assert cache.find(kept.digest) is not None
