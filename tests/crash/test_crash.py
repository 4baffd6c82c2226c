"""The harness sees what it looks for, and a seeded part of the crash tests runs with the slow tests."""

import re
import subprocess
import sys

import pytest

# a job that replaces its file in one step, or, as `faulty`, in two between which there is none
SMALL = """
import random, sys
from pathlib import Path
from mrcnn.errors import UserError
from tests.crash.harness import Harness

class Small:
    name = "small"
    faulty = sys.argv[2] == "faulty"

    def run(self, output, *, resume):
        if not resume and self.must_be_resumed(output):
            raise UserError("add --resume")
        output.mkdir(exist_ok=True)
        for text in ("one", "two"):
            (output / "new").write_text(text)
            if self.faulty:
                (output / "file").unlink(missing_ok=True)
            (output / "new").rename(output / "file")

    def must_be_resumed(self, output):
        return (output / "file").exists()

    def check_killed(self, output):
        assert (output / "file").exists() or not (output / "mark").exists()
        if (output / "file").exists():
            (output / "mark").touch()  # from now on there must be a file

    def result(self, output):
        return {"text": (output / "file").read_text()}

folder = Path(sys.argv[1])
harness = Harness(Small(), folder)
for number in range(harness.tally.operations):
    harness.try_operation(number, random.Random(1))
print(harness.tally.operations, harness.tally.tries, len(harness.tally.failures))
"""


def run(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(("kind", "operations"), [("sound", 5), ("faulty", 7)])
def test_a_job_is_killed_before_each_operation_and_only_the_faulty_one_fails(tmp_path, kind, operations):
    done = run("-c", SMALL, tmp_path, kind)
    assert done.returncode == 0, done.stderr
    counted, tries, failures = map(int, done.stdout.split())
    assert (counted, tries) == (operations, operations)
    assert (failures > 0) == (kind == "faulty")


@pytest.mark.slow
def test_no_work_is_lost_in_a_seeded_part_of_the_crash_tests():
    done = run("-m", "tests.crash", "--minutes", "0.5", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    for job in ("training", "inference", "service"):
        assert re.search(rf"{job}: [1-9]\d* tries.*, 0 failures", done.stdout)
