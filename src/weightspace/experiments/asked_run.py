"""The run behind a digest, made again by the experiment that asked for it.

A folder keeps what a run was as text. Where the run itself is needed, its space and its data among others,
the experiment's own settings make it again, and only a run of the very digest is taken. Nothing that the
folder names is run: its networks and data sets must be of this package, or named by the reader as well.
"""

from collections.abc import Collection, Iterable

from weightspace import data
from weightspace.errors import DataError, InputError
from weightspace.experiments import names
from weightspace.experiments.base import Experiment
from weightspace.experiments.restore import restored
from weightspace.models import zoo
from weightspace.named import looking
from weightspace.node import ancestors
from weightspace.run import Run
from weightspace.store.asked import Question
from weightspace.store.base import Store
from weightspace.store.read import answers


def run_of(
    store: Store, digest: str, known: Iterable[type[Experiment]] = (), named: Collection[str] = ()
) -> Run:
    """The run of a digest.

    Args:
      store: The store, whose questions are asked again until one has the run among its rows.
      digest: The run's.
      known: Experiments beside those of this package, which the reader knows and trusts.
      named: Networks and data sets of the reader's own that may be run, as the run was asked with them.

    Raises:
      InputError: If it was asked for in Python, or what it names has changed since.
    """
    given = {cls.name: cls for cls in known}
    trusted = {part for name in named for part in (name, ":".join(name.split(":")[:2]))}
    for question in store.questions():
        if question.experiment not in given and question.experiment not in names():
            continue
        with looking((*zoo.names(), *data.names(), *trusted)):
            experiment = restored(question.experiment, question.fields, given)
            try:
                found = _in(store, question, experiment, digest)
            except (InputError, DataError):
                continue  # what one question names is not run, gone, or another; the run may be of the next
        if found is not None:
            return found
    raise InputError(
        f"no experiment that this command knows makes {digest[:12]} again: it was asked for in Python, on "
        "data or with a network of your own, or what it names has changed; name them, as in --model "
        "package.module:Net --data FOLDER, or the module of the experiment, --experiments package.module; in "
        "Python give the run itself, ws.load(OUT, run, at=…)"
    )


def _in(store: Store, question: Question, experiment: Experiment, digest: str) -> Run | None:
    """The run among what an experiment asks, which is answered by the store."""
    asking = experiment.ask()
    try:
        rows = next(asking)
        while True:
            for node in ancestors([row.node for row in rows]).values():
                if node.digest == digest and isinstance(node, Run):
                    return node
            told = [(row.labels, row.node.digest) for row in rows]
            rows = asking.send(answers(store, question.experiment, told))  # pyright: ignore[reportAttributeAccessIssue]
    except StopIteration:
        return None
