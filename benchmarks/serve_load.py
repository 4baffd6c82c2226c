"""Requests a second, latency and memory of the HTTP service under load, against one request at a time.

Starts `deploy.py serve` for each batch size and asks `/model/inference` about one photograph: first one request after
the other, then from more and more clients at once. Clients and service share the machine, as the load average says.

    python -m benchmarks.serve_load --model runs/demo/model
"""

import argparse
import io
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[1]
HEADER = (
    f"{'batch size':>10}{'clients':>9}{'requests':>10}{'failed':>8}{'requests/s':>12}{'p50 s':>8}{'p95 s':>8}"
    f"{'images/batch':>14}{'memory MB':>11}"
)


class Load(NamedTuple):
    """What so many clients measured.

    Attributes:
        seconds: of each request, in any order.
        failed: how many were not answered with 200.
        wall: seconds from the first request to the last answer.
    """

    seconds: list[float]
    failed: int
    wall: float


class Service(NamedTuple):
    """A service that runs: its address and process id."""

    url: str
    pid: int


def main(arguments: list[str] | None = None) -> None:
    """Prints a row for each batch size and number of clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="DIR", help="model folder, or train.py's output")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 200], metavar="N")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 8], metavar="N")
    parser.add_argument("--requests", type=int, default=100, help="of each row; never fewer than its clients")
    parser.add_argument("--options", default="", help="more options of `deploy.py serve`, in one text")
    options = parser.parse_args(arguments)
    image = photograph()
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; image of {len(image)} bytes")
    print(HEADER)
    for batch_size in options.batch_sizes:
        with serving(options.model, batch_size, options.options.split()) as service:
            ask(service.url, image, clients=1, requests_in_all=3)  # warm
            for clients in options.clients:
                before = batches(service.url)
                load = ask(service.url, image, clients=clients, requests_in_all=max(options.requests, clients))
                print(row(batch_size, clients, load, batches(service.url) - before, peak_mb(service.pid)), flush=True)


def photograph() -> bytes:
    """Gives scikit-image's photograph of coins as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(skimage.data.coins()).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def serving(model: str, batch_size: int, more: list[str]) -> Iterator[Service]:
    """Runs the service on a free port until the end of the block."""
    command = [sys.executable, ROOT / "deploy.py", "serve", "--model", model, "--port", "0", "--log-format", "json"]
    command += ["--batch-size", str(batch_size), *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield Service(_address(process), process.pid)
    finally:
        process.terminate()
        process.wait(120)


def ask(url: str, image: bytes, *, clients: int, requests_in_all: int) -> Load:
    """Sends requests from so many clients, each with a connection of its own that sends the next when answered."""
    sessions = threading.local()

    def one(_: int) -> tuple[float, bool]:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        began = time.perf_counter()
        try:
            answer = sessions.session.post(f"{url}/model/inference", files={"image": image}, timeout=600)
            fine = answer.status_code == 200
        except requests.RequestException:
            fine = False
        return time.perf_counter() - began, fine

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(one, range(requests_in_all)))
    wall = time.perf_counter() - began
    return Load([seconds for seconds, _ in results], sum(not fine for _, fine in results), wall)


def row(batch_size: int, clients: int, load: Load, runs: float, memory: float) -> str:
    """Writes a row of the table; `runs` is how often the model ran, `memory` the service's peak so far."""
    count = len(load.seconds)
    middle, high = percentile(load.seconds, 50), percentile(load.seconds, 95)
    return (
        f"{batch_size:>10}{clients:>9}{count:>10}{load.failed:>8}{count / load.wall:>12.2f}{middle:>8.2f}{high:>8.2f}"
        f"{count / max(runs, 1):>14.1f}{memory:>11.0f}"
    )


def percentile(values: list[float], share: int) -> float:
    """Gives the value that `share` of a hundred values do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def batches(url: str) -> float:
    """Asks how often the model ran so far."""
    text = requests.get(f"{url}/metrics", timeout=60).text
    found = re.search(r"^mrcnn_batch_images_count (\S+)", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def peak_mb(pid: int) -> float:
    """Reads the largest resident memory that a process had, MB; Linux only."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) * 1024 / 1e6 if found else 0.0


def _address(process: subprocess.Popen) -> str:
    """Waits for the line that says where it serves; what follows is read and dropped, so that the pipe stays empty."""
    assert process.stderr is not None  # noqa: S101 - for the type checker
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["message"].startswith("serving "):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return str(json.loads(line)["message"].split()[-1])
    raise SystemExit("the service did not start; run deploy.py serve by hand to see why")


if __name__ == "__main__":
    main()
