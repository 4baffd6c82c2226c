"""Publishes a written model atomically, and only with a passed proof.

<out>.partial/        the workplace until then
<out>/verify.json     the report of the comparison with the live model
<out>.refused.json    the report of a model that was not equivalent, instead of <out>
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.export.agreement import Agreement
from mrcnn.export.proof import Proof

VERIFY = "verify.json"
REFUSED = ".refused.json"  # suffix of the report of a refused export, after the output's name


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
    proofs: Sequence[Proof],
    *,
    title: str,
    versions: Mapping[str, str],
    agreement: Agreement | None = None,
) -> None:
    """Moves a model that passed its proofs to the target, with the report inside.

    Args:
        model: folder of the written model, on the disk of `target`.
        target: the folder to create, or an empty one to replace.
        proofs: the comparisons with the live model.
        title: name of the result in error messages.
        versions: of the libraries that wrote the model, for the report.
        agreement: of a model with reduced weights, which `proofs` compares before they are reduced; else None.

    Raises:
        UserError: a proof failed, and only the report is kept, in `<target>.refused.json`; or the folder cannot be
            written.
    """
    failures = [line for proof in proofs for line in proof.failures]
    differing = agreement.failures if agreement else []
    report = {
        "passed": not failures and not differing,
        "weak": not any(proof.paired for proof in proofs),
        **versions,
        "proofs": [proof.to_json() for proof in proofs],
        **({"agreement": agreement.to_json()} if agreement else {}),
    }
    refused = target.with_name(target.name + REFUSED)
    if failures:
        write_json(refused, report)
        more = f" (and {len(failures) - 1} more)" if failures[1:] else ""
        raise UserError(
            f"the exported model is not equal to the live one: {failures[0]}{more}; nothing was exported, "
            f"the differences are in {refused}"
        )
    if agreement and differing:
        write_json(refused, report)
        raise UserError(
            f"the model with {agreement.weights} weights is too different from the live one: {differing[0]}; nothing "
            f"was exported, the measurements are in {refused}"
        )
    with files.writing(f"the {title}", target):
        write_json(model / VERIFY, report)
        files.publish_folder(model, target)
        refused.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically.

    Raises:
        OSError: it cannot be written.
    """
    with files.replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
