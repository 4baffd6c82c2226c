"""Arrays of any channel count to the pixels of a model."""

import numpy as np
import pytest

from mrcnn.predict import model_image


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_as_model_image_grey_becomes_three_equal_channels(shape):
    grey = np.arange(6, dtype=np.uint8).reshape(shape)
    result = model_image.as_model_image(grey)
    assert result.shape == (2, 3, 3)
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], grey.reshape(2, 3))


def test_as_model_image_alpha_is_dropped():
    rgba = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(model_image.as_model_image(rgba), rgba[..., :3])


def test_as_model_image_model_of_other_channels():
    image = np.zeros((2, 3, 4), np.uint8)
    assert model_image.as_model_image(image, channels=4) is image
    assert model_image.as_model_image(np.zeros((2, 3), np.uint8), channels=1).shape == (2, 3, 1)
    with pytest.raises(ValueError, match="takes images with 4 channels, got 1"):
        model_image.as_model_image(np.zeros((2, 3), np.uint8), channels=4)
    with pytest.raises(ValueError, match="takes images with 4 channels, got 3"):
        model_image.as_model_image(np.zeros((2, 3, 3), np.uint8), channels=4)


def test_as_model_images_names_the_one_that_is_none():
    images = [np.zeros((2, 3), np.uint8), np.zeros((2, 2, 5), np.uint8)]
    found = model_image.as_model_images(images, channels=3)
    assert next(found).shape == (2, 3, 3)
    with pytest.raises(ValueError, match="image 1: the model takes images with 3 channels, got 5"):
        next(found)
    assert list(model_image.as_model_images([])) == []
