"""Arguments of runs, rows and watches: each of its kind, or a sentence that guesses what was meant.

The kinds are those of plug-ins, which are loaded when the first run is made.
"""

import functools
import importlib
import numbers
from collections.abc import Callable, Mapping
from typing import Any

from weightspace.errors import InputError, unknown

_ORDER = "the order is Run(model, task, space, recipe, seeds)"
_HOMES = {
    "model": ("weightspace.models.base", "Model"),
    "task": ("weightspace.data.task", "Task"),
    "space": ("weightspace.spaces.base", "Space"),
    "recipe": ("weightspace.recipes.base", "Recipe"),
    "seeds": ("weightspace.streams", "Seeds"),
    "precision": ("weightspace.precision", "Precision"),
}
"""The fields of a run and where their kinds are defined."""
_PARTS = {
    "data": ("weightspace.data.examples", "Examples"),
    "loss": ("weightspace.recipes.losses", "Loss"),
    "optimiser": ("weightspace.recipes.optimisers", "Optimiser"),
    "basis": ("weightspace.spaces.bases.base", "Basis"),
    "edit": ("weightspace.edits.base", "Edit"),
    "probe": ("weightspace.probes.base", "Probe"),
}
"""Parts that are easily given in the place of the whole."""


@functools.cache
def kind_of(name: str) -> type:
    """The class that a field of a run, or a part of one, must be of."""
    module, attribute = (_HOMES | _PARTS)[name]
    return getattr(importlib.import_module(module), attribute)


def check_run(run: Any) -> None:
    """Raise `InputError` unless each field of a run is of its kind."""
    for name in _HOMES:
        value = getattr(run, name)
        if not isinstance(value, kind_of(name)):
            raise InputError(f"Run.{name} is {said(value)}; {_meant(name, value)}")
    for edit in run.edits if isinstance(run.edits, tuple) else (run.edits,):
        if not isinstance(edit, kind_of("edit")) or not isinstance(run.edits, tuple):
            raise InputError(f"Run.edits is {said(run.edits)}; give a tuple of edits, (edit,) for one")


def said(value: Any) -> str:
    """A value and its type, in few words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = f"{value!r}" if isinstance(value, str | bool | numbers.Number | None) else ""
    return f"{text} of type {type(value).__name__}" if text else f"of type {type(value).__name__}"


def _meant(name: str, value: Any) -> str:
    """What to give, in the light of what was given."""
    if isinstance(value, type) and issubclass(value, kind_of(name)):
        return f"give one of it: {value.__name__}(…)"
    for other in _HOMES:
        if other != name and isinstance(value, kind_of(other)):
            return f"it is a {type(value).__name__}, as {other} is; {_ORDER}"
    return _ADVICE[name](value)


def _model(value: Any) -> str:
    for library, maker in (
        ("flax.nnx", "from_nnx"),
        ("flax.linen", "from_linen"),
        ("equinox", "from_equinox"),
    ):
        if any(base.__module__.startswith(library) for base in _bases(value)):
            name = value.__name__ if isinstance(value, type) else type(value).__name__
            return f"give the class, not a module: ws.{maker}({name})"
    if isinstance(value, str):
        return f"weightspace.models.zoo.make({value!r}, data.shape, data.outputs) makes a network of the zoo"
    return "give a model: ws.from_nnx, from_linen, from_equinox, from_torch or from_function make one"


def _bases(value: Any) -> tuple[type, ...]:
    # Flax renames the modules of its parts, but not that of its base classes.
    found = (value if isinstance(value, type) else type(value)).__mro__
    return tuple(found)


def _task(value: Any) -> str:
    if isinstance(value, kind_of("data")):
        return "a task is data and a loss: give ws.Task(data, ws.CrossEntropy())"
    if isinstance(value, kind_of("loss")):
        return "a task is data and a loss: give ws.Task(data, loss)"
    return "give ws.Task(data, loss)"


def _space(value: Any) -> str:
    if isinstance(value, kind_of("basis")):
        return "give the space of that basis: ws.Affine(basis)"
    if isinstance(value, int):
        return f"give ws.Affine(ws.Gaussian({value})) for a random subspace, or ws.Full()"
    return "give a space, such as ws.Full()"


def _recipe(value: Any) -> str:
    if isinstance(value, kind_of("optimiser")):
        return 'give its length and batch too: ws.Recipe(optimiser, "1ep", batch=64)'
    if isinstance(value, numbers.Real):
        return f'if that is a learning rate, give ws.Recipe(ws.Adam({value}), "1ep", batch=64)'
    return 'give ws.Recipe(ws.Adam(0.001), "1ep", batch=64)'


def _seeds(value: Any) -> str:
    if isinstance(value, list | tuple | range | set):
        return "a run has one seed; make a run for each: [ws.Run(…, ws.Seeds(s)) for s in …]"
    return f"give ws.Seeds({value})" if isinstance(value, numbers.Integral) else "give ws.Seeds(0)"


def _precision(value: Any) -> str:
    return f"give ws.Precision({value!r})" if isinstance(value, str) else 'give ws.Precision("float32")'


_ADVICE: Mapping[str, Callable[[Any], str]] = {
    "model": _model, "task": _task, "space": _space, "recipe": _recipe, "seeds": _seeds,
    "precision": _precision,
}  # fmt: skip


def check_labels(labels: Any, node: Any, kind: type) -> None:
    """Raise `InputError` unless a row has labels and a node, in this order."""
    if isinstance(labels, kind):
        swapped = "the other way round: " if isinstance(node, Mapping) else ""
        raise InputError(
            f"Row.labels is of type {type(labels).__name__}; give {swapped}ws.Row({{'width': 4}}, run), "
            "with {} where there are no labels"
        )
    if not isinstance(labels, Mapping):
        raise InputError(f"Row.labels is {said(labels)}; give a dict of names and values, {{}} for none")
    for name in labels:
        if not isinstance(name, str):
            raise InputError(f"a name in Row.labels is {said(name)}; names of labels are text: '{name}'")
    if not isinstance(node, kind):
        raise InputError(f"Row.node is {said(node)}; give a Run or a derived value")


def watched_steps(steps: Any) -> str | tuple[int, ...]:
    """A cadence, or steps as a tuple.

    Raises:
      InputError: If it is neither, or a step is negative or no whole number.
    """
    if isinstance(steps, str):
        return steps
    if isinstance(steps, numbers.Integral) and not isinstance(steps, bool):
        raise InputError(
            f"Watch.steps is {steps}; give '{steps}it' for every {steps} steps, or ({steps},) for one"
        )
    try:
        found = tuple(steps)
    except TypeError:
        raise InputError(f"Watch.steps is {said(steps)}; give '1ep', '50it' or a tuple of steps") from None
    for step in found:
        if isinstance(step, bool) or not isinstance(step, numbers.Integral):
            raise InputError(
                f"a step of Watch.steps is {said(step)}; steps are whole numbers, counted from 0"
            )
        if step < 0:
            raise InputError(
                f"a step of Watch.steps is {step}; steps are counted from 0, and the end is always read"
            )
    return tuple(int(step) for step in found)


def watched_probes(probes: Any) -> tuple[Any, ...]:
    """Probes as a tuple.

    Raises:
      InputError: If one is none.
    """
    kind = kind_of("probe")
    if isinstance(probes, kind | type | str):
        raise InputError(f"Watch.probes is {said(probes)}; give a tuple: ({_probe_text(probes)},)")
    try:
        found = tuple(probes)
    except TypeError:
        raise InputError(
            f"Watch.probes is {said(probes)}; give a tuple, such as (ws.Evaluation(),)"
        ) from None
    for probe in found:
        if not isinstance(probe, kind):
            raise InputError(f"a probe of Watch.probes is {said(probe)}; give {_probe_text(probe)}")
    return found


EVALUATION = "evaluation"
"""What a watch records where nothing is said."""


def left_out(names: Any) -> tuple[str, ...]:
    """The names of what a watch records by itself and shall not; one alone counts as a tuple of it.

    Raises:
      InputError: For a name of nothing that is recorded by itself.
    """
    found = (names,) if isinstance(names, str) else names
    if not isinstance(found, tuple | list) or not all(isinstance(name, str) for name in found):
        raise InputError(f"Watch.without is {said(names)}; give a tuple of names: ('{EVALUATION}',)")
    for name in found:
        if name != EVALUATION:
            raise unknown("name in Watch.without", name, (EVALUATION,))
    return tuple(found)


def _probe_text(given: Any) -> str:
    if isinstance(given, type):
        return f"{given.__name__}()"
    if isinstance(given, str):
        return f"weightspace.probes.make_probe({given!r})"
    return (
        f"{type(given).__name__}(…)"
        if isinstance(given, kind_of("probe"))
        else "a probe, such as ws.Evaluation()"
    )
