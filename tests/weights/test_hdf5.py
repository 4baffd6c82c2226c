import hashlib
import os

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import hdf5


def read_values(path):
    with hdf5.read_file(path) as file:
        return {layer: {name: data[()] for name, data in weights.items()} for layer, weights in file.layers.items()}


def as_groups(layout):
    return {layer: {name: variable.values for name, variable in weights} for layer, weights in layout}


def same(found, expected):
    assert {layer: list(weights) for layer, weights in found.items()} == {
        layer: list(weights) for layer, weights in expected.items()
    }
    for layer, weights in expected.items():
        for name, values in weights.items():
            np.testing.assert_array_equal(found[layer][name], values)
    return True


def test_write_file_round_trip_keeps_names_order_and_bits(tmp_path, make_layout):
    layout = make_layout()
    hdf5.write_file(tmp_path / "model.h5", layout)
    assert same(read_values(tmp_path / "model.h5"), as_groups(layout))
    with hdf5.read_file(tmp_path / "model.h5") as file:
        assert (file.form, file.nested, file.keras_version, file.writer) == ("weights", False, "2.2.4", "mrcnn")
        assert file.layer_names == tuple(layer for layer, _ in layout)


def test_write_file_written_file_has_the_attributes_and_paths_of_keras_2(tmp_path, make_layout):
    hdf5.write_file(tmp_path / "model.h5", [("input_image", []), *make_layout()])
    with h5py.File(tmp_path / "model.h5") as handle:
        assert handle.attrs["layer_names"][:2].tolist() == [b"input_image", b"conv1"]
        assert handle.attrs["backend"] == b"tensorflow"
        assert handle.attrs["keras_version"] == b"2.2.4"
        assert handle["input_image"].attrs["weight_names"].shape == (0,)
        assert handle["rpn_model"].attrs["weight_names"][0] == b"rpn_conv_shared/kernel:0"
        assert handle["conv1/conv1/kernel:0"].dtype == np.float32
        assert handle["rpn_model/rpn_class_raw/kernel:0"].shape == (1, 1, 4, 6)


def test_layers_without_weights_are_listed_but_not_loaded(tmp_path, make_layout):
    hdf5.write_file(tmp_path / "model.h5", [("input_image", []), *make_layout()])
    with hdf5.read_file(tmp_path / "model.h5") as file:
        assert file.layer_names[0] == "input_image"
        assert "input_image" not in file.layers


def test_the_same_weights_give_the_same_bytes(tmp_path, make_layout):
    digests = set()
    for name in ("a.h5", "b.h5"):
        hdf5.write_file(tmp_path / name, make_layout())
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_write_file_empty_layout_round_trips(tmp_path):
    hdf5.write_file(tmp_path / "empty.h5", [])
    assert read_values(tmp_path / "empty.h5") == {}


@pytest.mark.parametrize(
    "as_names",
    [
        lambda items: np.array([item.encode() for item in items]),
        lambda items: [item.encode() for item in items],
        lambda items: np.array(items, dtype=object),
        lambda items: list(items),
    ],
    ids=["bytes array", "bytes list", "str array", "str list"],
)
def test_read_file_reads_names_as_bytes_or_str(tmp_path, make_layout, write_by_hand, as_names):
    groups = as_groups(make_layout())
    path = write_by_hand(tmp_path / "old.h5", groups, as_names=as_names)
    assert same(read_values(path), groups)


def test_read_file_reads_a_full_model_file(tmp_path, make_layout, write_by_hand):
    groups = as_groups(make_layout())
    path = write_by_hand(tmp_path / "full.h5", groups, under="model_weights")
    assert same(read_values(path), groups)
    with hdf5.read_file(path) as file:
        assert (file.form, file.keras_version, file.writer) == ("full model", "2.0.8", "")


def test_read_file_the_empty_top_level_group_of_later_keras_is_no_layer(tmp_path, make_layout, write_by_hand):
    groups = as_groups(make_layout())
    path = write_by_hand(tmp_path / "late.h5", groups)
    with h5py.File(path, "a") as handle:
        handle.create_group("top_level_model_weights").attrs["weight_names"] = []
    assert same(read_values(path), groups)


def test_read_file_reads_one_nested_group_of_a_multi_gpu_wrapper(tmp_path, make_layout, write_by_hand):
    expected = as_groups(make_layout())
    inner = {name: values for weights in expected.values() for name, values in weights.items()}
    # Keras 2 lists a nested model's trainable weights first, so a batch norm's four are not together
    inner = dict(sorted(inner.items(), key=lambda item: "moving" in item[0]))
    path = write_by_hand(tmp_path / "gpus.h5", {"input_1": {}, "lambda_1": {}, "mask_rcnn": inner, "rpn_class": {}})
    found = read_values(path)
    assert same(found, expected)
    with hdf5.read_file(path) as file:
        assert file.nested


@pytest.mark.parametrize(
    ("group", "written", "layer", "weight"),
    [
        ("conv1", "conv1_1/kernel:0", "conv1", "conv1/kernel:0"),
        ("mrcnn_class_conv1", "mrcnn_class_conv1/conv2d/kernel:0", "mrcnn_class_conv1", "mrcnn_class_conv1/kernel:0"),
        ("mrcnn_class_conv1", "mrcnn_class_conv1/conv1/kernel:0", "mrcnn_class_conv1", "mrcnn_class_conv1/kernel:0"),
        ("rpn_model", "rpn_model/rpn_class_raw/bias:0", "rpn_model", "rpn_class_raw/bias:0"),
        ("rpn_model", "rpn_conv_shared_2/kernel:0", "rpn_model", "rpn_conv_shared/kernel:0"),
        ("model_1", "mask_rcnn/mrcnn_mask_bn1/gamma:0", "mrcnn_mask_bn1", "mrcnn_mask_bn1/gamma:0"),
        ("bn_conv1", "bn_conv1/moving_mean", "bn_conv1", "bn_conv1/moving_mean:0"),
        ("conv1_conv", "conv1_conv/kernel:0", "conv1_conv", "conv1_conv/kernel:0"),
    ],
)
def test_read_file_names_are_brought_to_matterports(tmp_path, write_by_hand, group, written, layer, weight):
    path = write_by_hand(tmp_path / "one.h5", {group: {written: np.arange(3.0)}})
    assert list(read_values(path)) == [layer]
    np.testing.assert_array_equal(read_values(path)[layer][weight], [0, 1, 2])


def test_write_names_long_lists_of_names_are_cut_and_joined(tmp_path):
    listed = [f"layer_{number:06d}_{'x' * 40}" for number in range(3000)]  # 53 bytes each: 159,000 in all
    with h5py.File(tmp_path / "long.h5", "w") as handle:
        hdf5.write_names(handle, "layer_names", listed)
        assert sorted(handle.attrs) == ["layer_names0", "layer_names1", "layer_names2"]  # 159,000 / 64,512 = 2.46
        assert all(values.nbytes <= 64512 for values in handle.attrs.values())
        assert hdf5.read_names(handle, "layer_names") == listed


def test_read_names_more_than_ten_parts_are_joined_in_order(tmp_path):
    with h5py.File(tmp_path / "parts.h5", "w") as handle:
        for number in range(12):
            handle.attrs[f"layer_names{number}"] = [f"l{number}".encode()]
        assert hdf5.read_names(handle, "layer_names") == [f"l{number}" for number in range(12)]
        with pytest.raises(KeyError, match="weight_names"):
            hdf5.read_names(handle, "weight_names")


def test_read_file_reads_a_file_whose_names_are_in_parts(tmp_path, write_by_hand):
    path = write_by_hand(tmp_path / "old.h5", {"conv1": {"conv1/bias:0": np.ones(2)}, "fpn_p2": {}})
    with h5py.File(path, "a") as handle:
        del handle.attrs["layer_names"]
        handle.attrs["layer_names0"] = [b"conv1"]
        handle.attrs["layer_names1"] = [b"fpn_p2"]
    with hdf5.read_file(path) as file:
        assert file.layer_names == ("conv1", "fpn_p2")
        assert list(file.layers) == ["conv1"]


def test_write_file_keras_loads_the_written_file_by_name(tmp_path, make_layout, values_of):
    layout = make_layout()
    hdf5.write_file(tmp_path / "model.h5", layout)
    model = keras_model()
    model.load_weights(tmp_path / "model.h5", by_name=True)
    expected = values_of(layout)
    for layer in (model.get_layer("conv1"), model.get_layer("bn_conv1"), *model.get_layer("rpn_model").layers[1:]):
        for variable in layer.weights:
            np.testing.assert_array_equal(variable.numpy(), expected[f"{layer.name}/{variable.name}:0"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras under NumPy 2
def test_read_file_reads_what_keras_saves(tmp_path):
    model = keras_model()
    model.save(tmp_path / "whole.h5")
    found = read_values(tmp_path / "whole.h5")
    assert list(found) == ["conv1", "bn_conv1", "rpn_model"]
    np.testing.assert_array_equal(found["conv1"]["conv1/kernel:0"], model.get_layer("conv1").kernel.numpy())
    shared = model.get_layer("rpn_model").get_layer("rpn_conv_shared")
    np.testing.assert_array_equal(found["rpn_model"]["rpn_conv_shared/kernel:0"], shared.kernel.numpy())


def keras_model():
    inputs = keras.Input((10, 10, 2))
    hidden = keras.layers.Conv2D(4, 3, name="rpn_conv_shared")(inputs)
    classes = keras.layers.Conv2D(6, 1, use_bias=False, name="rpn_class_raw")(hidden)
    boxes = keras.layers.Conv2D(12, 1, use_bias=False, name="rpn_bbox_pred")(hidden)
    rpn = keras.Model(inputs, [classes, boxes], name="rpn_model")
    image = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(2, 7, name="conv1")(image)
    features = keras.layers.BatchNormalization(name="bn_conv1")(features)
    return keras.Model(image, rpn(features))


def test_weights_are_read_only_when_indexed(tmp_path, make_layout):
    hdf5.write_file(tmp_path / "model.h5", make_layout())
    with hdf5.read_file(tmp_path / "model.h5") as file:
        data = file.layers["conv1"]["conv1/bias:0"]
        assert isinstance(data, h5py.Dataset)
    assert not data  # closed with the file


def test_missing_folder_text_and_empty_files_are_named(tmp_path):
    (tmp_path / "page.h5").write_text("<!DOCTYPE html>")
    (tmp_path / "none.h5").write_bytes(b"")
    cases = {
        "absent.h5": "absent.h5 does not exist",
        ".": "is a folder",
        "page.h5": "page.h5 is not an HDF5 file: it starts with b'<!DOCTYP'",
        "none.h5": "none.h5 is not an HDF5 file: it is empty",
    }
    for name, message in cases.items():
        with pytest.raises(UserError) as caught:
            hdf5.read_file(tmp_path / name)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_read_file_a_file_cut_short_is_refused(tmp_path, make_layout, share):
    hdf5.write_file(tmp_path / "model.h5", make_layout())
    data = (tmp_path / "model.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"cut\.h5 is damaged or cut short"):
        hdf5.read_file(tmp_path / "cut.h5")


def test_read_file_other_hdf5_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as handle:
        handle["x"] = np.ones(3)
    with h5py.File(tmp_path / "model.weights.h5", "w") as handle:
        handle.create_group("layers/conv2d/vars")
    with pytest.raises(UserError, match="without the attribute `layer_names`"):
        hdf5.read_file(tmp_path / "data.h5")
    with pytest.raises(UserError, match="is a Keras 3 weight file"):
        hdf5.read_file(tmp_path / "model.weights.h5")


def test_read_file_a_listed_weight_that_is_not_there_is_damage(tmp_path, make_layout):
    hdf5.write_file(tmp_path / "model.h5", make_layout())
    with h5py.File(tmp_path / "model.h5", "a") as handle:
        del handle["conv1/conv1/bias:0"]
    with pytest.raises(UserError, match=r"model\.h5 is damaged"):
        hdf5.read_file(tmp_path / "model.h5")


def test_read_array_converts_numbers_and_refuses_others():
    assert hdf5.read_array(np.array([1, 2], dtype=np.int64), where="w").dtype == np.float32
    np.testing.assert_array_equal(hdf5.read_array(np.array([0.5], dtype=np.float16), where="w"), [0.5])
    with pytest.raises(UserError, match="weight w holds"):
        hdf5.read_array(np.array([b"text"]), where="weight w")


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path, make_layout):
    class Broken:
        def numpy(self):
            raise OSError(28, "No space left on device")

    path = tmp_path / "model.h5"
    hdf5.write_file(path, make_layout(seed=1))
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"cannot write the weight file .*model\.h5: No space left"):
        hdf5.write_file(path, [*make_layout(seed=2), ("fpn_p2", [("fpn_p2/kernel:0", Broken())])])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.h5"]


def test_a_write_replaces_the_old_file(tmp_path, make_layout):
    path = tmp_path / "model.h5"
    hdf5.write_file(path, make_layout(seed=1))
    hdf5.write_file(path, make_layout(seed=2))
    assert same(read_values(path), as_groups(make_layout(seed=2)))
    assert os.listdir(tmp_path) == ["model.h5"]


def test_a_write_into_a_missing_folder_is_one_line(tmp_path, make_layout):
    with pytest.raises(UserError, match="cannot write the weight file"):
        hdf5.write_file(tmp_path / "absent" / "model.h5", make_layout())
