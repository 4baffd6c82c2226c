"""A real headless browser, driven through the W3C WebDriver protocol: Debian's chromium with its chromium-driver."""

import base64
import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import requests

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = None if CHROMIUM and DRIVER else "needs a browser: apt-get install chromium chromium-driver"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that the protocol marks an element by
KEYS = {
    "Enter": "\ue007", "Space": " ", "Tab": "\ue004", "Left": "\ue012", "Up": "\ue013", "Right": "\ue014",
    "Down": "\ue015", "Home": "\ue011", "End": "\ue010", "Delete": "\ue017",
}  # fmt: skip
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,800",
    "--force-color-profile=srgb",
)  # fmt: skip


class Browser:
    """One window of the browser."""

    def __init__(self, driver_url, profile):
        self.downloads = Path(profile) / "downloads"
        preferences = {
            "download.default_directory": str(self.downloads),
            "profile.default_content_setting_values.automatic_downloads": 1,  # several, one after the other
        }
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"], "prefs": preferences}
        logs = {"browser": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs}
        self._url = f"{driver_url}/session"
        self._url += "/" + self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _ask(self, method, path, body=None):
        response = requests.request(method, self._url + path, json=body, timeout=120)
        value = response.json()["value"]
        assert response.ok, value
        return value

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """Runs the body of an async function in the page and returns what it returns."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...args) => {{ {script} }})(...arguments).then(done, (error) => done(`failed: ${{error}}`));"
        )
        return self._ask("POST", "/execute/async", {"script": wrapped, "args": list(arguments)})

    def _find(self, selector):
        return self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def choose_file(self, selector, *paths):
        """Sets the files of a file input, as a person would."""
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": "\n".join(map(str, paths))})

    def click(self, selector):
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def press(self, *keys):
        """Presses keys, by their names in `KEYS` or as they are written, at the element that has the focus."""
        strokes = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._act("key", strokes)

    def scroll(self, x, y, by):
        """Turns the wheel over a point of the window, in CSS pixels; down where `by` is positive."""
        self._act("wheel", [{"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": by}])

    def drag(self, start, end):
        """Moves the mouse from one point of the window to another while its left button is down."""
        points = [{"type": "pointerMove", "duration": 0, "x": x, "y": y} for x, y in (start, end)]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act("pointer", [points[0], down, points[1], up])

    def pinch(self, first, second):
        """Puts two fingers on the window, and moves each from one point to another."""
        paths = []
        for name, (start, end) in (("first", first), ("second", second)):
            points = [{"type": "pointerMove", "duration": 0, "x": x, "y": y} for x, y in (start, end)]
            down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
            touch = {"parameters": {"pointerType": "touch"}, "type": "pointer", "id": name}
            paths.append({**touch, "actions": [points[0], down, points[1], up]})
        self._ask("POST", "/actions", {"actions": paths})

    def _act(self, kind, actions):
        self._ask("POST", "/actions", {"actions": [{"type": kind, "id": kind, "actions": actions}]})

    def resize(self, width, height, *, dark=False):
        """Sets the size of the page in CSS pixels, and the colours that the reader prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"features": [feature]})

    def _command(self, name, values):
        self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": values})

    def downloaded(self, name, seconds=30):
        """Waits for a downloaded file, and returns its bytes; the next of its name may come after it.

        The browser writes into a file of another name. Until it renames that one, an empty file keeps the name.
        """
        path, deadline = self.downloads / name, time.monotonic() + seconds
        while not (path.exists() and path.stat().st_size):
            assert time.monotonic() < deadline, list(self.downloads.glob("*"))
            time.sleep(0.02)
        content = path.read_bytes()
        path.unlink()
        return content

    def text(self, selector):
        return self.run("return document.querySelector(args[0]).textContent", selector)

    def wait_for(self, selector, text, seconds=60):
        """Waits until an element has that text."""
        deadline = time.monotonic() + seconds
        while (found := self.text(selector)) != text:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def complaints(self):
        """Returns the messages of the browser's console."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def screenshot(self):
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def close(self):
        self._ask("DELETE", "")


@contextlib.contextmanager
def browsing():
    """Starts the driver and the browser, and ends both."""
    with tempfile.TemporaryDirectory() as profile:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
        try:
            line = next(line for line in driver.stdout if "successfully on port" in line)
            browser = Browser(f"http://127.0.0.1:{line.rstrip().rstrip('.').split()[-1]}", profile)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
            driver.wait(30)
            driver.stdout.close()
