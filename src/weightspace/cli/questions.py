"""The tables of a folder, a question each: what `weightspace results` prints and writes."""

from typing import TYPE_CHECKING, Any, Literal

from weightspace.errors import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from weightspace.experiments.answered import Answered
    from weightspace.store.base import Store

Spread = Literal["sd", "se"]
Tables = list[tuple[str, Any]]
RUNS, SUMMARY, HISTORY = "runs", "summary", "history"


def tables_of(store: "Store", experiment: str | None, name: str, known: Any) -> Tables:
    """A table of each question, with its title, empty where there is one question alone.

    Args:
      store: The store.
      experiment: Only the questions of this experiment.
      name: runs, summary, history, or the name of an answer.
      known: Experiments beside those of this package.

    Raises:
      InputError: If no question has such a table.
    """
    from weightspace.experiments.answered import answered

    parts = answered(store, experiment, experiments=known)
    there = {RUNS, SUMMARY, HISTORY, *(key for part in parts for key in part.names)}
    if name not in there:
        raise unknown("table", name, there)
    found = [(_title(part), _one(part, name)) for part in parts]
    tables = [(title, frame) for title, frame in found if frame is not None]
    return tables if len(tables) > 1 else [("", frame) for _, frame in tables]


def _title(part: "Answered") -> str:
    settings = (f"{key} {value}" for key, value in part.settings.items())
    on = " on ".join(filter(None, (part.model, part.data)))
    return ", ".join(filter(None, (part.name, on, *settings)))


def _one(part: "Answered", name: str) -> "pd.DataFrame | None":
    """A question's table, in which columns that are the question's own come first where it lacks them."""
    import pandas as pd

    if name == RUNS:
        return part.table
    if name == HISTORY:
        from weightspace.store.read import history

        rows = history(part.store, part.name)
        return rows[rows["run"].isin(set(part.table["run"]))].reset_index(drop=True)
    frame = part.summary if name == SUMMARY else part.answer(name)
    if frame is None:
        return None
    whose = {"experiment": part.name, "model": part.model, "data": part.data, **part.settings}
    own = {key: value for key, value in whose.items() if key not in frame}
    return pd.DataFrame([own] * len(frame), index=frame.index).join(frame)


def all_runs(store: "Store", experiment: str | None) -> "pd.DataFrame":
    """The runs of all questions, a column for each setting that tells two apart; nothing else is read."""
    from weightspace.store.read import results

    found = results(store, experiment)
    place = {each: i for i, each in enumerate(dict.fromkeys(found["experiment"]))}
    return found.sort_values("experiment", key=lambda names: names.map(place), kind="stable")


def joined(tables: Tables) -> "pd.DataFrame":
    """The tables of all questions, one below the other."""
    import pandas as pd

    frames = [frame for _, frame in tables]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def with_errors(tables: Tables, name: str) -> Tables:
    """Tables with standard errors `<metric>_se` = sd/√n in the place of the deviations of their means.

    Raises:
      InputError: If no table has such means.
    """
    found = [(title, _with_errors(frame)) for title, frame in tables]
    if tables and all(list(new) == list(old) for (_, new), (_, old) in zip(found, tables, strict=True)):
        raise InputError(
            f"--spread se changes means and their deviations, but the table '{name}' has none; "
            "take --table summary"
        )
    return found


def _with_errors(frame: "pd.DataFrame") -> "pd.DataFrame":
    for name in [str(name) for name in frame if str(name).endswith("_sd")]:
        metric = name.removesuffix("_sd")
        n = frame.get(f"{metric}_n", frame.get("n"))
        if n is not None and metric in frame:
            place = list(frame).index(name)
            errors = frame[name] / n**0.5
            frame = frame.drop(columns=name)
            frame.insert(place, f"{metric}_se", errors)
    return frame
