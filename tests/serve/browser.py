"""A real headless browser, driven through the W3C WebDriver protocol: Debian's chromium with its chromium-driver."""

import base64
import contextlib
import shutil
import subprocess
import tempfile
import time

import requests

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = None if CHROMIUM and DRIVER else "needs a browser: apt-get install chromium chromium-driver"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that the protocol marks an element by
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,800",
    "--force-color-profile=srgb",
)  # fmt: skip


class Browser:
    """One window of the browser."""

    def __init__(self, driver_url, profile):
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
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

    def choose_file(self, selector, path):
        """Sets the file of a file input, as a person would."""
        element = self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._ask("POST", f"/element/{element}/value", {"text": str(path)})

    def click(self, selector):
        element = self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._ask("POST", f"/element/{element}/click", {})

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
