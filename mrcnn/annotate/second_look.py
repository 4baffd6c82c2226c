"""When a run finds nothing: how many objects there would be at lower scores, counted on some of its images."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mrcnn.config.inference import Mode
from mrcnn.events import EventLog
from mrcnn.predict import modes, sources
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.sources import Picture, Source

THRESHOLDS = (0.3, 0.1)
IMAGES = 20  # are looked at again


def describe(
    predictor: Predictor, source: Source, *, mode: Mode, batch_size: int, names: Collection[str], limited_by: str
) -> str | None:
    """Looks at up to `IMAGES` images again and says how many objects reach each of `THRESHOLDS`.

    Args:
        predictor: its model must have a `score_threshold`, as a `MaskRCNN` has.
        source: the images of the run.
        mode: how the run looked at them.
        batch_size: regions that go through the model at once.
        names: of the classes that count.
        limited_by: what sets the predictor's own threshold, for the sentence.

    Returns:
        One line; None where the predictor's own threshold is not above the lowest, or its model is another.
    """
    own = predictor.bundle.config.score_threshold
    lower = [threshold for threshold in THRESHOLDS if threshold < own]
    model = predictor.bundle.model
    if not lower or not hasattr(model, "score_threshold"):
        return None
    entries = source.entries[:: -(-len(source.entries) // IMAGES)]
    with _lowered(model, min(lower)):
        # a new predictor, whose graph is traced with the lower threshold
        scores = _scores(
            Predictor(predictor.bundle), replace(source, entries=entries), mode=mode, batch_size=batch_size, names=names
        )
    counts = {threshold: sum(score >= threshold for score in scores) for threshold in lower}
    return _line(counts, own=own, looked_at=len(entries), of=len(source.entries), limited_by=limited_by)


def _line(counts: Mapping[float, int], *, own: float, looked_at: int, of: int, limited_by: str) -> str:
    where = "them" if looked_at == of else f"{looked_at} of them"
    told = " and ".join(f"{count} score at least {threshold:g}" for threshold, count in counts.items())
    return f"no object scores at least {own:g} in {of} images; in {where} {told}; {limited_by} sets the limit"


def _scores(
    predictor: Predictor, source: Source, *, mode: Mode, batch_size: int, names: Collection[str]
) -> list[float]:
    config = predictor.bundle.config
    pictures = sources.read_pictures(
        source,
        channels=config.channels,
        log=_Silence(),
        on_skip=lambda title: None,
        image_range=config.image_range,
    )
    scores: list[float] = []
    for _, found in modes.RUNNERS[mode.name](predictor, pictures, mode, batch_size, on_error=_pass_over):
        pairs = zip(found.detections.class_names, found.detections.scores, strict=True)
        scores += [float(score) for name, score in pairs if name in names]
    return scores


def _pass_over(picture: Picture, error: Exception) -> None:
    """Leaves out a picture that failed; the run has named it."""


class _Silence(EventLog):
    """Reports nothing: what is wrong with an image has been said when it was read first."""

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        pass

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        pass


@contextmanager
def _lowered(model: Any, threshold: float) -> Iterator[None]:
    before = model.score_threshold
    model.score_threshold = threshold
    try:
        yield
    finally:
        model.score_threshold = before
