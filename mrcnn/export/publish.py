"""Publishes a written model atomically, and only with a passed proof.

<out>.partial/        the workplace until then
<out>/verify.json     the report of the comparison with the live model, and as a page, verify.md
<out>.refused.json    the report of a model that was not equivalent, instead of <out>; and <out>.refused.md
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.export import report as pages
from mrcnn.export.agreement import Agreement
from mrcnn.export.proof import Proof
from mrcnn.export.scores import Scores
from mrcnn.export.speed import Speed

VERIFY = "verify.json"
REFUSED = ".refused.json"  # suffix of the report of a refused export, after the output's name


class Evidence(NamedTuple):
    """All that was measured of an exported model.

    Attributes:
        proofs: the comparisons with the live model, in float32.
        agreement: of a model with reduced weights, which `proofs` compares before they are reduced; else None.
        scores: AP of both models; None without data with labels.
        speed: times of both models; None where no runtime of this package runs the files.
    """

    proofs: Sequence[Proof]
    agreement: Agreement | None = None
    scores: Scores | None = None
    speed: Speed | None = None

    @property
    def weak(self) -> bool:
        """Whether no detection was compared."""
        return not any(proof.paired for proof in self.proofs)

    @property
    def failures(self) -> list[str]:
        """Differences of the model in float32 beyond the tolerances, one line each."""
        return [line for proof in self.proofs for line in proof.failures] + (
            self.scores.failures if self.scores else []
        )

    def to_json(self, versions: Mapping[str, str]) -> dict[str, Any]:
        """Converts it to the content of `verify.json`; `versions` of the libraries that wrote the model."""
        differing = self.agreement.failures if self.agreement else []
        further = {"agreement": self.agreement, "ap": self.scores, "speed": self.speed}
        return {
            "passed": not self.failures and not differing,
            "weak": self.weak,
            **versions,
            "proofs": [proof.to_json() for proof in self.proofs],
            **{name: item.to_json() for name, item in further.items() if item},
        }


@contextmanager
def workplace(target: Path, *, title: str) -> Iterator[Path]:
    """Creates a temporary folder beside the target, on its disk; removes it at the end.

    Args:
        target: the folder to be published.
        title: name of the result in error messages.

    Raises:
        UserError: the folder cannot be created.
    """
    folder = target.with_name(f"{target.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed
    with files.writing(f"the {title}", folder):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(
    model: Path,
    target: Path,
    evidence: Evidence,
    *,
    title: str,
    versions: Mapping[str, str],
) -> None:
    """Moves a model that passed its proofs to the target, with the report inside.

    Args:
        model: folder of the written model, on the disk of `target`.
        target: the folder to create, or an empty one to replace.
        evidence: what was measured.
        title: name of the result in error messages.
        versions: of the libraries that wrote the model, for the report.

    Raises:
        UserError: a proof failed, and only the report is kept, in `<target>.refused.json`; or the folder cannot be
            written.
    """
    failures, agreement, report = evidence.failures, evidence.agreement, evidence.to_json(versions)
    page = pages.markdown(report, title=title)
    refused = target.with_name(target.name + REFUSED)
    if not report["passed"]:
        write_json(refused, report)
        refused.with_suffix(".md").write_text(page, encoding="utf-8")
    if failures:
        more = f" (and {len(failures) - 1} more)" if failures[1:] else ""
        raise UserError(
            f"the exported model is not equal to the live one: {failures[0]}{more}; nothing was exported, "
            f"the differences are in {refused}"
        )
    if agreement and (differing := agreement.failures):
        raise UserError(
            f"the model with {agreement.weights} weights is too different from the live one: {differing[0]}; nothing "
            f"was exported, the measurements are in {refused}"
        )
    with files.writing(f"the {title}", target):
        write_json(model / VERIFY, report)
        (model / pages.FILE).write_text(page, encoding="utf-8")
        files.publish_folder(model, target)
        for left in (refused, refused.with_suffix(".md")):
            left.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically.

    Raises:
        OSError: it cannot be written.
    """
    with files.replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
