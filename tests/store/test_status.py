"""Status: every run asked is counted once, as what it is now."""

import pytest

from weightspace.errors import StoreError
from weightspace.store.status import COLUMNS, status

from .builders import cohort, digest, row, write


def counts(store, experiment="e"):
    table = status(store.root).set_index("experiment")
    entry = table.loc[experiment].to_dict()
    assert entry.pop("runs") == sum(entry.values())
    return {name: count for name, count in entry.items() if count}


def test_by_status(store):
    for number, ended in enumerate(("ok", "ok", "diverged", "failed", "blocked")):
        write(store, f"c{number}", number, status=ended)
    store.ask("e", [({"dim": number}, digest(number)) for number in range(6)], {})
    store.ask("f", [({"x": number}, digest(0)) for number in range(3)], {})
    assert counts(store) == {"ok": 2, "diverged": 1, "failed": 1, "blocked": 1, "waiting": 1}
    assert counts(store, "f") == {"ok": 1}
    assert tuple(status(store.root).columns) == COLUMNS


def test_running_is_what_a_living_process_works_on(store):
    store.ask("e", [({"dim": number}, digest(number)) for number in range(4)], {})
    assert counts(store) == {"waiting": 4}
    work = store.work("c")
    work.write_manifest({"digests": [digest(0), digest(1), digest(2)]})
    assert counts(store) == {"waiting": 4}
    with work.lease():
        assert counts(store) == {"running": 3, "waiting": 1}
        work.append_rows(0, *cohort(0))
        work.append_rows(1, [row(1, status="diverged", outputs=())], {}, {})
        assert counts(store) == {"ok": 1, "diverged": 1, "running": 1, "waiting": 1}
    assert counts(store) == {"ok": 1, "diverged": 1, "waiting": 2}
    write(store, "c", 0, 1, 2)
    work.finish()
    assert counts(store) == {"ok": 3, "waiting": 1}


def test_nothing_asked_and_no_store(store, tmp_path):
    assert status(store.root).empty
    with pytest.raises(StoreError, match="not a results folder"):
        status(tmp_path / "nowhere")
