"""What can be asked of a sweep: an experiment, or a list of runs or of rows, which is a question too."""

from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pandas as pd

from weightspace.errors import InputError
from weightspace.node import Node
from weightspace.run import Row, Run


@runtime_checkable
class Question(Protocol):
    """What a sweep knows of an experiment."""

    @property
    def name(self) -> str:
        """Under which its rows are stored."""
        ...

    def ask(self) -> Generator[list[Row], pd.DataFrame, None]:
        """Rows to be answered; each `yield` gives the table of all rows asked so far."""
        ...

    def fields(self) -> dict[str, Any]:
        """What was asked, as JSON values."""
        ...


if TYPE_CHECKING:
    Asked = Question | Iterable[Run | Row]
    Folder = str | Path
else:
    # What is not of these types is answered in a sentence, also where types are checked at run time.
    Asked = Folder = Any


class Rows:
    """Runs or rows without an experiment: the question called `runs`."""

    name = "runs"

    def __init__(self, asked: Iterable[Any]):
        self.rows = [_row(place, each) for place, each in enumerate(asked)]

    def ask(self) -> Generator[list[Row], pd.DataFrame, None]:
        """All of them at once."""
        yield self.rows

    def fields(self) -> dict[str, Any]:
        """Nothing but the rows."""
        return {}


def _row(place: int, given: Any) -> Row:
    if isinstance(given, Row):
        return given
    if isinstance(given, Run):
        return Row({"seed": given.seeds.base}, given)
    hint = (
        "wrap it as ws.Row({...}, node)"
        if isinstance(given, Node)
        else "give runs, or rows of labels and runs"
    )
    raise InputError(f"item {place} of what is asked is of type {type(given).__name__}; {hint}")


def as_question(asked: Any) -> Question:
    """What is asked, as a question.

    Raises:
      InputError: If it is neither an experiment nor a list of runs or rows; says what was probably meant.
    """
    if isinstance(asked, type):
        raise InputError(
            f"sweep was given the class {asked.__name__}; give an experiment: {asked.__name__}(…)"
        )
    if isinstance(asked, Run | Row | Node):
        raise InputError(f"sweep was given a single {type(asked).__name__}; give a list: ws.sweep([…], out)")
    if isinstance(asked, Question):
        return asked
    if isinstance(asked, str | bytes | Mapping | pd.DataFrame) or not isinstance(asked, Iterable):
        raise InputError(
            f"sweep was given {asked!r:.80} of type {type(asked).__name__}; give an experiment, or a list of "
            "runs or of rows"
        )
    return Rows(asked)


def check_folder(out: Any) -> Path:
    """The folder of results.

    Raises:
      InputError: If it is no path.
    """
    if not isinstance(out, str | Path):
        raise InputError(
            f"out is {out!r:.80} of type {type(out).__name__}; give a folder for the results, as in 'out'"
        )
    return Path(out)


def check_asked(name: str, rows: list[Row]) -> None:
    """Raise `InputError` if a question asks for nothing."""
    if not rows:
        raise InputError(f"{name} asks for no runs; give each list that is swept at least one value")
