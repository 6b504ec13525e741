"""The scripts of a page whose charts can be read off: Vega, inlined once, and the page's own few lines.

Nothing else may run: the page says so to the browser, with the digests of both, so that no text from a store
can become a script, and none of it reaches for the net.
"""

import base64
import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup

from weightspace.platform import cache_folder
from weightspace.store.write import atomic

_SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""The one thing that the page uses of it."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def scripts() -> tuple[str, ...]:
    """Vega with all that it needs, then the page's own."""
    own = resources.files("weightspace.report").joinpath("templates/charts.js").read_text(encoding="utf-8")
    return tuple(_inlined(text) for text in (vega(), own))


def vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script, of the version for which the charts are written.

    Putting it together takes a second or two, so that it is kept with the compiled programs.
    """
    import altair as alt

    kept = f"vega-{alt.SCHEMA_VERSION}-{importlib.metadata.version('vl-convert-python')}.js"
    path = cache_folder() / "page" / kept
    with contextlib.suppress(OSError, UnicodeError):
        text = path.read_bytes().decode()
        digest, _, script = text.partition("\n")
        if digest == _digest(script):
            return script
    script = _bundled(alt.SCHEMA_VERSION)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a second, no more
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            temporary.write_bytes(f"{_digest(script)}\n{script}".encode())
    return script


def _bundled(version: str) -> str:
    """Of the wanted version of Vega-Lite, or the newest of its kind that there is."""
    import vl_convert

    major, minor = version.removeprefix("v").split(".")[:2]
    there = [name for name in vl_convert.get_vegalite_versions() if name.split(".")[0] == major]
    wanted = f"{major}.{minor}"
    newest = there[-1] if there else None
    return vl_convert.javascript_bundle(_SNIPPET, vl_version=wanted if wanted in there else newest)


def _inlined(script: str) -> str:
    """A script that an HTML parser leaves as it is."""
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def policy(texts: Sequence[str]) -> str:
    """What the page may do: show itself, and run these scripts."""
    digests = " ".join(f"'sha256-{_digest(text)}'" for text in texts)
    return f"{_POLICY}; script-src {digests}" if texts else _POLICY


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def embedded(value: Any) -> Markup:
    """A value as JSON within a page: nothing in it can end its element.

    >>> print(embedded({"a": "<b>"}).replace(chr(92), "|"))
    {"a":"|u003cb|u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
