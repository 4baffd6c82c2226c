"""The section of the report with the worst and the best images, the truth beside the detections."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from mrcnn.evaluate.analysis import compare
from mrcnn.evaluate.analysis.quality import ImageQuality
from mrcnn.events import EventLog
from mrcnn.predict import sources
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.sources import Source
from mrcnn.report.evaluation.review import Review
from mrcnn.report.evaluation.sections import soft
from mrcnn.report.html import Html, element, figure, join


class Shots(NamedTuple):
    """JPEG files of one image.

    Attributes:
        truth: with its objects.
        found: with its detections.
    """

    truth: bytes
    found: bytes


def draw(review: Review, source: Source, *, facts: ModelFacts) -> dict[int, Shots]:
    """Reads the worst and the best images again and draws them.

    Args:
        review: what was computed.
        source: the evaluated images.
        facts: of the model: channels and value range of its images.

    Returns:
        JPEG files by `ImageQuality.place`; an image that cannot be read any more has none.
    """
    places = [one.place for one in (*review.worst, *review.best)]
    chosen = [review.images[place] for place in places]
    if not chosen:
        return {}
    pictures = sources.read_pictures(
        replace(source, entries=tuple(source.entries[one.image_id] for one in chosen)),
        channels=facts.channels,
        log=_Silence(),
        on_skip=lambda title: None,
        image_range=facts.image_range,
    )
    found = {}
    for picture in pictures:
        drawn = compare.panels(
            picture.image, chosen[picture.index], titles=review.titles, threshold=review.threshold, kind=review.kind
        )
        found[places[picture.index]] = Shots(*(compare.encode(one, ".jpg") for one in drawn))
    return found


def images(review: Review, source: Source, shots: Mapping[int, Shots]) -> Html:
    """Builds the worst and the best images."""
    about = (
        f"The objects beside the detections with a score of at least {review.threshold:.2f}. Blue is right, "
        "orange a wrong detection with its type of error, magenta an object that was not found, grey a region to "
        f"ignore. Images are ordered by their quality: the {review.kind} IoUs of the right detections, divided by "
        "right + wrong / 2 + missed / 2."
    )
    parts = [soft(about)]
    for heading, chosen in (("Worst", review.worst), ("Best", review.best)):
        parts.append(element("h3", heading))
        parts.append(_listed(chosen, review, source=source, shots=shots) if chosen else soft("There is none."))
    return join(parts)


def _listed(chosen: Sequence[ImageQuality], review: Review, *, source: Source, shots: Mapping[int, Shots]) -> Html:
    return element("div", *_figures(chosen, review, source=source, shots=shots), class_="shots")


def _figures(
    chosen: Iterable[ImageQuality], review: Review, *, source: Source, shots: Mapping[int, Shots]
) -> Iterable[Html]:
    for one in chosen:
        name = source.entries[review.images[one.place].image_id].title
        about = f"quality {one.quality:.2f}: {one.correct} right, {one.wrong} wrong, {one.missed} missed"
        pair = shots.get(one.place)
        truth, found = (pair.truth, pair.found) if pair else (None, None)
        both = (
            figure(truth, alt=f"objects of {name}", notes=("objects",)),
            figure(found, alt=f"detections in {name}", notes=("detections",)),
        )
        yield element("div", element("p", name, ": ", about), element("div", *both), class_="shot")


class _Silence(EventLog):
    """An event log that discards all messages: the evaluation has reported them already."""

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        pass

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        pass
