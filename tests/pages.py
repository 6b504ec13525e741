"""Pages of Markdown as programs, by sybil: blocks of Python in their order, commands as a shell has them.

```
page --sybil--> examples --Blocks--> one module, whose file has each block on the page's own lines
                         --Commands--> carried out, or read as the command line reads them
                         --skip: next "why"--> not run, and why
```
The module has a file, as a user's has: what is stored under a network's name goes by its source.
"""

import functools
import importlib.util
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from unittest import SkipTest

import pytest
import tyro
from sybil.document import Document
from sybil.evaluators.skip import Skipper
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from weightspace.cli import main
from weightspace.cli.run import read
from weightspace.experiments import experiment_class

ROOT = Path(__file__).parent.parent
DOCS = sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", *DOCS]
LANGUAGES = ("python", "bash", "text", "")
"""Of blocks: run, carried out or read, and two for what is no program."""


@dataclass
class Ran:
    """What came of a page."""

    module: ModuleType
    blocks: list[int] = field(default_factory=list)
    """Lines of the blocks of Python that ran."""
    commands: list[str] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    """Lines of blocks that did not, and why."""


def languages(file):
    """The language of every fenced block."""
    return re.findall(r"^```(.*)\n(?:.*\n)*?```$", (ROOT / file).read_text(), re.MULTILINE)


def run_page(file, *, name=None, smaller=None, given=None, without=(), carry_out=False):
    """Run a page in the folder that one is in.

    Args:
      file: The page, from the root of the repository.
      name: Of the module; the page's own by default.
      smaller: Replacements in the code that make it quick, each of which must occur.
      given: Names that the page says its reader has.
      without: Which blocks of Python to leave out, by number.
      carry_out: Whether commands are carried out; else they are only read.
    """
    name = name or f"page_{Path(file).stem.lower()}"
    module, smaller = module_in(name), smaller or {}
    made = Path(module.__file__)
    vars(module).update(given or {})
    ran = Ran(module)

    def evaluate(example):
        code = compile(_padded(example, smaller), str(made), "exec")
        exec(code, vars(module))
        ran.blocks.append(example.line)

    def commands(example):
        for line in example.parsed.splitlines():
            (carried_out if carry_out else understood)(shlex.split(line, comments=True))
            ran.commands.append(line)

    parsers = CodeBlockParser("python", evaluate), CodeBlockParser("bash", commands), SkipParser()
    document = Document.parse(str(ROOT / file), *parsers)
    examples = list(document)
    blocks = [each for each in examples if each.region.evaluator is evaluate]
    left_out = {blocks[i].line for i in without}
    made.write_text(_together([each for each in blocks if each.line not in left_out], smaller))
    unused = [old for old in smaller if not any(old in each.parsed for each in blocks)]
    assert not unused, f"{file} has no {unused}"
    for example in examples:
        if isinstance(example.region.evaluator, Skipper):
            assert example.parsed[1], f"{file}:{example.line}: a block is left out without a reason"
        if example.line in left_out:
            continue
        try:
            example.evaluate()
        except SkipTest as why:
            ran.skipped[example.line] = str(why)
    return ran


def module_in(name):
    """An empty module of the folder that one is in, whose file is to be written."""
    found = importlib.util.spec_from_file_location(name, Path.cwd() / f"{name}.py")
    sys.modules[name] = module = importlib.util.module_from_spec(found)
    return module


def changed(code, smaller):
    """Code with what makes it quick in the place of what it replaces."""
    return functools.reduce(lambda text, pair: text.replace(*pair), smaller.items(), code)


def _padded(example, smaller):
    """A block with what makes it quick, on the lines that it has in the page."""
    return "\n" * example.line + changed(str(example.parsed), smaller)


def _together(blocks, smaller):
    """All blocks as one file."""
    lines = []
    for block in blocks:
        code = _padded(block, smaller).splitlines()
        lines += code[len(lines) :]
    return "\n".join(lines) + "\n"


def carried_out(words):
    """A command of ours, carried out."""
    assert words[0] == "weightspace", words
    assert main(words[1:]) == 0, words


class Read(Exception):  # noqa: N818
    """A command was read to its end, and is not carried out."""


def understood(words):
    """A command, read as it would be before anything is done; an unknown one, or a flag, is an error."""
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]), words
    else:
        assert words[0] == "weightspace", words
        assert not _status(words[1:]), words


def _status(words):
    """What a command of ours would end with if it could be carried out."""
    try:
        if words[0] == "run":
            read(experiment_class(words[1]), words[2:])
            return 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tyro.cli", _read_only(tyro.cli))
            return main(words)
    except Read:
        return 0
    except SystemExit as end:
        return end.code


def _read_only(cli):
    """Tyro's reader, which calls no function that it has read the arguments of."""

    def reader(target, **options):
        if isinstance(target, type):
            return cli(target, **options)

        @functools.wraps(target)
        def read_to_the_end(*_, **__):
            raise Read

        return cli(read_to_the_end, **options)

    return reader
