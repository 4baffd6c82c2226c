"""Kills the driver or a worker of a job at random moments, starts it again, and compares the rows with a plain run."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from mrcnn.scale import job, rows
from tests.scale import toy
from tests.scale.driver import WORKERS

ROOT = Path(__file__).resolve().parents[2]
IMAGES, BROKEN, SHARD = 60, (7, 30, 31), 4
ENDED = 120  # seconds after which the processes of a killed driver must have ended; those of Ray take up to a minute
LONGEST = 900  # seconds that a start may take; Ray and Spark need a minute where other programs run


class Killer:
    """Starts a job again and again."""

    def __init__(self, folder, engine, *, python=sys.executable, seconds=0.02):
        self.images = toy.write_images(folder / "images", IMAGES, broken=BROKEN)
        self.output, self.engine, self._python, self._pause = folder / "out", engine, python, seconds
        self._processes = folder / "processes"
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TOY_SECONDS": str(seconds),
            "TOY_PROCESSES": str(self._processes),
        }
        self.seconds = self.hits = 0
        self._begin()

    def measure(self):
        """Runs the job undisturbed, which says how long it takes."""
        began = time.monotonic()
        assert self.finish() == f"{IMAGES} {len(BROKEN)} {detections(self.expected())}"
        self.seconds = time.monotonic() - began
        self.check()
        return self

    def _begin(self):
        shutil.rmtree(self.output, ignore_errors=True)
        shutil.rmtree(self._processes, ignore_errors=True)
        self._processes.mkdir()

    def start(self):
        command = [self._python, "-m", "tests.scale.driver", self.engine, self.images, self.output, str(SHARD)]
        return subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def finish(self):
        """Starts the job and waits for its end; returns the last line that it prints."""
        with self.start() as process:
            printed, _ = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, printed
        return printed.splitlines()[-1]

    def kill_driver(self, rng):
        """Kills the driver at any moment, twice; then lets the job end. `hits` counts kills before its end."""
        self._begin()
        for _ in range(2):
            with self.start() as process:
                time.sleep(rng.uniform(0, self.seconds))
                self.hits += process.poll() is None
                process.kill()
        self.finish()
        self.check()

    def kill_worker(self, rng):
        """Kills one worker at any moment of its work; the job may end with an error, then it is started again.

        `hits` counts the workers that were still there.
        """
        self._begin()
        with self.start() as process:
            self._wait_for(1)
            time.sleep(rng.uniform(0, IMAGES / WORKERS * self._pause))
            for worker in rng.sample(sorted(self.workers()), k=min(1, len(self.workers()))):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    self.hits += 1
            process.communicate(timeout=LONGEST)
        self.finish()
        self.check()

    def kill_both(self):
        """Kills a worker after the first shard, then the driver after another one, then lets the job end."""
        self._begin()
        with self.start() as process:
            self._wait_for(1)
            os.kill(min(self.workers()), signal.SIGKILL)
            self._wait_for(len(self.done()) + 1)
            process.kill()
        assert len(self.done()) < IMAGES // SHARD
        self.finish()
        self.check()

    def done(self):
        """Lists the shards with results."""
        return list((self.output / job.SHARDS).glob("*.parquet"))

    def _wait_for(self, shards):
        until = time.monotonic() + LONGEST
        while len(self.done()) < shards and time.monotonic() < until:
            time.sleep(0.005)
        assert len(self.done()) >= shards

    def workers(self):
        """Finds the processes that opened a predictor and still run."""
        found = {int(path.name) for path in self._processes.iterdir()}
        return {number for number in found if is_running(number)}

    def check(self):
        """Checks that each image has one row and the row of a plain run, and that no worker is left."""
        done = job.open_job(str(self.output))
        assert done.missing() == []
        found = [row for shard in range(done.shards) for row in done.rows_of(shard)]
        assert [row["image"] for row in found] == [row["image"] for row in self.expected()]
        assert found == self.expected()
        until = time.monotonic() + ENDED
        while self.workers() and time.monotonic() < until:
            time.sleep(0.1)
        assert self.workers() == set()

    def expected(self):
        """Makes the rows of a plain run of the predictor."""
        predictor, made = toy.BrightAreas("m"), []
        predictor._seconds = 0
        for path in sorted(self.images.iterdir()):
            if int(path.stem) in BROKEN:
                reason = f"cannot decode the image {path}: it is cut off or in no known format"
                made.append(rows.of_failure(str(path), reason))
            else:
                made.append(rows.of_detections(str(path), predictor.predict_compact([path])[0]))
        return rows.decode(rows.encode(made))


def detections(made):
    return sum(len(row["scores"] or ()) for row in made)


def is_running(number):
    """Checks whether a process runs; one that ended but has not been waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def rng(seed):
    return random.Random(seed)
