"""How pages are run: blocks share a module with a source, commands are read, nothing is left out unsaid."""

import inspect
import re

import pytest

from tests.pages import run_page
from weightspace.errors import InputError


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "page.md").write_text(text)
        return str(tmp_path / "page.md")

    return write


TWO = (
    "# Title\n\n```python\nclass Net:\n    width = 3\n```\n\nThen:\n\n```python\nwide = Net.width * 2\n```\n"
)


def test_blocks_share_names_and_have_a_source_on_the_page_s_lines(page):
    ran = run_page(page(TWO), name="two_blocks", smaller={"width = 3": "width = 4"})
    assert ran.module.wide == 8
    assert len(ran.blocks) == 2
    source, line = inspect.getsourcelines(ran.module.Net)
    assert "width = 4" in "".join(source)
    assert TWO.splitlines()[line - 1] == "class Net:"


def test_a_failing_block_names_its_line(page):
    with pytest.raises(NameError) as found:
        run_page(page(TWO.replace("Net.width", "Nett.width")), name="failing_block")
    assert found.traceback[-1].lineno + 1 == 11


def test_what_makes_a_page_quick_must_be_in_it(page):
    with pytest.raises(AssertionError, match="20ep"):
        run_page(page(TWO), name="not_smaller", smaller={"20ep": "2ep"})


def test_a_block_is_left_out_for_a_reason_only(page):
    said = '<!-- skip: next "needs a GPU" -->\n'
    ran = run_page(page(TWO.replace("Then:\n\n", said)), name="left_out")
    assert ran.skipped == {9: "needs a GPU"}
    assert not hasattr(ran.module, "wide")
    with pytest.raises(AssertionError, match="without a reason"):
        run_page(page(TWO.replace("Then:\n\n", "<!-- skip: next -->\n")), name="no_reason")


def shell(line):
    return f"```bash\n{line}\n```\n"


@pytest.mark.parametrize(
    "line",
    [
        "weightspace run freedom.random --dims 8 32 --seeds 3   # a comment",
        'weightspace list --about "how far can I prune"',
        "weightspace results OUT --table means",
        "weightspace run tickets.dense --help",
        "make docs",
        "python -m tests.report.pictures out/report/index.html docs/images",
    ],
)
def test_commands_are_read_and_do_nothing(page, tmp_path, line):
    assert run_page(page(shell(line))).commands == [line]
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".py"] == ["page.md"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("weightspace run freedom.randm", "freedom.random"),
        ("weightspace run freedom.random --dimz 8", "--dims"),
        ("weightspace results OUT --tabel means", "results"),
        ("weightspace resluts OUT", "resluts"),
        ("make dcos", "dcos"),
        ("rm -r out", "rm"),
    ],
)
def test_what_the_command_line_would_refuse_fails(page, line, why):
    with pytest.raises((AssertionError, InputError), match=re.escape(why)):
        run_page(page(shell(line)))
