"""Finds the cells of regions' grids that overlap marked pixels, and the points that lie on marked pixels.

Shape letters: B images, H W their sides, P regions, M grid side, K points.
Source: Crow (1984), summed-area tables: a sum over any rectangle of whole pixels needs four values of the sums from the
corner.
"""

from keras import ops

from mrcnn.structures import Count, Tensor


def cells_on(marked: Tensor, image_index: Tensor, rois: Tensor, *, size: int) -> Tensor:
    """Finds the cells of each region's grid that overlap a marked pixel, even partly.

    Args:
        marked: `[B, H, W]` bool, the marked pixels.
        image_index: `[P]` int32, the image of each region.
        rois: `[P, 4]` float32, yxyx pixels of the image; the part of a region outside the image counts as unmarked.
        size: M, cells along each side of a region's grid.

    Returns:
        `[P, M, M]` bool; all false where no pixel is marked, and for a region without area.
    """

    def some() -> Tensor:
        sums = ops.cumsum(ops.cumsum(ops.cast(marked, "int32"), axis=1), axis=2)
        sums = ops.pad(sums, ((0, 0), (1, 0), (1, 0)))  # [B, H + 1, W + 1]: pixels above and left
        (top, bottom), (left, right) = (
            _pixel_ranges(rois[:, axis], rois[:, axis + 2], size=size, length=ops.shape(marked)[axis + 1])
            for axis in (0, 1)
        )
        columns = ops.shape(marked)[2] + 1
        image = image_index[:, None, None] * (ops.shape(marked)[1] + 1)

        def above(row: Tensor, column: Tensor) -> Tensor:  # [P, M], [P, M] -> [P, M, M]
            place = (image + row[:, :, None]) * columns + column[:, None, :]
            return ops.take(ops.reshape(sums, (-1,)), place, axis=0)

        return above(bottom, right) - above(top, right) - above(bottom, left) + above(top, left) > 0

    # skipped where no pixel is marked, as in most batches: the sums are as large as the images
    shape = (ops.shape(rois)[0], size, size)
    return ops.cond(ops.any(marked), some, lambda: ops.zeros(shape, dtype="bool"))


def points_on(marked: Tensor, image_index: Tensor, points: Tensor) -> Tensor:
    """Finds the points that lie on a marked pixel.

    Args:
        marked: `[B, H, W]` bool, the marked pixels.
        image_index: `[P]` int32, the image of each region.
        points: `[P, K, 2]` float32, (x, y) pixels of the image.

    Returns:
        `[P, K]` bool; false for a point outside the image.
    """
    height, width = ops.shape(marked)[1:3]
    pixels = ops.floor(points)
    last = ops.cast(ops.stack([width, height]), "float32") - 1
    inside = ops.all((pixels >= 0) & (pixels <= last), axis=-1)
    pixels = ops.cast(ops.clip(pixels, 0.0, last), "int32")
    place = (image_index[:, None] * height + pixels[..., 1]) * width + pixels[..., 0]
    return inside & ops.take(ops.reshape(marked, (-1,)), place, axis=0)


def _pixel_ranges(start: Tensor, end: Tensor, *, size: int, length: Count) -> tuple[Tensor, Tensor]:
    """Finds the pixels that each cell overlaps along one axis.

    Returns:
        first: `[P, M]` int32, the first pixel, in 0..`length`.
        behind: `[P, M]` int32, the exclusive end.
    """
    edges = start[:, None] + (end - start)[:, None] * (ops.arange(size + 1, dtype="float32") / size)
    first, behind = ops.floor(edges[:, :-1]), ops.ceil(edges[:, 1:])
    # an empty cell overlaps no pixel, wherever in a pixel it lies
    behind = ops.where(edges[:, 1:] > edges[:, :-1], behind, first)
    return tuple(ops.cast(ops.clip(edge, 0, ops.cast(length, "float32")), "int32") for edge in (first, behind))
