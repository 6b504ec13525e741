"""Columns beside a row: of the values derived from it, and of two columns of its own."""

import dataclasses

from weightspace.frames import Frame
from weightspace.tables.base import Given, Table
from weightspace.tables.groups import beside, once


@dataclasses.dataclass(frozen=True)
class Parts(Table):
    """The rows of one value of the label `part`, with the columns of the other parts of the same labels.

    Attributes:
      whole: Whose rows are kept.
      parts: Whose columns are added; the digest of each is kept as `run_<part>`.
      same: Labels in which they agree; those that the rows lack are passed over.
    """

    whole: str
    parts: tuple[str, ...]
    same: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """One row a training; where rows have no parts, they are as they were.

        Raises:
          InputError: If a part has two rows of the same labels.
        """
        rows = given.rows
        if "part" not in rows:
            return rows
        found = rows[rows["part"] == self.whole].dropna(axis=1, how="all")
        for part in self.parts:
            mine = rows[rows["part"] == part].dropna(axis=1, how="all")
            if len(mine):
                keys = [name for name in self.same if name in mine and name in found]
                new = [name for name in mine if name not in found]
                named = once(mine[[*keys, "run", *new]], keys).rename(columns={"run": f"run_{part}"})
                found = beside(found, named, keys, f"the columns of the part '{part}'")
        return found


@dataclasses.dataclass(frozen=True)
class Gap(Table):
    """The rows with the distance of two columns, |a - b|, as another; as they were where they lack one."""

    name: str
    a: str
    b: str

    def of(self, given: Given) -> Frame:
        """The rows, a column more."""
        rows = given.rows
        if not {self.a, self.b} <= set(rows):
            return rows
        return rows.assign(**{self.name: (rows[self.a] - rows[self.b]).abs()})
