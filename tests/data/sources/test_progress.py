import io
import sys

from weightspace.data.sources.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal_only(monkeypatch):
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress("decoding mnist", 10) as advance:
            advance(4)
            advance(6)
        assert ("decoding mnist" in stream.getvalue()) == shown
