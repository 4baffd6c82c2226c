"""Counts the detections at lower score thresholds after a run found nothing."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from mrcnn.config.inference import Mode
from mrcnn.events import EventLog
from mrcnn.predict import modes, sources
from mrcnn.predict.sources import Picture, Source
from mrcnn.predict.staged import AnyPredictor

THRESHOLDS = (0.3, 0.1)
IMAGES = 20  # most images that are predicted again


def describe(
    predictor: AnyPredictor, source: Source, *, mode: Mode, batch_size: int, names: Collection[str], limited_by: str
) -> str | None:
    """Predicts some images again and describes how many objects reach lower score thresholds.

    Args:
        predictor: the predictor of the run.
        source: the images of the run; up to `IMAGES` of them, evenly spread, are predicted again.
        mode: the inference mode of the run.
        batch_size: regions per batch.
        names: names of the classes that are counted.
        limited_by: the setting that determines the predictor's threshold, for the message.

    Returns:
        One line with the count at each of `THRESHOLDS` below the predictor's own threshold, or on an exported file
        that has no such detections; None if there is no threshold below it.
    """
    own = predictor.facts.choices.score_threshold
    lower = [threshold for threshold in THRESHOLDS if predictor.least_score <= threshold < own]
    if not lower and predictor.least_score > 0:
        return (
            f"no object scores at least {own:g} in {len(source.entries)} images, and the exported file drops what "
            f"scores less than {predictor.least_score:g}; export the model again with a lower --score-threshold"
        )
    if not lower:
        return None
    entries = source.entries[:: -(-len(source.entries) // IMAGES)]
    again = predictor.with_choices(score_threshold=min(lower))
    scores = _scores(again, replace(source, entries=entries), mode=mode, batch_size=batch_size, names=names)
    counts = {threshold: sum(score >= threshold for score in scores) for threshold in lower}
    return _line(counts, own=own, looked_at=len(entries), of=len(source.entries), limited_by=limited_by)


def _line(counts: Mapping[float, int], *, own: float, looked_at: int, of: int, limited_by: str) -> str:
    where = "them" if looked_at == of else f"{looked_at} of them"
    told = " and ".join(f"{count} score at least {threshold:g}" for threshold, count in counts.items())
    return f"no object scores at least {own:g} in {of} images; in {where} {told}; {limited_by} sets the limit"


def _scores(
    predictor: AnyPredictor, source: Source, *, mode: Mode, batch_size: int, names: Collection[str]
) -> list[float]:
    pictures = sources.read_pictures(
        source,
        channels=predictor.facts.channels,
        log=_Silence(),
        on_skip=lambda title: None,
        image_range=predictor.facts.image_range,
    )
    scores: list[float] = []
    for _, found in modes.RUNNERS[mode.name](predictor, pictures, mode, batch_size=batch_size, on_error=_pass_over):
        pairs = zip(found.detections.class_names, found.detections.scores, strict=True)
        scores += [float(score) for name, score in pairs if name in names]
    return scores


def _pass_over(picture: Picture, error: Exception) -> None:
    """Ignores a picture that failed; the run has reported it already."""


class _Silence(EventLog):
    """An event log that discards all messages: the run has reported them already."""

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        pass

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        pass
