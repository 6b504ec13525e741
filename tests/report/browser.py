"""A browser without a window, driven by the W3C's WebDriver protocol as `chromedriver` speaks it."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import urllib.request

import pytest

_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1200,1000",
)  # fmt: skip
KEYS = {"tab": "\ue004", "right": "\ue014", "space": "\ue00d"}


def at_hand():
    """Chromium and its driver; None where one is not there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


class Browser:
    """One session; elements are found by selectors of CSS."""

    def __init__(self, port, folder, chromium):
        self.base = f"http://127.0.0.1:{port}/session"
        options = {"binary": chromium, "args": [*_QUIET, f"--user-data-dir={folder}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        found = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/{found['sessionId']}"

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.base}{path}", data, kind, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(asked, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self._ask("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script, *arguments):
        """The value of a script's `return`."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments):
        """The first value of a script that is neither null nor false, within ten seconds."""
        whole = (
            "const [script, values, done] = arguments; const f = new Function(script);"
            "const began = Date.now(); const look = () => { const found = f(...values);"
            " if (found || Date.now() - began > 10000) done(found); else setTimeout(look, 30); }; look();"
        )
        return self._ask("POST", "/execute/async", {"script": whole, "args": [script, list(arguments)]})

    def point_at(self, x, y):
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0, "origin": "viewport"}
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._ask("POST", "/actions", {"actions": [{**mouse, "actions": [move]}]})

    def press(self, *keys):
        steps = [{"type": kind, "value": KEYS[key]} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def say(self, command, **parameters):
        """A command of Chromium's own protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def messages(self):
        """What the console has been told since the last call."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def picture(self, path):
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def close(self):
        self._ask("DELETE", "")


@contextlib.contextmanager
def browsing():
    """A browser with a new profile; it and its driver end with the block. Where there is none it skips."""
    found = at_hand()
    if found is None:
        pytest.skip("needs chromium and chromedriver on the path")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = subprocess.Popen(
            [found[1], "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            port = next(filter(None, (re.search(r"on port (\d+)\.", line) for line in driver.stdout)))[1]
            browser = Browser(port, folder, found[0])
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
            driver.wait(timeout=20)
            driver.stdout.close()
