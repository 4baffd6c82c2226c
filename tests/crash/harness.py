"""Kills runs, goes on, kills again, and compares what comes out with a run that nobody disturbed."""

import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import children

LONGEST = 1.5  # of an undisturbed run's time, after which a random kill comes at the latest


@dataclass
class Tally:
    """What a job's tries came to."""

    operations: int = 0
    tries: int = 0
    failures: list[str] = field(default_factory=list)


def differences(expected: dict, found: dict) -> str:
    """Names the parts of a result that are missing, new or different."""
    parts = [
        f"{key} {'is missing' if key not in found else 'is new' if key not in expected else 'differs'}"
        for key in {**expected, **found}
        if key not in found or key not in expected or expected[key] != found[key]
    ]
    return ", ".join(parts)[:400]


class Harness:
    """Tries one job."""

    def __init__(self, job, folder: Path):
        """Makes the undisturbed run.

        Raises:
            AssertionError: it does not end well.
        """
        self.job, self.folder, self.tally = job, folder, Tally()
        output, report = self._output(), folder / "count.txt"
        began = time.monotonic()
        code = children.run(lambda: job.run(output, resume=False), output, report=report)
        self.seconds = time.monotonic() - began
        assert code == children.DONE, self._printed()
        self.tally.operations = int(report.read_text())
        self.expected = job.result(output)

    def try_operation(self, first: int, rng: random.Random) -> None:
        """Kills at one operation, in half of the tries also the run that goes on, at any."""
        second = rng.randrange(self.tally.operations) if rng.random() < 0.5 else None
        self._try(f"--job {self.job.name} --at {first} --then {second}", {"kill_at": first}, {"kill_at": second})

    def try_time(self, rng: random.Random) -> None:
        """Kills after some time, in half of the tries also the run that goes on."""
        first, second = (rng.uniform(0, LONGEST * self.seconds) for _ in range(2))
        again = {"kill_after": second} if rng.random() < 0.5 else {}
        self._try(f"killed after {first:.2f} s, then {again}", {"kill_after": first}, again)

    def _try(self, what: str, *kills: dict) -> None:
        output = self._output()
        self.tally.tries += 1
        try:
            for kill in kills:
                self._start(output, **kill)
            self._start(output)
            found = self.job.result(output)
            assert found == self.expected, f"another result: {differences(self.expected, found)}"
        except AssertionError as error:
            self.tally.failures.append(f"{what}: {error}")
        except Exception as error:
            self.tally.failures.append(f"{what}: {type(error).__name__}: {error}")

    def _start(self, output: Path, **kill) -> None:
        """Starts as a user would: plainly, and where that is refused with --resume."""
        resume = output.exists() and self.job.must_be_resumed(output)
        if resume:
            code = children.run(lambda: self.job.run(output, resume=False), output)
            assert code == children.REFUSED, f"a plain start ended with {code}: {self._printed()}"
            assert "--resume" in self._printed() or "must be new" in self._printed(), self._printed()
        code = children.run(lambda: self.job.run(output, resume=resume), output, **kill)
        assert code in (children.DONE, -9), f"--resume {resume} ended with {code}: {self._printed()}"
        assert code == children.DONE or kill, f"killed by {code}"
        if output.exists():
            self.job.check_killed(output)

    def _output(self) -> Path:
        output = self.folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        return output

    def _printed(self) -> str:
        return (self.folder / "printed.txt").read_text(errors="replace")[-600:]
