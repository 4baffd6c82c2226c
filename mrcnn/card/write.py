"""Writes the model card into the model folder."""

import shutil
from pathlib import Path

from mrcnn import files
from mrcnn.card import document
from mrcnn.card.contents import Contents, collect
from mrcnn.config import card
from mrcnn.config.card import CardTexts
from mrcnn.errors import UserError
from mrcnn.events import EventLog

FILE = "README.md"
WHAT = "the model card"


def write_card(path: Path, *, texts: Path | None = None, log: EventLog) -> Path:
    """Writes the card of a model, and copies its example pictures beside it.

    Args:
        path: the output folder of a training, whose `best` checkpoint is described, or a model folder.
        texts: the user's own texts; None reads `card.yaml` in one of the two folders, if it is there.
        log: receives warnings.

    Returns:
        The file: `README.md` in the model folder, with all links resolved.

    Raises:
        UserError: there is no model folder, the texts are malformed, or the folder has a README.md of another author.
    """
    given: CardTexts | None = None if texts is None else card.read_texts(texts)
    contents = collect(path, texts=given, log=log)
    target = contents.folder / FILE
    _check_own(target)
    with files.writing(WHAT, target):
        _copy_pictures(contents)
        with files.replaced(target) as partial:
            partial.write_text(document.compose(contents), encoding="utf-8")
    return target


def _check_own(target: Path) -> None:
    """Refuses to replace a README.md that this program did not write."""
    if not target.exists():
        return
    text = files.read_bytes(target, what="model card").decode("utf-8", errors="replace")
    if document.MARK not in text:
        raise UserError(f"{target} was not written by mrcnn; move it away, or put its texts into {card.FILE}")


def _copy_pictures(contents: Contents) -> None:
    best = contents.best
    for item in best.pictures if best and contents.run else ():
        source = contents.run / Path(item.file).name if contents.run else Path()
        if source.is_file():
            with files.replaced(contents.folder / source.name) as partial:
                shutil.copyfile(source, partial)
