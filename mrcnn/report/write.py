"""Writes the HTML report of labelled data: one file that loads nothing."""

from pathlib import Path
from typing import NamedTuple

from mrcnn import files
from mrcnn.config.model import MASK_POINTS
from mrcnn.config.train import TrainConfig
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Settings, Source
from mrcnn.events import EventLog
from mrcnn.fields.table import FIELDS
from mrcnn.images import limits
from mrcnn.report import anchors, duplicates, findings, gallery, pictures, scan, sections, style, suspicious
from mrcnn.report.anchors import Suggestion
from mrcnn.report.findings import Review
from mrcnn.report.gallery import Wanted
from mrcnn.report.records import DataFacts
from mrcnn.report.scan import Reading
from mrcnn.report.statistics import Fit

TITLE = "Labels"


class Scanned(NamedTuple):
    """Data that was read for the report.

    Attributes:
        source: the images.
        data: their records.
        settings: of the training.
        reading: how the images were read.
    """

    source: Source
    data: DataFacts
    settings: Settings
    reading: Reading

    @property
    def decoded(self) -> frozenset[Path]:
        """Paths of the images that could be decoded."""
        return frozenset(self.source.items[image.item].image_path for image in self.data.images)


def write_report(
    paths: DataPaths,
    settings: Settings,
    path: Path,
    *,
    config: TrainConfig,
    from_config: bool = False,
    log: EventLog | None = None,
) -> DataFacts:
    """Reads data of any format and writes its report; the file is replaced only when it is complete.

    Args:
        paths: of the data.
        settings: of the training; the split depends on them.
        path: of the HTML file; its folder is created.
        config: the train config.
        from_config: as for `write_page`.
        log: where progress is shown; None for nowhere.

    Returns:
        The records of the data.

    Raises:
        UserError: the data has no known format, or the file cannot be written.
    """
    files.check_writable(path.parent)
    scanned = read_data(paths, settings, config=config, log=log)
    write_page(scanned, path, config=config, from_config=from_config)
    return scanned.data


def read_data(paths: DataPaths, settings: Settings, *, config: TrainConfig, log: EventLog | None = None) -> Scanned:
    """Reads data of any format: the first half of `write_report`.

    Raises:
        UserError: the data has no known format.
    """
    # without a head that learns from points, a box with points has no mask
    source = table.open_source(paths, [name for name in FIELDS if config.model.needs or name != MASK_POINTS])
    reading = Reading(config.model.image_range, config.max_image_mb * limits.MEGABYTE)
    return Scanned(source, scan.scan(source, settings, reading=reading, log=log), settings, reading)


def write_page(scanned: Scanned, path: Path, *, config: TrainConfig, from_config: bool = False) -> None:
    """Writes the report of data that was read: the second half of `write_report`.

    Args:
        scanned: from `read_data` with the same config.
        path: of the HTML file; its folder is created.
        config: the train config.
        from_config: whether objects are judged at the config's input size; else at the suggested one.

    Raises:
        UserError: the file cannot be written.
    """
    files.check_writable(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    data, rule = scanned.data, config.model.image_fit
    suggestion = anchors.suggest(data, rule=rule)
    own = Fit(config.input_size.min_dim, config.input_size.max_dim, rule)
    review = examine(
        data,
        fit=own if from_config or suggestion is None else suggestion.fit,
        nms=config.model.detection_nms_iou_threshold,
        most_found=config.model.detections_per_image,
    )
    wanted = pictures.wanted(review)
    jpegs = gallery.draw(scanned.source, data, wanted, settings=scanned.settings, reading=scanned.reading)
    page = render(review, suggestion, jpegs=jpegs, from_config=from_config or suggestion is None)
    with files.writing("the report", path), files.replaced(path) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")


def examine(data: DataFacts, *, fit: Fit, nms: float = 0.3, most_found: int = 100) -> Review:
    """Computes what the report shows of the records.

    Args:
        data: the records.
        fit: the model input at which objects are judged.
        nms: `model.detection_nms_iou_threshold`.
        most_found: `model.detections_per_image`.
    """
    suspects = tuple(suspicious.find(data, fit))
    pairs = tuple(duplicates.find([image.look for image in data.images]))
    return Review(data, fit, suspects, pairs, nms, most_found)


def render(
    review: Review, suggestion: Suggestion | None, *, jpegs: dict[Wanted, bytes], from_config: bool = False
) -> str:
    """Builds the page.

    Args:
        review: what was computed.
        suggestion: the suggested config; None without an object.
        jpegs: the pictures.
        from_config: whether `review.fit` is that of the config.
    """
    data = review.data
    contents = [
        ("classes", "Classes", sections.classes(data)),
        ("sizes", "Sizes of objects", sections.sizes(data, review.fit)),
        ("ratios", "Aspect ratios", sections.ratios(data)),
        ("per-image", "Objects per image", sections.per_image(data)),
        ("config", "Suggested config", sections.config(suggestion)),
        ("overlaps", "Overlaps", pictures.overlaps(review, jpegs)),
        ("duplicates", "Images that look the same", pictures.duplicates(review, jpegs)),
        ("images", "Images", pictures.images(review, jpegs)),
        ("gallery", "Gallery", pictures.gallery(review, jpegs)),
    ]
    about = f"{data.kind[:1].upper()}{data.kind[1:]}. {sections.chosen_input(review, from_config=from_config)}"
    top = sections.overview(data, findings.find(review))
    return style.page(f"{TITLE}: {data.name}", about=about, contents=contents, top=top)
