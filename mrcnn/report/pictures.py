"""The sections of the report on single images and objects: overlaps, duplicates, images, and the gallery."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mrcnn.report import findings, statistics, suspicious
from mrcnn.report.duplicates import Pair
from mrcnn.report.findings import Review
from mrcnn.report.gallery import Wanted
from mrcnn.report.html import Html, element, figure, join, listed, prose, table
from mrcnn.report.records import DataFacts
from mrcnn.report.suspicious import Suspect

PER_CLASS, CLASSES = 12, 60  # pictures of a class, and classes of the gallery
PAIRS, EMPTY, DOUBLES = 12, 12, 12  # pictures of each kind
NAMES = 30  # of a list
OPEN = 6  # classes whose pictures are shown at once

Jpegs = Mapping[Wanted, bytes]


def wanted(review: Review) -> list[Wanted]:
    """Lists the pictures of all sections."""
    found = [Wanted(one.image, one.item) for chosen in _gallery(review).values() for one in chosen]
    found += [Wanted(image, first) for image, first, _ in findings.doubles(review.data)[:DOUBLES]]
    for pair in _shown_pairs(review):
        found += [Wanted(pair.first), Wanted(pair.second)]
    return found + [Wanted(index) for index in _empty(review.data)[:EMPTY]]


def gallery(review: Review, jpegs: Jpegs) -> Html:
    """Builds the pictures of each class, the suspicious ones first."""
    chosen = _gallery(review)
    if not chosen:
        return element("p", "There is no object to learn.", class_="soft")
    suspects = Counter(_title(one, review.data) for one in review.suspects if one.reasons)
    parts = [
        element("p", "Labels as training draws them; other objects are outlined in grey. A reason is a hint, not a "
                "verdict.", class_="soft")
    ]  # fmt: skip
    for number, (title, objects) in enumerate(chosen.items()):
        name = element("summary", element("strong", title), f" – {suspects[title]:,} unusual")
        shown = element("div", *(_object(one, review.data, jpegs) for one in objects), class_="pictures")
        parts.append(element("details", name, shown, open="" if number < OPEN else None))
    there = len({_title(one, review.data) for one in review.suspects})
    if there > len(chosen):
        parts.append(element("p", f"The other {there - len(chosen)} classes are not shown.", class_="soft"))
    return join(parts)


def overlaps(review: Review, jpegs: Jpegs) -> Html:
    """Builds the table of objects that cover the same pixels, by their classes, with pictures."""
    data, pairs = review.data, findings.doubles(review.data)
    crowded = Counter(item.title for _, item in statistics.learnt(data) if item.crowding > review.nms)
    parts = [
        element("p", f"Masks of two objects with an IoU of at least {suspicious.DOUBLE} are probably one object "
                "labelled twice.", class_="soft")
    ]  # fmt: skip
    if pairs:
        both = Counter(tuple(sorted(_titles(data, pair))) for pair in pairs)
        rows = [(first, second, count) for (first, second), count in both.most_common()]
        parts.append(table(("class", "and class", "pairs"), rows, caption="objects that cover the same pixels"))
        shown = [
            figure(jpegs.get(Wanted(image, first)), alt=f"two objects in {data.images[image].name}",
                   notes=(" and ".join(_titles(data, (image, first, second))), data.images[image].name))
            for image, first, second in pairs[:DOUBLES]
        ]  # fmt: skip
        parts.append(element("div", *shown, class_="pictures"))
    else:
        parts.append(element("p", "There are none."))
    if crowded:
        note = (
            f"Boxes that overlap another of their class by more than `model.detection_nms_iou_threshold` "
            f"{review.nms:g}: detection keeps one of two such boxes. Raise the threshold where this is frequent."
        )
        parts += [element("h3", "Crowded objects"), element("p", prose(note), class_="soft")]
        parts.append(table(("class", "objects"), crowded.most_common(), caption="crowded objects by class"))
    return join(parts)


def duplicates(review: Review, jpegs: Jpegs) -> Html:
    """Builds the pairs of images that look the same."""
    data = review.data
    leaks, alike = findings.across(review.pairs, data)
    parts = [
        element("p", "Compared by a perceptual hash (dHash, 256 bits): resized, recompressed or slightly brighter "
                "copies are found, mirrored or cut ones are not.", class_="soft")
    ]  # fmt: skip
    for heading, pairs in (("In both sets", leaks), ("Within a set", alike)):
        parts.append(element("h3", f"{heading}: {len(pairs):,}"))
        shown = [_pair(pair, data, jpegs) for pair in pairs[:PAIRS]]
        names = [f"{data.images[pair.first].name} = {data.images[pair.second].name}" for pair in pairs[PAIRS:]]
        parts += [element("div", *shown, class_="pictures")] if shown else []
        parts += [listed(names, most=NAMES)] if names else []
    return join(parts)


def images(review: Review, jpegs: Jpegs) -> Html:
    """Builds what concerns whole images: sizes, orientation, images without objects, unusable ones."""
    data = review.data
    sizes = Counter(image.size_hw for image in data.images).most_common(10)
    rows = [(f"{width} × {height}", count) for (height, width), count in sizes]
    turned = Counter(image.orientation for image in data.images if image.orientation != 1)
    unturned = [image.name for image in data.images if image.unturned]
    empty = _empty(data)
    parts = [element("h3", "Sizes"), table(("width × height", "images"), rows, caption="sizes of images")]
    parts.append(element("h3", "EXIF orientation"))
    if turned:
        rows = [(f"orientation {value}", count) for value, count in sorted(turned.items())]
        parts.append(table(("", "images"), rows, caption="images by EXIF orientation"))
        parts.append(element("p", "They are turned as viewers turn them, unless the labels fit only the image as "
                             f"stored: so it is for {len(unturned)}.", class_="soft"))  # fmt: skip
        parts.append(listed(unturned, most=NAMES))
    else:
        parts.append(element("p", "All images are stored upright."))
    parts.append(element("h3", f"Images without objects: {len(empty):,}"))
    shown = [figure(jpegs.get(Wanted(index)), alt=data.images[index].name, notes=(data.images[index].name,))
             for index in empty[:EMPTY]]  # fmt: skip
    parts.append(element("div", *shown, class_="pictures"))
    parts.append(listed([data.images[index].name for index in empty[EMPTY:]], most=NAMES))
    parts.append(element("h3", f"Images that cannot be used: {len(data.skipped):,}"))
    parts.append(listed([f"{one.name}: {one.reason}" for one in data.skipped], most=NAMES))
    left_out = [f"{image.name}: {image.left_out}" for image in data.images if image.left_out]
    if left_out:
        parts += [element("h3", "Objects left out, by image"), listed(left_out, most=NAMES)]
    if data.remarks:
        parts += [element("h3", "Remarks of the reader"), listed(data.remarks, most=NAMES)]
    return join(parts)


def _gallery(review: Review) -> dict[str, list[Suspect]]:
    chosen = suspicious.ranked(review.suspects, review.data, most=PER_CLASS)
    first = sorted(chosen, key=lambda title: -sum(one.weight for one in chosen[title]))[:CLASSES]
    return {title: objects for title, objects in chosen.items() if title in set(first)}


def _shown_pairs(review: Review) -> list[Pair]:
    leaks, alike = findings.across(review.pairs, review.data)
    return [*leaks[:PAIRS], *alike[:PAIRS]]


def _empty(data: DataFacts) -> list[int]:
    return [index for index, image in enumerate(data.images) if not image.objects]


def _title(one: Suspect, data: DataFacts) -> str:
    return data.images[one.image].objects[one.item].title


def _titles(data: DataFacts, pair: Sequence[int]) -> list[str]:
    image, *both = pair
    return [data.images[image].objects[place].title for place in both]


def _object(one: Suspect, data: DataFacts, jpegs: Jpegs) -> Html:
    image = data.images[one.image]
    item = image.objects[one.item]
    notes: list[object] = [element("span", reason, class_="why") for reason in one.reasons]
    notes += [f"{item.width} × {item.height} px at {item.box[1]}, {item.box[0]}", image.name]
    return figure(jpegs.get(Wanted(one.image, one.item)), alt=f"{item.title} in {image.name}", notes=notes)


def _pair(pair: Pair, data: DataFacts, jpegs: Jpegs) -> Html:
    both = [
        figure(jpegs.get(Wanted(index)), alt=data.images[index].name,
               notes=(f"{data.images[index].split}: {data.images[index].name}",))
        for index in (pair.first, pair.second)
    ]  # fmt: skip
    return element("div", *both, class_="pair")
