import keras
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import keras_resnet, names
from tests.weights import test_imagenet


def test_keras_names_cover_the_backbone():
    pairs = keras_resnet.keras_names(101)
    assert sorted(pairs) == sorted(names.backbone_layers(101))
    assert len(set(pairs.values())) == len(pairs)
    assert pairs["res2a_branch1"] == "conv2_block1_0_conv"
    assert pairs["bn3b_branch2a"] == "conv3_block2_1_bn"
    assert pairs["res4w_branch2c"] == "conv4_block23_3_conv"
    assert pairs["conv1"] == "conv1_conv"
    assert "res2b_branch1" not in pairs


def test_keras_names_are_those_of_the_installed_network():
    network = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3))
    owners = {layer.name for layer in network.layers if layer.weights}
    assert owners == set(keras_resnet.keras_names(50).values())
    assert network.get_layer("conv1_bn").epsilon == keras_resnet.STORED_EPSILON


@pytest.mark.parametrize("form", test_imagenet.FORMS)
def test_read_resnet_renames_and_keeps_the_values(tmp_path, form):
    found = test_imagenet.foreign_weights()
    layers, lone = keras_resnet.read_resnet(test_imagenet.FORMS[form](tmp_path / form, found), depth=50)
    assert set(layers) == set(test_imagenet.PART)
    np.testing.assert_array_equal(layers["conv1"]["conv1/kernel:0"], found["conv1_conv"]["kernel"])
    np.testing.assert_array_equal(layers["bn_conv1"]["bn_conv1/gamma:0"], found["conv1_bn"]["gamma"])
    assert lone == []


def test_read_resnet_leaves_norms_without_their_convolution_out(tmp_path):
    found = test_imagenet.foreign_weights()
    del found["conv2_block1_0_conv"]
    layers, lone = keras_resnet.read_resnet(test_imagenet.write_by_name(tmp_path / "w.h5", found), depth=50)
    assert lone == ["bn2a_branch1"]
    assert "bn2a_branch1" not in layers


def test_read_resnet_refuses_an_empty_file(tmp_path):
    with pytest.raises(UserError, match="it has nothing of a ResNet"):
        keras_resnet.read_resnet(test_imagenet.write_by_name(tmp_path / "empty.h5", {}), depth=50)
