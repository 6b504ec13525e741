"""Minutes of a preset from the store of a finished run, into the table that `weightspace list` shows.

weightspace run NAME --preset PRESET --out OUT
python -m benchmarks.minutes OUT
"""

from pathlib import Path

import tyro

from weightspace.experiments import minutes
from weightspace.store.base import Store

TABLE = Path(minutes.__file__).with_name(minutes.HOME)


def main(out: tyro.conf.Positional[Path], to: Path = TABLE) -> None:
    """Write the lines, and print them.

    Args:
      out: Folder of results, of one preset.
      to: The table.
    """
    found = minutes.of_store(Store(out, create=False))
    minutes.write(found, to)
    for line in found:
        print(f"{line.experiment} {line.preset}: {line.note}")


if __name__ == "__main__":
    tyro.cli(main)
