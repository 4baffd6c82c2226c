"""The image and the objects of a sample."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.read_sample import read_sample
from mrcnn.errors import UserError
from mrcnn.images import image_header
from mrcnn.project.geometry import Rectangle
from mrcnn.structures import Sample


def write(folder, *, height=20, width=30, size_hw=(20, 30)):
    """Writes noise as an image and makes its sample, with one object of 10 x 8 pixels."""
    path = folder / "image.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    label = Rectangle(np.array([[2, 3], [9, 12]]))
    return Sample("ds/image.png", str(path), (label,), (4,), (False,), size_hw)


def test_the_pixels_are_rgb_and_the_objects_are_drawn(tmp_path):
    sample = write(tmp_path)
    image, instances = read_sample(sample)
    np.testing.assert_array_equal(image, cv2.imread(sample.image_path)[..., ::-1])
    assert instances.class_ids.tolist() == [4]
    assert instances.masks[0].sum() == 8 * 10  # columns 2 to 9, rows 3 to 12


def test_a_missing_channel_count_is_named(tmp_path):
    with pytest.raises(UserError, match=r"image\.png must have 4 channels"):
        read_sample(write(tmp_path), 4)


def test_an_annotation_of_another_size_is_refused_with_both_sizes(tmp_path):
    sample = write(tmp_path, height=30, width=20)
    with pytest.raises(UserError) as caught:
        read_sample(sample)
    assert f"{sample.image_path} is for 20x30 pixels (height x width), the image has 30x20" in str(caught.value)


def test_an_image_is_read_as_its_annotation_saw_it(tmp_path):
    sample, block = write(tmp_path), Image.Exif()
    pixels = cv2.imread(sample.image_path)[..., ::-1]
    block[image_header.EXIF_ORIENTATION] = 8
    Image.fromarray(pixels).save(sample.image_path, exif=block)
    np.testing.assert_array_equal(read_sample(sample)[0], pixels)
    turned, _ = read_sample(sample._replace(size_hw=(30, 20)))
    np.testing.assert_array_equal(turned, np.rot90(pixels))


def test_a_size_left_open_is_not_checked(tmp_path):
    sample = write(tmp_path, height=30, width=20, size_hw=None)
    assert read_sample(sample)[0].shape == (30, 20, 3)
