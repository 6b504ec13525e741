"""The sets known by name, and any other image set of the Hugging Face hub.

Looked up first at `WEIGHTSPACE_DATA/<name>`, in any layout that a user's folder may have; then among what was
decoded from the hub before; then on the hub, through the `datasets` library.
"""

import os
import socket
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from weightspace.data import cache, limits
from weightspace.data.base import Loaded, Source
from weightspace.data.sources.catalogue import CARDS
from weightspace.data.sources.folder import cached_folder
from weightspace.data.sources.layout import states, tell_unused, walk
from weightspace.data.sources.splits import TEST_NAMES, Columns
from weightspace.errors import DataError
from weightspace.spec import spec, static

VARIABLE = "WEIGHTSPACE_DATA"


def local_folder(name: str) -> Path | None:
    """`WEIGHTSPACE_DATA/<name>`, if there is such a folder with anything in it."""
    base = os.environ.get(VARIABLE)
    folder = Path(base).expanduser() / name if base else None
    return folder.resolve() if folder is not None and folder.is_dir() and any(folder.iterdir()) else None


def _may_be_reached() -> bool:
    """Whether asking the hub makes sense: its host has an address, or a proxy or the user's setting decides.

    The library itself retries for half a minute before it gives up.
    """
    if os.environ.get("HF_HUB_OFFLINE") or urllib.request.getproxies():
        return True
    host = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co").hostname
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


@spec
class Hub(Source):
    """A set of the hub.

    Attributes:
      dataset: A name of the catalogue, or a repository `owner/name` (or a local copy of one).
      config: The hub's name of the variant; None for the catalogue's, or the only one.
      image: The image column; None for the catalogue's, or one of the usual names.
      label: The label column, likewise. Where a column is named, all others are meant to be left out.
    """

    dataset: str = static()
    config: str | None = static(default=None)
    image: str | None = static(default=None)
    label: str | None = static(default=None)

    @property
    def name(self) -> str:
        """The name of the catalogue, or the last part of the repository's."""
        return self.dataset.rstrip("/").split("/")[-1]

    @property
    def repository(self) -> str:
        """Where on the hub."""
        card = CARDS.get(self.dataset)
        return self.dataset if card is None else card.repository or card.name

    def load(self) -> Loaded:
        """From disk if it is there, else from the hub.

        Raises:
          DataError: If it is in neither place; says what to do.
        """
        folder = local_folder(self.name)
        if folder is not None:
            if self._config and (folder / self._config).is_dir():
                folder = folder / self._config
            # A known set is read by its card, which the same folder without a name is not.
            how = {"as": self.dataset, "config": self._config} | self._named
            return cached_folder(self.name, folder, self._columns(), how, known=self.dataset in CARDS)
        remote: dict[str, Any] = {"hub": self.repository, "config": self._config} | self._named
        if (copy := Path(self.repository)).is_dir():
            # A copy of a repository on disk may change; what the hub once gave under a name is kept.
            remote["files"] = states(copy, list(walk(copy)))
        return cache.cached(self.name, remote, self._from_hub)

    @property
    def _named(self) -> dict[str, str]:
        return {key: name for key, name in (("image", self.image), ("label", self.label)) if name}

    @property
    def _config(self) -> str | None:
        card = CARDS.get(self.dataset)
        return self.config or (card.config if card else None)

    def _columns(self) -> Columns:
        card = CARDS.get(self.dataset)
        if card is None:
            return Columns().named(self.image, self.label)
        labels = (card.label,) if card.label == "label" else (card.label, "label")
        known = Columns((card.image, "image", "img"), labels, card.classes, card.ten_is_zero, chosen=True)
        return known.named(self.image, self.label)

    def _from_hub(self) -> Loaded:
        from weightspace.data.sources.tables import datasets_table, read_tables

        missing = f"{self.name} is not at {VARIABLE}/{self.name}"
        try:
            import datasets
        except ImportError as error:
            raise DataError(
                f"{missing}, and the hub needs the extra 'data': put its Parquet files there, or run "
                "pip install 'weightspace[data]'"
            ) from error
        if not (Path(self.repository).exists() or _may_be_reached()):
            raise DataError(
                f"{missing} and the hub cannot be reached; put its Parquet files there, go online, or set "
                "HF_HUB_OFFLINE=1 if the datasets library has it in a cache of its own"
            )
        try:
            builder = datasets.load_dataset_builder(self.repository, self._config)
            limits.check_bytes(self.name, builder.info.dataset_size or 0)
            # Of a copy on disk the library looks at sizes and times alone, and would give what it has kept.
            local = Path(self.repository).is_dir()
            builder.download_and_prepare(download_mode="force_redownload" if local else None)
            there = builder.info.splits or {}
            test = next((split for split in TEST_NAMES if split in there), "")
            wanted = [split for split in ("train", test) if split in there]
            splits = {split: builder.as_dataset(split=split) for split in wanted}
        except DataError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise DataError(
                f"{missing} and the hub cannot be reached or does not have {self.repository} ({reason}); "
                "put its Parquet files there, or go online"
            ) from error
        for split in there:
            if split not in wanted and self.dataset not in CARDS:
                tell_unused(self.name, split, f"{there[split].num_examples} examples", test)
        return read_tables(
            self.name, {name: datasets_table(split) for name, split in splits.items()}, self._columns()
        )
