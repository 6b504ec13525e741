"""Pages of the site that are not files of docs/, and links between all of them.

```
README, CONTRIBUTING, CHANGELOG ------------------------------------> index.md, contributing.md, changelog.md
docs/notebooks/x.py --make docs (run)--> build/notebooks/x.md ------> notebooks/x.md
links relative to files of the repository --by where each file went--> links between pages
```
Hence the same Markdown is read on a code host, where links are paths of files, and on the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
MADE = ROOT / "build" / "notebooks"
"""Where `make docs` leaves the notebooks that it ran."""
BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "CITATION.cff": "CITATION.cff",
}
"""Files of the repository's root that are part of the site, and where."""
HIDDEN = {"index.md": ["navigation"], "reproduction": ["toc"]}
"""What pages, or a folder's, do without: the first has nothing beside it, checklists are wide tables."""
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is not in docs/."""
    for source, target in BESIDE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for script in sorted((ROOT / "docs" / "notebooks").glob("*.py")):
        page = MADE / f"{script.stem}.md"
        if not page.is_file():
            raise PluginError(
                f"docs/notebooks/{script.name} was not run; `make docs` runs it and builds the site"
            )
        for file in (page, *sorted((MADE / f"{script.stem}_files").glob("*.png"))):
            target = posixpath.join("notebooks", file.relative_to(MADE).as_posix())
            files.append(File.generated(config, target, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that are right in the repository, as ones that are right on the site; room for wide tables."""
    here = page.file.src_uri
    if hidden := HIDDEN.get(posixpath.dirname(here), HIDDEN.get(here)):
        page.meta["hide"] = hidden
    origin = next((source for source, target in BESIDE.items() if target == here), f"docs/{here}")
    return relinked(markdown, origin, here)


def relinked(markdown: str, origin: str, here: str) -> str:
    """The text of a page with its links seen from another place; code is left as it is.

    Args:
      markdown: The text.
      origin: Its file in the repository.
      here: Its page on the site.
    """

    def seen(match: re.Match[str]) -> str:
        before, target, anchor, after = match.groups(default="")
        if ":" in target or target.startswith("/"):
            return match.group()
        there = place(posixpath.normpath(posixpath.join(posixpath.dirname(origin), target)))
        return f"{before}{posixpath.relpath(there, posixpath.dirname(here) or '.')}{anchor}{after}"

    parts, start = [], 0
    for code in FENCE.finditer(markdown):
        parts += [LINK.sub(seen, markdown[start : code.start()]), code.group()]
        start = code.end()
    return "".join([*parts, LINK.sub(seen, markdown[start:])])


def place(file: str) -> str:
    """Where a file of the repository went on the site; what is no part of it keeps its path, and is no page.

    >>> place("docs/tickets.md"), place("docs/reproduction"), place("docs/notebooks/symmetry.py")
    ('tickets.md', 'reproduction/README.md', 'notebooks/symmetry.md')
    """
    if file in BESIDE:
        return BESIDE[file]
    if not file.startswith("docs/"):
        return f"../{file}"
    if (ROOT / file).is_dir():
        file = posixpath.join(file, "README.md")
    if posixpath.dirname(file) == "docs/notebooks" and file.endswith(".py"):
        file = f"{file.removesuffix('.py')}.md"
    return file.removeprefix("docs/")
