"""Writes CVAT's XML for images (version 1.1), with the images in a folder beside it.

    annotations.xml
    images/NAME.jpg

An object of one part without holes is a polygon, from which COCO's mask code draws exactly its pixels; another one is
a `mask`, counts of pixels row by row inside its box, zeros first. The split of an image is its `subset`. Tags and the
score are attributes, which the labels of the file declare; a tag `occluded` is CVAT's own attribute. A crowd has the
attribute `iscrowd`.
Source: CVAT's XML annotation format.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.sax import saxutils

import numpy as np

from mrcnn.convert.writers import numerals, outlines
from mrcnn.convert.writers.record import Instance, Picture, Setup, Writer, attributes_of

FILE, BODY = "annotations.xml", "annotations.body"
IMAGES = "images"
SCORE = "confidence"  # name of the attribute with the score of a detection
SCORE_DECIMALS = 6
OCCLUDED = "occluded"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


class CvatWriter(Writer):
    """Writes the images as they come; the labels, which are at the start of the file, at the end."""

    HOLDS = frozenset({"score", "tags", "crowds", "image tags"})

    def __init__(self, setup: Setup):
        """Starts without images."""
        super().__init__(setup)
        self._count = 0
        self._attributes: dict[str, dict[str, None]] = {title: {} for title in setup.titles}
        self._tags: dict[str, None] = {}
        self._body = setup.folder / BODY
        self._body.touch()

    def image_path(self, picture: Picture) -> str:
        """Places an image below one folder for all splits."""
        return f"{IMAGES}/{picture.name}"

    def add(self, picture: Picture) -> None:
        """Writes the element of an image; see `Writer.add`."""
        items = self.kept(picture)
        for item in items:
            self._attributes[item.title].update(dict.fromkeys(_attributes(item)))
        self._tags.update(dict.fromkeys(tag.name for tag in picture.tags))
        with self._body.open("a", encoding="utf-8") as stream:
            stream.write(image_element(picture, items, number=self._count))
        self._count += 1

    def finish(self) -> Sequence[str]:
        """Writes the labels, then the images; see `Writer.finish`."""
        with (self.setup.folder / FILE).open("w", encoding="utf-8") as stream:
            stream.writelines(self._head())
            with self._body.open(encoding="utf-8") as body:
                shutil.copyfileobj(body, stream)
            stream.write("</annotations>\n")
        self._body.unlink()
        return ()

    def _head(self) -> Iterator[str]:
        yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
        yield f"      <name>{_text(self.setup.name)}</name>\n      <size>{self._count}</size>\n"
        yield "      <mode>annotation</mode>\n      <labels>\n"
        for title, names in self._attributes.items():
            yield label_element(title, names, color=self.setup.colors.get(title), kind="any")
        for name in self._tags:
            if name not in self._attributes:
                yield label_element(name, (), color=None, kind="tag")
        yield "      </labels>\n    </task>\n  </meta>\n"


def label_element(title: str, attributes: Iterable[str], *, color: str | None, kind: str) -> str:
    """Makes the element that declares a label.

    Args:
        title: its name.
        attributes: names of its attributes, which take any text.
        color: `#RRGGBB`; None leaves it to CVAT.
        kind: of its shapes: `any`, or `tag` for a label of images.
    """
    shown = "".join(
        f"<attribute><name>{_text(name)}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
        for name in attributes
    )
    paint = f"<color>{_text(color)}</color>" if color else ""
    return (
        f"        <label><name>{_text(title)}</name>{paint}<type>{kind}</type>"
        f"<attributes>{shown}</attributes></label>\n"
    )


def image_element(picture: Picture, instances: Iterable[Instance], *, number: int) -> str:
    """Makes the element of an image.

    Args:
        picture: the image.
        instances: its objects.
        number: of the image, from 0.
    """
    height, width = picture.size_hw
    subset = f" subset={_quoted(picture.split)}" if picture.split else ""
    lines = [f'  <image id="{number}" name={_quoted(picture.name)}{subset} width="{width}" height="{height}">\n']
    items = list(instances)
    traced = outlines.trace_all([item.drawn for item in items])
    lines += [shape_element(item, found) for item, found in zip(items, traced, strict=True)]
    for tag in picture.tags:
        inside = "" if tag.value is None else _attribute_elements({"value": tag.value})
        lines.append(f'    <tag label={_quoted(tag.name)} source="manual">{inside}</tag>\n')
    return "".join([*lines, "  </image>\n"])


def shape_element(item: Instance, found: outlines.Outlines) -> str:
    """Makes the element of an object: a polygon where it is one part without holes, else a mask.

    Args:
        item: the object.
        found: its outlines.
    """
    values = _attributes(item)
    occluded = int(any(tag.name == OCCLUDED and tag.value is None for tag in item.tags))
    source = "manual" if item.score is None else "auto"
    common = f'label={_quoted(item.title)} source="{source}" occluded="{occluded}"'
    if found.holes or found.parts[1:]:
        (y, x), (height, width) = item.origin, item.mask.shape
        place = f'rle="{", ".join(map(str, run_lengths(item.mask)))}" left="{x}" top="{y}" width="{width}"'
        return f'    <mask {common} {place} height="{height}" z_order="0">{_attribute_elements(values)}</mask>\n'
    points = numerals.separated(found.parts[0].ravel().tolist())
    return f'    <polygon {common} points="{points}" z_order="0">{_attribute_elements(values)}</polygon>\n'


def run_lengths(mask: np.ndarray) -> list[int]:
    """Counts the pixels of each run, row by row, the first run being false and perhaps of length 0.

    Args:
        mask: `[h, w]` bool.
    """
    edges = np.flatnonzero(np.diff(mask.ravel().astype(np.int8), prepend=0))
    return np.diff(edges, prepend=0, append=mask.size).tolist()


def _attributes(item: Instance) -> dict[str, object]:
    """Lists an object's attributes by name: its tags, its score, and whether it is a crowd."""
    tags = [tag for tag in item.tags if tag.name != OCCLUDED or tag.value is not None]
    score = {} if item.score is None else {SCORE: round(item.score, SCORE_DECIMALS)}
    return {**attributes_of(tags, is_crowd=item.is_crowd), **score}


def _attribute_elements(values: Mapping[str, object]) -> str:
    texts = {name: "true" if value is True else str(value) for name, value in values.items()}
    return "".join(f"<attribute name={_quoted(name)}>{_text(text)}</attribute>" for name, text in texts.items())


def _text(text: str) -> str:
    return saxutils.escape(_NOT_XML.sub("\ufffd", text))


def _quoted(text: str) -> str:
    return saxutils.quoteattr(_NOT_XML.sub("\ufffd", text))
