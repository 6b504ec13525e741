"""Vega is put together once a machine; a damaged copy is made anew."""

import pytest

from weightspace.report import script


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path))
    calls = []

    def bundled(version):
        calls.append(version)
        return "let a = '</script>';\r\n// <!-- é"

    monkeypatch.setattr(script, "_bundled", bundled)
    return calls


def test_vega_is_kept(made, tmp_path):
    assert script.vega() == script.vega()
    assert len(made) == 1
    (file,) = (tmp_path / "page").iterdir()
    file.write_bytes(file.read_bytes()[:-2])
    assert script.vega().endswith("é")
    assert len(made) == 2


def test_a_cache_that_cannot_be_written_is_done_without(made, tmp_path):
    (tmp_path / "page").write_text("a file")
    assert script.vega() == script.vega()
    assert len(made) == 2


def test_scripts_cannot_end_their_element(made):
    first, own = script.scripts()
    assert first == "let a = '<\\/script>';\n// <\\!-- é"
    assert "</script" not in own
    assert script.policy(()) == script._POLICY


def test_the_bundle_is_of_the_version_of_the_charts():
    import altair as alt
    import vl_convert

    assert alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0] in vl_convert.get_vegalite_versions()
