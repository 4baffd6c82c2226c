"""Counts of an inference run: images, skipped images, and detections by class."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mrcnn.errors import counted
from mrcnn.events import EventLog


@dataclass
class Summary:
    """Counts the images and detections of a run.

    Attributes:
        images: number of images written.
        skipped: names of the skipped images.
        scores: scores of the written detections, by class of the model.
        images_with: number of images with at least one detection, by class.
        full: names of the images that reached the model's limit of detections.
    """

    images: int = 0
    skipped: list[str] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    images_with: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    full: list[str] = field(default_factory=list)

    @property
    def objects(self) -> int:
        """The number of objects written."""
        return sum(map(len, self.scores.values()))

    def add(self, found: Iterable[tuple[str, float]]) -> None:
        """Counts a written image with the class name and score of each detection."""
        self.images += 1
        names = set()
        for name, score in found:
            self.scores[name].append(score)
            names.add(name)
        for name in names:
            self.images_with[name] += 1

    def report(self, log: EventLog) -> None:
        """Logs the totals, then one line per class."""
        line = f"{counted(self.objects, 'object')} in {counted(self.images, 'image')}"
        log.emit(f"{line}, {len(self.skipped)} skipped" if self.skipped else line, skipped=self.skipped)
        for name, scores in sorted(self.scores.items()):
            mean, found = sum(scores) / len(scores), counted(len(scores), "object")
            log.emit(
                f"{name}: {found} in {counted(self.images_with[name], 'image')}, mean score {mean:.3f}",
                class_title=name,
                objects=len(scores),
                images=self.images_with[name],
                mean_score=mean,
            )
