"""Tuned: the rows at the value of a label, as a learning rate, that did best on examples set aside."""

import dataclasses

from weightspace.errors import InputError
from weightspace.frames import Frame
from weightspace.tables.base import Given, Table, finished
from weightspace.tables.groups import grouped, labels_in


@dataclasses.dataclass(frozen=True)
class Tuned(Table):
    """Of each arm the rows at one value of a label: that of the best mean over its finished runs.

    All values were trained as one cohort, on the same seeds. A run that diverged counts as the worst of its
    arm, so that a value is not chosen for the few runs that it did not lose. Of equal means that
    with fewer runs lost is taken, then the smaller value. Where an arm has several values and no run that
    tells between them, that is refused: they would be mixed.

    Attributes:
      label: What is chosen, as `lr`.
      by: The metric that it is chosen by, on examples that no result is given of.
      within: Labels of which each set has a choice of its own.
    """

    label: str
    by: str
    within: tuple[str, ...]

    def of(self, given: Given) -> Frame:
        """Those rows, in their order, with all their columns."""
        rows = given.rows
        labels = labels_in(rows, self.within)
        done = finished(rows)
        if self.label not in rows or done.empty:
            return rows
        if self.by not in rows:
            self._check_alone(done, labels)
            return rows
        rising = given.words.rising(self.by)
        arms = grouped(done, labels)[self.by] if labels else done[self.by]
        extreme = "min" if rising else "max"
        worst = arms.transform(extreme) if labels else getattr(arms, extreme)()
        done = done.assign(**{self.by: done[self.by].where(done["status"] == "ok", worst)})
        done = done.assign(_lost=(done["status"] != "ok").astype(int))
        means = grouped(done, [*labels, self.label]).agg({self.by: "mean", "_lost": "sum"}).reset_index()
        means = means.dropna(subset=[self.by]).sort_values(
            [self.by, "_lost", self.label], ascending=[not rising, True, True], kind="stable"
        )
        best = means.drop_duplicates(labels or None) if labels else means.head(1)
        best = best[[*labels, self.label]].rename(columns={self.label: "_chosen"})
        chosen = (
            rows.merge(best, on=labels, how="left")
            if labels
            else rows.assign(_chosen=best["_chosen"].iloc[0] if len(best) else None)
        )
        unknown = chosen["_chosen"].isna() & (chosen["status"] == "ok")
        self._check_alone(rows[unknown.to_numpy()], labels)
        kept = chosen["_chosen"].isna() | (chosen["_chosen"] == chosen[self.label])
        return rows[kept.to_numpy()]

    def _check_alone(self, done: Frame, labels: list[str]) -> None:
        """Raise where there would be a choice, and nothing to choose by.

        Raises:
          InputError: If an arm has several values of the label.
        """
        if done.empty:
            return
        several = grouped(done, labels)[self.label].nunique().max() if labels else done[self.label].nunique()
        if several > 1:
            raise InputError(
                f"of several {self.label} one is to be chosen by {self.by}, which its runs have not; set "
                "examples aside for validation"
            )
