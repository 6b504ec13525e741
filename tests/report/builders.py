"""A store for pages: a question with a reference, runs that failed, and names that are markup."""

from tests.figures.builders import fill, full, line, plain_lines, random_experiment

EVIL = "<script>alert('&')</script>"
PROVENANCE = {
    "command": ["weightspace", "run", EVIL], "started": "2024-05-06T07:08:09Z", "python": "3.12.1",
    "versions": {"weightspace": "0.1.0", "jax": "0.9.9", "pandas": "2.2.0"}, "device": "2 × cpu",
    "platform": "Linux", "git": {"commit": "abc123", "diff": "x"},
}  # fmt: skip


def filled(store):
    """The store with two questions of random subspaces, one of an evil model, and a plain run."""
    provenance = store.save_provenance(PROVENANCE)
    store.close_provenance(provenance, seconds=12.5, exit_status=0)
    lines = [
        full(0, 0.9),
        full(1, 0.96),
        line(4, 0, 0.2),
        line(4, 1, 0.4),
        line(16, 0, 0.6),
        line(16, 1, 0.7),
    ]
    lines += [line(16, 2, None, status="failed", error=EVIL), line(4, 2, None, status="waiting")]
    fill(store, random_experiment(), lines, provenance=provenance)
    fill(store, random_experiment(model=EVIL), plain_lines(seeds=(0,)), "evil", salt=1)
    digest = next(iter(store.records()))
    store.ask("runs", [({"seed": 0, "model": "fc", "note": EVIL}, digest)], {})
    return store
