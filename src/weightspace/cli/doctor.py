"""`weightspace doctor`: is arithmetic right on this machine, and is all at hand that experiments need?"""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from weightspace.cli.parse import parse

if TYPE_CHECKING:
    from weightspace.doctor.base import Finding

_MANY = {
    "kernels": "kernels, compiled and not, against NumPy",
    "models": "networks, a step each, compiled and not, against NumPy",
}
"""Parts of which the table has one line."""


def doctor(arguments: Sequence[str]) -> int:
    """The command."""
    return parse(_doctor, arguments, prog="weightspace doctor")


def _doctor(format: Literal["table", "json"] = "table", strict: bool = False) -> int:  # noqa: A002
    """Compare kernels and networks, compiled and not, with NumPy, here; look at versions, memory, folders.

    Ends with status 1 and a line for each trouble, or with status 0 and 'no trouble found'.

    Args:
      format: table or json.
      strict: Take notes for troubles.
    """
    from weightspace import platform

    # No cache of programs: what is compiled now is what is looked at.
    platform.use_cpu_devices()
    from weightspace.doctor import examine

    began = time.perf_counter()
    found = list(_told(examine()) if format == "table" else examine())
    bad = ("note", "trouble") if strict else ("trouble",)
    troubles = [finding for finding in found if finding.state in bad]
    if format == "json":
        print(json.dumps(_as_json(found, troubles, time.perf_counter() - began), indent=2))
    else:
        _print(found, troubles, time.perf_counter() - began)
    return 1 if troubles else 0


def _told(findings: Any) -> Any:
    """Pass findings on, and say on a terminal what is being looked at."""
    from rich.console import Console

    with Console(stderr=True).status("looking …") as status:
        for finding in findings:
            status.update(f"{finding.part}: {finding.name}")
            yield finding


def _as_json(found: "list[Finding]", troubles: "list[Finding]", seconds: float) -> dict[str, Any]:
    import dataclasses

    return {
        "ok": not troubles,
        "troubles": [finding.line for finding in troubles],
        "findings": [dataclasses.asdict(finding) for finding in found],
        "seconds": round(seconds, 3),
    }


def _print(found: "list[Finding]", troubles: "list[Finding]", seconds: float) -> None:
    """What was seen, then a line for each note and each trouble."""
    import pandas as pd
    from rich.console import Console

    from weightspace.cli.output import print_frame

    console = Console()
    rows = [_row(f.part, f.name, f.seen) for f in found if f.state == "right" and f.part not in _MANY]
    for part, what in _MANY.items():
        mine = [f for f in found if f.part == part]
        right = sum(f.state == "right" for f in mine)
        if mine:
            rows.append(
                _row(part, f"{len(mine)} {what}", "all right" if right == len(mine) else f"{right} right")
            )
    if rows:
        print_frame(console, pd.DataFrame(rows), f"this machine and its software, {seconds:,.0f} s")
    for finding in found:
        if finding.state == "note" and finding not in troubles:
            console.print(f"note: {finding.line}", soft_wrap=True, markup=False, highlight=False)
    for finding in troubles:
        console.print(f"trouble: {finding.line}", style="red", soft_wrap=True, markup=False, highlight=False)
    if not troubles:
        console.print("no trouble found")


def _row(part: str, name: str, seen: str) -> dict[str, str]:
    return {"part": part, "looked at": name, "seen": seen}
