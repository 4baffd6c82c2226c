"""Describes the newest validation of a run for its model card: measures by class, and drawn examples."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from mrcnn import optional
from mrcnn.card.facts import BestFacts, Picture, finite
from mrcnn.data import pipeline
from mrcnn.evaluate.metric import GROUPS, PER_CLASS
from mrcnn.fields.table import Fields
from mrcnn.predict import compact
from mrcnn.structures import Detections, GroundTruth, Sample
from mrcnn.train.check import Checked
from mrcnn.train.optional_files import OptionalFiles
from mrcnn.train.validation import MetricScorer

WHAT = "the examples of the model card"
NAME = "example-{}.jpg"
OTHER_COLOR = "#FF8800"  # of a class that the data does not have
CHANNELS = 3  # of a picture


class Kept:
    """Collects the newest detections of some validation images.

    Attributes:
        found: the detections by image id.
    """

    def __init__(self, images: Collection[int]):
        """Starts without detections of the images, given by their ids."""
        self.found: dict[int, Detections] = {}
        self._images = frozenset(images)

    def add(self, image_id: int, truth: GroundTruth, detections: Detections) -> None:
        """Stores the detections of an image if it is one of those."""
        if image_id in self._images:
            self.found[image_id] = detections


class CardExamples:
    """Describes validations; draws where the extra `draw` is installed."""

    def __init__(
        self,
        scorer: MetricScorer,
        kept: Kept,
        *,
        checked: Checked,
        folder: Path,
        fields: Fields,
        optional_files: OptionalFiles,
    ):
        """Stores what is needed to describe a validation.

        Args:
            scorer: has the measures of the newest validation.
            kept: has the detections of the images to draw.
            checked: the settings, the samples and the classes.
            folder: where the pictures are written.
            fields: the model's extra fields by name.
            optional_files: turns errors of the pictures into a warning.
        """
        self._scorer, self._kept, self._folder = scorer, kept, folder
        self._fields, self._optional_files = fields, optional_files
        self._samples: Sequence[Sample] = checked.samples.val
        self._titles: Mapping[int, str] = {index: title for title, index in checked.samples.class_title_to_idx.items()}
        known = {item.title: item.color for item in checked.meta.classes}
        self._colors = {title: known.get(title, OTHER_COLOR) for title in self._titles.values()}
        self._reading = pipeline.reading(checked.config)
        self._score_threshold = checked.config.model.score_threshold
        has_drawing = not optional.missing("draw")
        self._drawing = optional.load("mrcnn.card.pictures", extra="draw", purpose=WHAT) if has_drawing else None

    def describe(self, epoch: int) -> BestFacts:
        """Describes the newest validation and replaces the pictures.

        Args:
            epoch: from 1.
        """
        details = self._scorer.details
        per_class = {
            self._titles[index]: finite(values)
            for index, values in details.get(PER_CLASS, {}).items()
            if index in self._titles  # stuff has no title here
        }
        overall = {name: value for name, value in details.items() if name not in (PER_CLASS, GROUPS)}
        return BestFacts(
            epoch=epoch,
            metrics=finite(overall),
            per_class=per_class,
            pictures=self._pictures(self._drawing) if self._drawing else (),
            score_threshold=self._score_threshold,
        )

    def _pictures(self, drawing: ModuleType) -> tuple[Picture, ...]:
        written = []
        for number, (index, found) in enumerate(sorted(self._kept.found.items()), start=1):
            sample, name = self._samples[index], NAME.format(number)
            with self._optional_files.attempting(f"drawing {WHAT}"):
                image, instances = pipeline.read_sample(sample, CHANNELS, **self._reading)
                drawing.write_example(
                    self._folder / name,
                    image,
                    truth=GroundTruth(image.shape[0], image.shape[1], instances),
                    found=compact.from_dense(_above(found, self._score_threshold)),
                    class_names=tuple(self._titles[index] for index in sorted(self._titles)),
                    class_colors=self._colors,
                    fields=self._fields,
                )
                written.append(Picture(file=name, image=sample.name))
        return tuple(written)


def _above(found: Detections, threshold: float) -> Detections:
    """Selects the detections that score at least `threshold`."""
    kept = np.flatnonzero(found.scores >= threshold)
    return Detections(
        boxes=found.boxes[kept],
        class_ids=found.class_ids[kept],
        class_names=tuple(found.class_names[index] for index in kept),
        scores=found.scores[kept],
        masks=found.masks[kept],
        extras={name: values[kept] for name, values in found.extras.items()},
    )
