"""Masks pasted after an exported file has run."""

import tracemalloc

import numpy as np
import pytest

from mrcnn.predict import pasted


def outputs():
    grids = np.ones((3, 2, 2), np.float32)
    grids[1] = 0.4  # empty at a threshold of 0.5
    grids[2, :, 1] = 0  # its left half
    return {
        "boxes": np.float32([[0, 0, 2, 2], [0, 0, 4, 4], [1, 0, 3, 4]]),
        "scores": np.float32([0.9, 0.8, 0.7]),
        "probabilities": grids,
        "semantic": np.zeros((4, 6), np.uint8),
    }


def test_with_masks_pastes_and_drops_what_is_empty():
    cropped = pasted.with_masks(outputs(), (4, 6), threshold=0.5, method="bilinear", maps=("semantic",))
    assert [(mask.origin, mask.shape) for mask in cropped["masks"]] == [((0, 0), (2, 2)), ((1, 0), (2, 2))]
    found = pasted.dense(cropped, (4, 6))
    assert found["masks"].dtype == np.uint8
    assert found["masks"].tolist() == [
        [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6, [0] * 6],
        # the values at the middles of the pixels are 1, 0.75, 0.25, 0
        [[0] * 6, [1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6],
    ]
    assert found["scores"].tolist() == pytest.approx([0.9, 0.7])
    assert len(found["boxes"]) == len(found["probabilities"]) == 2
    assert found["semantic"].shape == (4, 6)


def test_with_masks_keeps_all_at_a_lower_threshold():
    found = pasted.with_masks(outputs(), (4, 6), threshold=0.3, method="bilinear", maps=("semantic",))
    assert [mask.area for mask in found["masks"]] == [4, 16, 4]
    # as large as the mask's own range: the flat mask is 0 everywhere, see paste_masks
    found = pasted.with_masks(outputs(), (4, 6), threshold=0.3, method="stretched", maps=("semantic",))
    assert len(found["masks"]) == 1


def test_with_masks_of_nothing():
    nothing = {name: values[:0] for name, values in outputs().items()}
    found = pasted.dense(pasted.with_masks(nothing, (5, 7), threshold=0.5, method="bilinear"), (5, 7))
    assert {name: values.shape for name, values in found.items()} == {
        "boxes": (0, 4), "scores": (0,), "probabilities": (0, 2, 2), "semantic": (0, 6), "masks": (0, 5, 7)
    }  # fmt: skip


def test_with_masks_names_the_methods():
    with pytest.raises(ValueError, match=r"must be one of bilinear, .*, got 'cubic'"):
        pasted.with_masks(outputs(), (4, 6), threshold=0.5, method="cubic")


def test_with_masks_needs_memory_for_the_boxes_alone():
    found = {"boxes": np.tile(np.float32([3, 3, 7, 7]), (50, 1)), "probabilities": np.ones((50, 2, 2), np.float32)}
    tracemalloc.start()
    pasted.with_masks(found, (2000, 2000), threshold=0.5, method="bilinear")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 2000  # one mask of the image's size; all would take 50 times as much


def test_dense_leaves_masks_of_the_image_as_they_are():
    masks = np.ones((1, 4, 6), np.uint8)
    assert pasted.dense({"masks": masks}, (4, 6))["masks"] is masks
