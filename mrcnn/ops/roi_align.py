"""RoIAlign: samples the features of regions from the levels of a pyramid.

All levels are concatenated into one table of cells, so that each region reads from its own level without sorting the
regions by level. Weights and sums are float32; the result has the features' dtype.
Shape letters: B images, P regions of all images, S output side, Hl Wl size of a level,
C channels.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from keras import ops

from mrcnn.ops import accelerator
from mrcnn.ops.backend.current import native
from mrcnn.ops.levels import FINEST
from mrcnn.structures import Size, Tensor

MODES = ("crop_and_resize", "aligned", "unaligned")
# Matterport's rule makes a sample beyond the last cell's middle 0. A region that ends with the image has its last
# sample exactly there, where rounding alone would decide, so samples this close (in cells) still count as inside.
_BORDER_TOLERANCE = 1e-3
_CHUNK = 1 << 21  # values computed at a time: the C library reuses blocks of this size, larger ones cost page faults


_Regions = tuple[Tensor, Tensor, Tensor]  # boxes in shares of the image [P, 4], index of the level [P], image [P]
_Neighbour = tuple[Tensor, Tensor]  # a cell's index [P, S] int32 and its weight [P, S] float32


class _Pyramid(NamedTuple):
    """All maps as one table of cells, with each level's place in it and size.

    All fields but `cells` are `[L]` int32.
    """

    cells: Tensor  # [B * sum(Hl * Wl), C], level by level, image by image
    first: Tensor  # index of the level's first cell
    height: Tensor
    width: Tensor


class _Axis(NamedTuple):
    """Sample positions of regions along one axis, in cells."""

    start: Tensor  # [P] float32, start of the first bin; in crop_and_resize, position of its sample
    step: Tensor  # [P] float32, from bin to bin
    samples: Tensor  # [P] float32, per bin
    length: Tensor  # [P] int32, cells of the axis
    bins: int
    within_bins: bool  # samples divide the bins; else each bin's one sample lies at its start


class _Places(NamedTuple):
    """Sample positions of regions: their map's first cell and both axes."""

    base: Tensor  # [P] int32
    width: Tensor  # [P] int32, cells of a row of the map
    rows: _Axis
    columns: _Axis


def roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    levels: Tensor,
    *,
    image_size: Size,
    output_size: int | tuple[int, int],
    image_index: Tensor,
    mode: str = "crop_and_resize",
    sampling_ratio: int = 1,
) -> Tensor:
    """Computes RoIAlign: bilinear samples of each region's level on an S x S grid.

    The conventions differ in where the samples lie:

    * `crop_and_resize` (Matterport): one sample per bin, the first and last on the region's edges; the image spans the
      middles of the first and the last cell; samples outside are 0. `sampling_ratio` must be 1.
    * `aligned` (detectron2's default): bins divide the region, samples divide the bin and are averaged, a cell's value
      sits at the cell's middle. Samples over one cell outside the map are 0, others are clamped to the border.
    * `unaligned` (torchvision's default): as `aligned`, without the half-cell shift and with sides of at least a cell.

    Args:
        features: one `[B, Hl, Wl, C]` float map per level, finest first.
        boxes: `[P, 4]` float, yxyx pixels of the model input.
        levels: `[P]` int, level of each region; `features[0]` is level `FINEST`.
        image_index: `[P]` int, the image of each region.
        image_size: (height, width) of the model input in pixels.
        output_size: S, or (rows, columns) of bins.
        mode: one of `MODES`.
        sampling_ratio: samples per bin and axis; 0 means as many as the bin has cells, rounded up, in a loop.

    Returns:
        `[P, S, S, C]`, in the features' dtype. No gradient reaches the boxes. No regions in, none out; a region without
        extent gives finite values.

    Raises:
        ValueError: the `mode` is unknown, or does not support the `sampling_ratio`.

    Source: Mask R-CNN (2017) section 3, RoIAlign; tf.image.crop_and_resize for the first convention, except that a
    sample on the border counts as inside whatever its rounding error.
    """
    _check(mode, sampling_ratio)
    boxes = ops.stop_gradient(ops.cast(boxes, "float32"))
    pyramid = _flatten(features)
    regions = (
        boxes / ops.convert_to_tensor([*image_size, *image_size], dtype="float32"),
        ops.cast(levels, "int32") - FINEST,
        ops.cast(image_index, "int32"),
    )
    bins = (output_size, output_size) if isinstance(output_size, int) else output_size

    def placed(part: _Regions) -> _Places:
        return _place(pyramid, part, bins=bins, mode=mode, sampling_ratio=sampling_ratio)

    @native.custom_gradient
    def pool(cells: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        average = _average_adaptive if sampling_ratio == 0 else _average
        parts = _split(regions, values=bins[0] * bins[1] * cells.shape[1])
        pooled: list[Tensor] = []
        for part in parts:
            with native.after(pooled[-1] if pooled else None):
                pooled.append(ops.cast(average(cells, placed(part), sampling_ratio), cells.dtype))

        def gradient(upstream: Tensor) -> Tensor:
            found = _gradient(ops.cast(upstream, "float32"), placed(regions), sampling_ratio, cells=ops.shape(cells)[0])
            return ops.cast(found, cells.dtype)

        return ops.concatenate(pooled, axis=0), gradient

    return pool(pyramid.cells)


def _check(mode: str, sampling_ratio: int) -> None:
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "crop_and_resize" and sampling_ratio != 1:
        raise ValueError(f"crop_and_resize takes one sample per bin: sampling_ratio must be 1, got {sampling_ratio}")


def _flatten(features: Sequence[Tensor]) -> _Pyramid:
    shapes = [ops.shape(feature) for feature in features]
    first, firsts = 0, []
    for batch, height, width, _ in shapes:
        firsts.append(first)
        first = first + batch * height * width
    return _Pyramid(
        ops.concatenate([ops.reshape(feature, (-1, feature.shape[-1])) for feature in features], axis=0),
        _integers(firsts),
        _integers([shape[1] for shape in shapes]),
        _integers([shape[2] for shape in shapes]),
    )


def _integers(values: Sequence[Tensor]) -> Tensor:
    return ops.stack([ops.cast(value, "int32") for value in values])


def _split(regions: _Regions, *, values: int) -> list[_Regions]:
    """Splits the regions into parts of at most `_CHUNK` output values.

    An unknown number of regions counts as 1, so parts can be larger then. On a GPU there is one part.
    """
    if accelerator.is_visible():
        return [regions]
    known = regions[0].shape[0] or 1
    parts = max(1, -(-known * values // _CHUNK))
    total = ops.shape(regions[0])[0]
    borders = [total * part // parts for part in range(parts + 1)]
    return [tuple(tensor[a:b] for tensor in regions) for a, b in itertools.pairwise(borders)]


def _place(pyramid: _Pyramid, regions: _Regions, *, bins: tuple[int, int], mode: str, sampling_ratio: int) -> _Places:
    shares, level, image_index = regions
    height, width = ops.take(pyramid.height, level), ops.take(pyramid.width, level)
    base = ops.take(pyramid.first, level) + image_index * height * width
    place = _place_corners if mode == "crop_and_resize" else _place_bins
    rows, columns = (
        place(
            shares[:, axis],
            shares[:, axis + 2],
            length,
            bins=bins[axis],
            aligned=mode == "aligned",
            sampling_ratio=sampling_ratio,
        )
        for axis, length in enumerate((height, width))
    )
    return _Places(base, width, rows, columns)


def _place_corners(start: Tensor, end: Tensor, length: Tensor, *, bins: int, **_: Any) -> _Axis:
    """Places the outer samples on the region's edges; a single bin samples the middle."""
    span = ops.cast(length - 1, "float32")
    if bins > 1:
        start, step = start * span, (end - start) * span / (bins - 1)
    else:
        start, step = 0.5 * (start + end) * span, ops.zeros_like(span)
    return _Axis(start, step, ops.ones_like(span), length, bins, False)


def _place_bins(start: Tensor, end: Tensor, length: Tensor, *, bins: int, aligned: bool, sampling_ratio: int) -> _Axis:
    """Divides the region into bins and each bin into samples."""
    cells = ops.cast(length, "float32")
    side = (end - start) * cells
    start = start * cells
    if aligned:
        start = start - 0.5
    else:
        side = ops.maximum(side, 1.0)
    step = side / bins
    samples = ops.maximum(ops.ceil(step), 0.0) if sampling_ratio == 0 else ops.full_like(step, sampling_ratio)
    return _Axis(start, step, samples, length, bins, True)


def _average(cells: Tensor, places: _Places, sampling_ratio: int) -> Tensor:
    rows = [_neighbours(places.rows, sample) for sample in range(sampling_ratio)]
    columns = [_neighbours(places.columns, sample) for sample in range(sampling_ratio)]
    total: Tensor = None
    for row, column in itertools.product(rows, columns):
        total = _add_sample(total, cells, places, rows=row, columns=column)
    return total / sampling_ratio**2 if sampling_ratio > 1 else total


def _average_adaptive(cells: Tensor, places: _Places, _: int) -> Tensor:
    """Averages each region's own number of samples per bin.

    The loop runs over as many samples as the largest bin has; those beyond a region's own number weigh 0.
    """
    rows, columns = places.rows, places.columns
    most_rows, most_columns = (_most(axis, 0) for axis in (rows, columns))
    shape = (ops.shape(places.base)[0], rows.bins, columns.bins, cells.shape[-1])

    def add(sample: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        row, column = _neighbours(rows, sample // most_columns), _neighbours(columns, sample % most_columns)
        return sample + 1, _add_sample(total, cells, places, rows=row, columns=column)

    start = (ops.cast(0, "int32"), ops.zeros(shape, dtype="float32"))
    total = ops.while_loop(lambda sample, _: sample < most_rows * most_columns, add, start)[1]
    return total / ops.maximum(rows.samples * columns.samples, 1.0)[:, None, None, None]


def _gradient(upstream: Tensor, places: _Places, sampling_ratio: int, *, cells: int | Tensor) -> Tensor:
    """Adds up the gradients of all cells, one sample of every bin at a time.

    The gradients of the gathers would keep the values of all samples at once, 16 times `upstream` with four samples.

    Args:
        upstream: `[P, S, S, C]` float32, the gradients of the regions' features.
        places: of the same regions.
        sampling_ratio: as of `roi_align`.
        cells: number of cells of the table.

    Returns:
        `[cells, C]` float32.
    """
    rows, columns = places.rows, places.columns
    most_rows, most_columns = (_most(axis, sampling_ratio) for axis in (rows, columns))
    upstream = upstream / ops.maximum(rows.samples * columns.samples, 1.0)[:, None, None, None]
    channels = upstream.shape[-1]

    def add(sample: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        row, column = _neighbours(rows, sample // most_columns), _neighbours(columns, sample % most_columns)
        for index, weight in _corners(places, rows=row, columns=column):
            with native.after(total):
                values = ops.reshape(weight[..., None] * upstream, (-1, channels))
                total = total + ops.segment_sum(values, ops.reshape(index, (-1,)), num_segments=cells)
        return sample + 1, total

    start = (ops.cast(0, "int32"), ops.zeros((cells, channels), dtype="float32"))
    return ops.while_loop(lambda sample, _: sample < most_rows * most_columns, add, start)[1]


def _most(axis: _Axis, sampling_ratio: int) -> int | Tensor:
    """Returns the number of samples of the largest bin."""
    return sampling_ratio or ops.cast(ops.max(axis.samples, initial=0.0), "int32")


def _corners(
    places: _Places, *, rows: tuple[_Neighbour, _Neighbour], columns: tuple[_Neighbour, _Neighbour]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields index and weight, `[P, S, S]`, of each of the four cells around one sample of every bin."""
    for row, row_weight in rows:
        start = places.base[:, None] + row * places.width[:, None]
        for column, column_weight in columns:
            yield start[:, :, None] + column[:, None, :], row_weight[:, :, None] * column_weight[:, None, :]


def _neighbours(axis: _Axis, sample: int | Tensor) -> tuple[_Neighbour, _Neighbour]:
    """Finds the two cells around sample number `sample` of every bin.

    Returns:
        (index, weight) of the lower and of the upper cell, each `[P, S]`, int32 and float32.
    """
    sample = ops.cast(sample, "float32")
    bins = ops.arange(axis.bins, dtype="float32")
    within = (sample + 0.5) / ops.maximum(axis.samples, 1.0) if axis.within_bins else ops.zeros_like(axis.samples)
    position = axis.start[:, None] + (bins + within[:, None]) * axis.step[:, None]
    last = ops.cast(axis.length - 1, "float32")[:, None]
    margin = 1.0 if axis.within_bins else _BORDER_TOLERANCE
    inside = (position >= -margin) & (position <= last + margin) & (sample < axis.samples)[:, None]
    inside = ops.cast(inside, "float32")
    position = ops.clip(position, 0.0, last)
    low = ops.floor(position)
    fraction = position - low
    high = ops.minimum(low + 1.0, last)
    return (ops.cast(low, "int32"), (1.0 - fraction) * inside), (ops.cast(high, "int32"), fraction * inside)


def _add_sample(
    total: Tensor | None,
    cells: Tensor,
    places: _Places,
    *,
    rows: tuple[_Neighbour, _Neighbour],
    columns: tuple[_Neighbour, _Neighbour],
) -> Tensor:
    """Interpolates one sample of every bin and adds it to a total, None for the first: `[P, S, S, C]` float32."""
    for index, weight in _corners(places, rows=rows, columns=columns):
        # four small gathers, one after the other, not one large: a quarter of the memory, no slower on 2 CPU cores
        with native.after(total):
            values = weight[..., None] * ops.cast(ops.take(cells, index, axis=0), "float32")
            total = values if total is None else total + values
    return total
