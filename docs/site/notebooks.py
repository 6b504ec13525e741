"""Runs notebooks' scripts and writes pages with what they showed.

```
python docs/site/notebooks.py x.py --out DIR

x.py --jupytext--> notebook --nbclient, in an empty folder--> --nbconvert--> DIR/x.md, DIR/x_files/*.png
```
"""

import argparse
import re
import tempfile
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

STYLE = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)
"""What pandas puts before each table; the site's own sheet says it once."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def ran(script: Path) -> tuple[str, dict[str, bytes]]:
    """The page and its pictures, after every cell ran; raises where one fails.

    Args:
      script: A percent script.
    """
    notebook = jupytext.read(script)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}}).execute()
    resources = {"output_files_dir": f"{script.stem}_files", "unique_key": script.stem}
    text, given = MarkdownExporter().from_notebook_node(notebook, resources=resources)
    text = COLOUR.sub("", STYLE.sub("", text)).replace("![png]", "![what the cell draws]")
    made = f"*Made by running `docs/notebooks/{script.name}`: numbers and pictures are what it showed.*\n"
    title, rest = text.lstrip().split("\n", 1)
    return f"{title}\n\n{made}{rest}", given["outputs"]


def main() -> None:
    """Run each script given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for script in given.scripts:
        text, pictures = ran(script)
        files = given.out / f"{script.stem}_files"
        files.mkdir(parents=True, exist_ok=True)
        for old in files.glob("*.png"):
            old.unlink()
        for name, data in pictures.items():
            (given.out / name).write_bytes(data)
        (given.out / f"{script.stem}.md").write_text(text, encoding="utf-8")
        print(f"{script}: {len(pictures)} pictures")


if __name__ == "__main__":
    main()
