"""The sections of the report on statistics: classes, sizes, shapes, and the suggested config."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from mrcnn.report import anchors, statistics, svg
from mrcnn.report.anchors import Suggestion
from mrcnn.report.findings import Finding, Review
from mrcnn.report.html import Html, element, join, prose, table
from mrcnn.report.records import SPLITS, DataFacts
from mrcnn.report.statistics import CELL, Fit

INPUTS = (256, 512, 768, 1024, 1280)  # `max_dim` of the table of small objects
PERCENT = ("5 %", "25 %", "median", "75 %", "95 %")
MOST_BARS = 60
NOTHING = element("p", "There is no object to learn.", class_="soft")


def overview(data: DataFacts, found: list[Finding]) -> Html:
    """Builds the numbers at the top and the list of findings."""
    objects = sum(statistics.objects_per_image(data))
    sizes = Counter(image.size_hw for image in data.images)
    size = next(iter(sizes.most_common(1)), (("–", "–"), 0))[0]
    numbers = (
        ("images", f"{len(data.images):,}"),
        ("objects", f"{objects:,}"),
        ("classes", f"{len(data.titles):,}"),
        ("objects per image", f"{objects / max(1, len(data.images)):.1f}"),
        ("most frequent size" if len(sizes) > 1 else "size of images", f"{size[1]} × {size[0]}"),
    )
    tiles = (element("div", element("dt", name), element("dd", value)) for name, value in numbers)
    rows = [element("li", element("b", one.level), prose(one.text), " ", _link(one), class_=one.level) for one in found]
    listed = element("ul", *rows, class_="findings") if rows else element("p", "Nothing unusual was found.")
    return join([element("dl", *tiles, class_="facts"), element("h2", "Findings", id="findings"), listed])


def classes(data: DataFacts) -> Html:
    """Builds the chart and the table of objects by class and split."""
    counts, used = statistics.class_counts(data), statistics.used_splits(data)
    largest = sorted(counts, key=lambda row: -row.objects.total())[:MOST_BARS]
    parts = [split for split in SPLITS if split in used]
    chart = svg.bars(
        [(row.title, [row.objects[split] if split in used else 0 for split in SPLITS]) for row in largest],
        parts=SPLITS,
        label="objects of each class by split",
    )
    images = Counter(image.split for image in data.images)
    total = sum(row.objects.total() for row in counts)
    rows: list[tuple[object, ...]] = [("images", *(images[split] for split in parts), len(data.images), "", "")]
    rows += [
        (row.title, *(row.objects[split] for split in parts), row.objects.total(), row.images.total(),
         f"{row.objects.total() / max(1, total):.1%}")
        for row in counts
    ]  # fmt: skip
    head = ("class", *parts, "all", "in images", "share")
    return join([_legend(parts), Html(chart), table(head, rows, caption="objects by class and split")])


def per_image(data: DataFacts) -> Html:
    """Builds the histogram of objects per image, in bins of equal width."""
    counts = statistics.objects_per_image(data)
    if not counts:
        return NOTHING
    step = max(1, -(-(max(counts) + 1) // 25))
    edges = [float(edge) for edge in range(0, max(counts) + step + 1, step)]
    bins = Counter(count // step for count in counts)
    drawn = svg.histogram(
        edges, [bins[number] for number in range(len(edges) - 1)], label="images by number of objects"
    )
    about = element("p", f"Images by their number of objects. At most {max(counts)} in one image.", class_="soft")
    return join([about, Html(drawn), _quantiles({"objects per image": counts})])


def sizes(data: DataFacts, fit: Fit) -> Html:
    """Builds the histogram of object sizes in the model input, and the tables of small objects."""
    found = statistics.sides(data, fit)
    if not len(found):
        return NOTHING
    means = statistics.mean_sides(found)
    edges = statistics.edges_of(means)
    label = "objects by size in the model input"
    drawn = svg.histogram(edges, statistics.histogram(means, edges), label=label, marks=[(CELL, f"{CELL} pixels")])
    about = (
        f"Side of a square of the box's area, in pixels of the model input: `input_size` min_dim {fit.min_dim}, "
        f"max_dim {fit.max_dim}. Training leaves out what is under half a pixel; below {CELL} pixels an object is "
        "smaller than a cell of the finest level of the pyramid."
    )
    rows = [(row.title, row.total, row.vanished, row.cell, svg.number(row.median))
            for row in statistics.small_objects(data, fit)]  # fmt: skip
    head = ("class", "objects", "vanish (< 0.5 px)", f"< {CELL} px", "median of the shorter side, px")
    return join(
        [
            element("p", prose(about), class_="soft"),
            Html(drawn),
            _quantiles(
                {"in the model input, px": means, "in the image, px": statistics.mean_sides(statistics.sides(data))}
            ),
            element("h3", "Small objects by class"),
            table(head, rows, caption="small objects by class"),
            element("h3", "Small objects by input size"),
            _by_input(data, fit),
        ]
    )


def ratios(data: DataFacts) -> Html:
    """Builds the histogram of aspect ratios."""
    values = statistics.aspect_ratios(data)
    if not len(values):
        return NOTHING
    edges = statistics.edges_of(values)
    drawn = svg.histogram(edges, statistics.histogram(values, edges), label="objects by width / height of their box")
    about = element(
        "p", "Width / height of the box in the image: 1 is a square, 2 twice as wide as high.", class_="soft"
    )
    return join([about, Html(drawn), _quantiles({"width / height": values})])


def config(found: Suggestion | None) -> Html:
    """Builds the suggested config with its reasons and a button that copies it."""
    if found is None:
        return NOTHING
    content = anchors.as_json(anchors.config_of(found))
    fit, chosen, default = found.fit, found.anchors, found.default
    lines = [
        f"Input size: the smallest of which at most {anchors.SMALL_SHARE:.0%} of the objects are under {CELL} pixels "
        f"and three quarters have a size of at least {anchors.TYPICAL:g} pixels.",
        f"Anchors: {chosen.reached:.1%} of the objects have an anchor with an IoU of at least {anchors.GOOD} at an "
        f"input of {fit.max_dim} pixels; with the default anchors {default.reached:.1%}.",
    ]
    if chosen[:2] == default[:2]:
        lines[1] = f"Anchors: the default ones, of which one has an IoU of at least {anchors.GOOD} with " \
                   f"{default.reached:.1%} of the objects."  # fmt: skip
    else:
        lines.append(
            "With start weights whose anchors differ, the region proposals are learnt anew in the first epochs."
        )
    if found.tiles:
        lines[0] = (
            f"Input size: {fit.max_dim} pixels, where many objects still are small. A larger input shows little more "
            "than the images do; cut large images into tiles, or compare with a larger `max_dim`."
        )
    button = Html('<button type="button" data-copy="suggested" hidden>Copy</button> <span role="status"></span>')
    block = Html(f'<pre id="suggested" tabindex="0" aria-label="suggested config">{escape(content)}</pre>')
    note = "Merge these keys into a train config, or save them as one: the other keys keep their defaults."
    return join(
        [element("p", note), block, element("p", button), *(element("p", prose(line), class_="soft") for line in lines)]
    )


def chosen_input(review: Review, *, from_config: bool) -> str:
    """Says at which model input objects are judged."""
    whose = "of the config" if from_config else "suggested below"
    return f"Objects are judged at the model input {whose}: min_dim {review.fit.min_dim}, max_dim {review.fit.max_dim}."


def _link(one: Finding) -> Html:
    return element("a", "show", href=f"#{one.section}", aria_label=f"show {one.section}")


def _by_input(data: DataFacts, fit: Fit) -> Html:
    rows = []
    for side in sorted({*INPUTS, fit.max_dim}):
        other = Fit(max(1, round(fit.min_dim * side / fit.max_dim)), side, fit.rule)
        small = statistics.small_objects(data, other)
        total, cell = sum(row.total for row in small), sum(row.cell for row in small)
        name = f"{side} (here)" if side == fit.max_dim else f"{side}"
        rows.append((name, str(other.min_dim), sum(row.vanished for row in small), cell, f"{cell / total:.1%}"))
    return table(("max_dim", "min_dim", "vanish", f"< {CELL} px", "share"), rows, caption="small objects by input size")


def _quantiles(values: Mapping[str, Sequence[float] | np.ndarray]) -> Html:
    rows = [(name, *map(svg.number, statistics.quantiles(own))) for name, own in values.items()]
    return table(("", *PERCENT), rows, caption="quantiles")


def _legend(parts: list[str]) -> Html:
    keys = [
        Html(f'<span><svg viewBox="0 0 1 1" aria-hidden="true"><rect class="part-{SPLITS.index(part)}" width="1" '
             f'height="1"/></svg>{escape(part)}</span>')
        for part in parts
    ]  # fmt: skip
    return element("div", *keys, class_="legend")
