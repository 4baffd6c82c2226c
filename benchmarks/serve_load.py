"""Measures requests per second, latency and memory of the HTTP service under load.

Starts `deploy.py serve` for each batch size and sends one photograph to `/model/inference`: first one request after the
other, then from more and more concurrent clients, each of which sends its next request when the last is answered.
Latency is a client's time from sending to the whole response; memory is the peak resident set of the service during the
row. Clients and service share the machine, so the load average before should be near 0.

    python -m benchmarks.serve_load --model runs/demo/model --write docs/serving.md
"""

import argparse
import contextlib
import io
import json
import math
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
HEADER = """\
| images together | clients | requests | failed | requests/s | p50 s | p95 s | images a run | memory MB |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
BEGIN, END = "<!-- measured by benchmarks.serve_load -->", "<!-- until here -->"


class Load(NamedTuple):
    """The measurements of all clients of a row.

    Attributes:
        seconds: latency of each request that was answered with 200, in any order.
        failed: number of the other requests.
        wall: seconds from the first request to the last response.
    """

    seconds: list[float]
    failed: int
    wall: float


class Service(NamedTuple):
    """A running service: its address and process id."""

    url: str
    pid: int


def main(arguments: list[str] | None = None) -> None:
    """Prints a row per batch size and number of clients; `--write` updates a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="DIR", help="model folder, or train.py's output")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 200], metavar="N")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4], metavar="N")
    parser.add_argument("--requests", type=int, default=100, help="of each row; never fewer than its clients")
    parser.add_argument("--options", default="", help="more options of `deploy.py serve`, in one text")
    parser.add_argument("--write", type=Path, metavar="MD", help=f"document whose lines from {BEGIN} on to replace")
    options = parser.parse_args(arguments)
    image = photograph()
    lines = [f"{os.cpu_count()} CPUs, load average before {os.getloadavg()[0]:.1f}; an image of {len(image)} bytes", ""]
    lines += HEADER.splitlines()
    print("\n".join(lines))
    for batch_size in options.batch_sizes:
        with serving(options.model, batch_size, options.options.split()) as service:
            ask(service.url, image, clients=2 * batch_size, requests_in_all=6 * batch_size)  # warm-up
            for clients in options.clients:
                lines.append(
                    measure(
                        service, image, batch_size=batch_size, clients=clients, count=max(options.requests, clients)
                    )
                )
                print(lines[-1], flush=True)
    if options.write:
        options.write.write_text(replaced(options.write.read_text(), "\n".join(lines)))


def measure(service: Service, image: bytes, *, batch_size: int, clients: int, count: int) -> str:
    """Measures and formats a row of the table."""
    before = batches(service.url)
    restart_peak(service.pid)
    load = ask(service.url, image, clients=clients, requests_in_all=count)
    runs = batches(service.url) - before
    return row(batch_size, clients, load, runs=runs, memory=peak_mb(service.pid))


def photograph() -> bytes:
    """Encodes scikit-image's photograph of coins as a JPEG file."""
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
    """Sends requests from concurrent clients, each with its own connection.

    A client sends its next request when the last is answered.

    Args:
        url: address of the service.
        image: bytes of the image file.
        clients: number of concurrent clients.
        requests_in_all: number of requests of all clients together.
    """
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
    return Load([seconds for seconds, fine in results if fine], sum(not fine for _, fine in results), wall)


def row(batch_size: int, clients: int, load: Load, *, runs: float, memory: float) -> str:
    """Formats a row of the table.

    Args:
        batch_size: most images per run of the model.
        clients: number of concurrent clients.
        load: their measurements.
        runs: how often the model ran.
        memory: peak resident memory of the service in MB.
    """
    count = len(load.seconds)
    cells = [
        str(batch_size),
        str(clients),
        str(count + load.failed),
        str(load.failed),
        f"{count / load.wall:.2f}",
        f"{percentile(load.seconds, 50):.2f}",
        f"{percentile(load.seconds, 95):.2f}",
        f"{count / max(runs, 1):.1f}",
        f"{memory:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def percentile(values: list[float], share: int) -> float:
    """Computes a percentile, with `share` in 1..99; NaN for an empty list."""
    if len(values) < 2:
        return values[0] if values else math.nan
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def replaced(document: str, table: str) -> str:
    """Replaces the measured table of a document.

    Raises:
        SystemExit: the document does not hold the lines `BEGIN` and `END`.
    """
    if document.count(BEGIN) != 1 or END not in document.partition(BEGIN)[2]:
        raise SystemExit(f"the document must hold the lines {BEGIN} and {END} once")
    head, _, rest = document.partition(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def batches(url: str) -> float:
    """Reads from /metrics how often the model has run."""
    text = requests.get(f"{url}/metrics", timeout=60).text
    found = re.search(r"^mrcnn_batch_images_count (\S+)", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def restart_peak(pid: int) -> None:
    """Resets the peak that `peak_mb` reads to the current resident memory; Linux only."""
    for each in family(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def peak_mb(pid: int) -> float:
    """Sums the peak resident memory of a process and its workers, in MB; Linux only."""
    texts = (Path(f"/proc/{each}/status").read_text() for each in family(pid))
    return sum(int(found.group(1)) for text in texts if (found := _PEAK.search(text))) * 1024 / 1e6


def family(pid: int) -> list[int]:
    """Lists the ids of a process and of the child processes that its threads started."""
    found = [pid]
    for children in sorted(Path(f"/proc/{pid}/task").glob("*/children")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += map(int, children.read_text().split())
    return found


def _address(process: subprocess.Popen) -> str:
    """Waits for the log line with the service's address and returns the address.

    A thread reads and drops all later lines, so that the pipe does not fill up.

    Raises:
        SystemExit: the service ended before it wrote the line.
    """
    assert process.stderr is not None  # noqa: S101 - for the type checker
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["message"].startswith("serving "):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return str(json.loads(line)["message"].split()[-1])
    raise SystemExit("the service did not start; run deploy.py serve by hand to see why")


if __name__ == "__main__":
    main()
