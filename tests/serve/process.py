"""A service in a process of its own."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import requests

from .helpers import image_bytes

ROOT = Path(__file__).parents[2]
START_SECONDS = 300  # TensorFlow's import on a busy machine


def _hear_interrupts():
    """Undoes what a shell does to what it starts in the background: such a process ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """`fake_service` in a process of its own, that looks at no image before `gate` exists; `events` are its log."""

    def __init__(self, gate, workers=1, **settings):
        text = json.dumps({"workers": workers, **settings})
        command = [sys.executable, "-m", "tests.serve.fake_service", str(gate), text]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts
        )
        self.events, self._ready = [], threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        for _ in range(workers):
            if not self._ready.acquire(timeout=START_SECONDS):
                self.__exit__()
                raise AssertionError(f"the service did not start within {START_SECONDS} s")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait(60)
        self._reader.join(60)
        self.process.stderr.close()

    def _read(self):
        for line in self.process.stderr:
            for text in line.strip().replace("}{", "}\n{").splitlines():  # of two workers, two may share a line
                if text.startswith("{"):
                    self.events.append(json.loads(text))
                    if self.events[-1].get("event_type") == "EventType.TASK_DEPLOYED":
                        self._ready.release()
        self._ready.release()

    @property
    def url(self):
        return next(event["message"].split()[-1] for event in self.events if event["message"].startswith("serving"))

    def infer(self, image=None, **values):
        files = {"image": image or image_bytes()}
        return requests.post(f"{self.url}/model/inference", files=files, data=values, timeout=120)

    def metrics(self):
        return requests.get(f"{self.url}/metrics", timeout=60).text

    def peak_mb(self):
        """Reads the most memory that the process had so far."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def end(self, number, seconds=60):
        """Sends a signal and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)
