"""Opens COCO instance JSON as a source; the images stay where they are.

Objects, crowds, categories and broken parts count as for `mrcnn convert coco`. Without a file for validation, a fifth
of the images, drawn by the run's seed, validates.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrcnn.data.coco import file, objects, values
from mrcnn.data.coco.annotations import CocoObject
from mrcnn.data.coco.file import CocoDataset
from mrcnn.data.formats.objects import tags_of
from mrcnn.data.sources.source import AnnotatedImage, DataPaths, ImageList, Sets, Settings, Source
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError
from mrcnn.fields import extras
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.tag import split_indices

SUFFIX = ".json"
KIND = "COCO file"
FIX = "annotate objects there; crowds (`iscrowd` 1) are ignored"
FIX_DRAWN = "choose another `seed` or name other images by --val-data; crowds (`iscrowd` 1) are ignored"
SCORE_TAG = "confidence"  # of an object that has a `score`, as on detections in a project
VAL_FRACTION = 0.2  # of the images validate where no file names others


@dataclass(frozen=True)
class CocoItem:
    """One image of a COCO file; its annotation was read with the file.

    Attributes:
        dataset: the file's name without its suffix, with a number where two files have one name.
        name: path inside the folder of images.
        image_path: of the image file.
        ann_path: of the COCO file.
        annotation: its objects, and its facts as `extra`; crowds have the tag `iscrowd`, scores and attributes are
            tags.
    """

    dataset: str
    name: str
    image_path: Path
    ann_path: Path
    annotation: Annotation

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Returns the annotation."""
        return self.annotation


def fits(path: Path) -> bool:
    """Checks whether a path names a JSON file."""
    return path.suffix.lower() == SUFFIX and not path.is_dir()


def open_source(paths: DataPaths) -> Source:
    """Reads a COCO file, and a second one of the images to validate on.

    The classes are the categories of both, sorted by id, in order of first appearance.

    Raises:
        UserError: a folder is not named, a file is malformed, or it leaves nothing to learn.
    """
    places = check_paths(paths)
    datasets = [file.read_coco(*place, fields=paths.fields, boxes_as_masks=paths.boxes_as_masks) for place in places]
    tally = Tally()
    names = _names(datasets)
    items = [item for dataset, name in zip(datasets, names, strict=True) for item in _items(dataset, name, tally)]
    # of a category of both files, the facts of the first
    class_facts = {title: facts for dataset in reversed(datasets) for title, facts in dataset.category_facts.items()}
    titles = dict.fromkeys(title for dataset in datasets for title in dataset.categories)
    return Source(
        name=paths.data.stem,
        meta=ProjectMeta(tuple(map(ClassMeta, titles))),
        items=tuple(items),
        split=functools.partial(_split, val_name=names[1]) if paths.val_data else _split_at_random,
        warnings=(*(line for dataset in datasets for line in dataset.warnings), *tally.lines()),
        left_out=sum(dataset.lost_images for dataset in datasets),
        kind=KIND,
        class_facts=class_facts,
        classes_in=f"`categories` of {' and '.join(str(place[0]) for place in places)}",
    )


def list_images(paths: DataPaths) -> ImageList:
    """Reads the list of images of a COCO file, which needs no annotations.

    Raises:
        UserError: the folder is not named, or none of the images can be used.
    """
    folder = images_of(paths)
    names, warnings = file.list_images(paths.data, folder)
    return ImageList(folder, tuple(folder / name for name in names), warnings)


def check_paths(paths: DataPaths) -> list[tuple[Path, Path]]:
    """Checks that the named files and folders exist, without reading them.

    Returns:
        Each COCO file with the folder of its images.

    Raises:
        UserError: one does not exist, or a folder is not named.
    """
    places = [(paths.data, images_of(paths))]
    if paths.val_data:
        places.append((paths.val_data, paths.val_images or images_of(paths)))
    elif paths.val_images:
        raise UserError(f"--val-images {paths.val_images} has no effect without --val-data; give that too")
    for annotations, images in places:
        if not annotations.exists():
            raise UserError(f"cannot read the annotation file {annotations}: No such file or directory")
        file.require_folder(images, annotations)
    return places


def images_of(paths: DataPaths) -> Path:
    """Returns the folder of images.

    Raises:
        UserError: it is not named.
    """
    if paths.images is None:
        raise UserError(f"--images is missing: name the folder of the images that {paths.data} lists")
    return paths.images


def _items(dataset: CocoDataset, name: str, tally: Tally) -> list[CocoItem]:
    items, lost = [], dataset.lost
    for image in dataset.images:
        figures = [
            extras.figures(
                Label(item.category, geometry, _tags(item)),
                item.extras,
                dataset.fields.get(item.category),
            )
            for item, geometry in objects.read_objects(image, tally)
        ]
        lost += len(image.objects) - len(figures)
        labels = tuple(itertools.chain.from_iterable(figures))
        annotation = Annotation((image.height, image.width), (), labels, extra=image.facts)
        items.append(CocoItem(name, image.name, image.path, dataset.path, annotation))
    if lost and not any(item.annotation.labels for item in items):
        reasons = "; ".join((*dataset.warnings, *tally.lines()))
        raise UserError(f"nothing can be learnt from {dataset.path}: its {lost} objects are all left out: {reasons}")
    return items


def _tags(item: CocoObject) -> tuple[Tag, ...]:
    crowd = (Tag(CROWD_TAG),) if item.is_crowd else ()
    score = (Tag(SCORE_TAG, item.facts[values.SCORE]),) if values.SCORE in item.facts else ()
    return (*crowd, *score, *tags_of(item.facts.get(values.ATTRIBUTES, {})))


def _names(datasets: Sequence[CocoDataset]) -> list[str]:
    stems = [dataset.path.stem for dataset in datasets]
    return [f"{stem}_{index + 1}" if stem in stems[:index] else stem for index, stem in enumerate(stems)]


def _split(
    items: Sequence[AnnotatedImage], annotations: Sequence[Annotation], settings: Settings, *, val_name: str
) -> Sets:
    """Splits the images of two files; those of the data set `val_name` validate."""
    sets: tuple[list[int], list[int]] = ([], [])
    for index, item in enumerate(items):
        sets[item.dataset == val_name].append(index)
    train, val = ({items[index].image_path.resolve() for index in indices} for indices in sets)
    both = f"{len(train & val)} images are in both files: what is measured on them says little about new images"
    names = [f"the {len(indices)} images of {items[indices[0]].ann_path}" for indices in sets]
    return Sets(tuple(sets[0]), tuple(sets[1]), (names[0], names[1]), FIX, warnings=(both,) if train & val else ())


def _split_at_random(items: Sequence[AnnotatedImage], annotations: Sequence[Annotation], settings: Settings) -> Sets:
    """Draws `VAL_FRACTION` of the images of one file to validate on.

    Raises:
        UserError: there is only one image.
    """
    path = items[0].ann_path
    if len(items) < 2:
        raise UserError(f"{path} has one image, which cannot both train and validate; name other images by --val-data")
    val = split_indices(len(items), val_fraction=VAL_FRACTION, seed=settings.seed)
    train = [index for index in range(len(items)) if index not in val]
    names = (f"the {len(train)} training images of {path}", f"the {len(val)} validation images of {path}")
    rest = f": drawn from {path.name} by `seed` {settings.seed}; --val-data names others"
    return Sets(tuple(train), tuple(sorted(val)), names, FIX_DRAWN, rest)
