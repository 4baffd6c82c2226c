"""Whole files in every form that older code left behind: what is read is what was written, number for number."""

import h5py
import numpy as np
import pytest

from mrcnn.weights import apply, hdf5, inspect, names
from tests import old_weights


def names_as_bytes(path, groups):
    old_weights.write_file(path, groups)


def names_as_fixed_length_bytes(path, groups):
    old_weights.write_file(path, groups, as_names=lambda items: np.array([item.encode() for item in items]))


def names_as_str(path, groups):
    old_weights.write_file(path, groups, as_names=list, version="2.15.0")


def with_the_layers_that_have_no_weights(path, groups):
    bare = {"input_image": {}, "zero_padding2d_1": {}, **groups, "mrcnn_bbox": {}, "mrcnn_detection": {}}
    old_weights.write_file(path, bare)


def a_full_model_with_its_optimizer(path, groups):
    old_weights.write_file(path, groups, under="model_weights", version="2.2.4")
    with h5py.File(path, "a") as handle:
        handle.attrs["model_config"] = b"{}"
        handle.create_group("optimizer_weights").create_dataset("iterations:0", data=3)


def with_an_empty_top_level_group(path, groups):
    old_weights.write_file(path, groups, as_names=list, version="2.9.0")
    with h5py.File(path, "a") as handle:
        handle.create_group("top_level_model_weights").attrs["weight_names"] = []


def with_an_empty_top_level_group_in_the_list(path, groups):
    old_weights.write_file(path, {**groups, "top_level_model_weights": {}}, as_names=list)


def the_inference_models_order(path, groups):
    heads = [layer for layer in groups if layer.startswith("mrcnn_mask")]
    order = [*(layer for layer in groups if layer not in heads), *heads]
    old_weights.write_file(path, {layer: groups[layer] for layer in order})


def inner_layers_named_by_time_distributed(path, groups):
    inner = {
        layer: {name.replace(f"{layer}/", f"{layer}/{layer}/"): values for name, values in weights.items()}
        if layer in names.HEAD_LAYERS
        else weights
        for layer, weights in groups.items()
    }
    old_weights.write_file(path, inner)


def inner_layers_numbered_by_time_distributed(path, groups):
    inner = {
        layer: {name.replace(f"{layer}/", f"{layer}/conv2d_7/"): values for name, values in weights.items()}
        if layer in names.HEAD_LAYERS
        else weights
        for layer, weights in groups.items()
    }
    old_weights.write_file(path, inner)


def names_made_unique_by_tensorflow(path, groups):
    numbered = {
        layer: {name.replace("/", "_1/", 1): values for name, values in weights.items()}
        for layer, weights in groups.items()
    }
    old_weights.write_file(path, numbered)


def the_rpn_named_with_its_model(path, groups):
    rpn = {f"rpn_model/{name}": values for name, values in groups["rpn_model"].items()}
    old_weights.write_file(path, {**groups, "rpn_model": rpn})


def several_gpus(path, groups):
    """Keras 2 lists a nested model's trainable weights first, so a batch norm's four are not together."""
    inner = {name: values for weights in groups.values() for name, values in weights.items()}
    inner = dict(sorted(inner.items(), key=lambda item: "moving" in item[0]))
    old_weights.write_file(path, {"input_image": {}, "lambda_1": {}, "mask_rcnn": inner, "mrcnn_class": {}})


def several_gpus_in_a_full_model(path, groups):
    inner = {f"model_1/{name}": values for weights in groups.values() for name, values in weights.items()}
    old_weights.write_file(path, {"input_1": {}, "model_1": inner}, under="model_weights")


FORMS = (
    names_as_bytes,
    names_as_fixed_length_bytes,
    names_as_str,
    with_the_layers_that_have_no_weights,
    a_full_model_with_its_optimizer,
    with_an_empty_top_level_group,
    with_an_empty_top_level_group_in_the_list,
    the_inference_models_order,
    inner_layers_named_by_time_distributed,
    inner_layers_numbered_by_time_distributed,
    names_made_unique_by_tensorflow,
    the_rpn_named_with_its_model,
    several_gpus,
    several_gpus_in_a_full_model,
)


@pytest.mark.parametrize("write", FORMS)
@pytest.mark.parametrize("depth", [50, 101])
def test_load_into_brings_every_number_to_its_place(tmp_path, write, depth):
    stored = old_weights.values_of(old_weights.make_layout(depth, seed=1))
    write(tmp_path / "old.h5", stored)
    layout = old_weights.make_layout(depth, seed=2)
    report = apply.load_into(layout, tmp_path / "old.h5")
    apply.require_backbone(report)
    assert len(report.loaded) == len(stored) == (131 if depth == 50 else 233)
    assert report.missing == report.left_over == report.notes == ()
    for layer, weights in old_weights.values_of(layout).items():
        assert list(weights) == list(stored[layer])
        for name, values in weights.items():
            np.testing.assert_array_equal(values, stored[layer][name], err_msg=name)


@pytest.mark.parametrize("write", FORMS)
def test_read_file_recognises_every_form(tmp_path, write):
    layout = old_weights.make_layout(50, 6, channels=4, anchors_per_location=2)
    write(tmp_path / "old.h5", old_weights.values_of(layout))
    with hdf5.read_file(tmp_path / "old.h5") as file:
        facts = inspect.facts_of(file)
    assert facts.old
    assert facts.origin.startswith("old, written by Keras 2.")
    assert ("multi-GPU" in facts.origin) == write.__name__.startswith("several_gpus")
    assert ("whole model" in facts.origin) == ("full_model" in write.__name__)
    assert (facts.backbone, facts.num_classes, facts.anchors_per_location, facts.channels) == ("resnet50", 6, 2, 4)
    assert facts.missing == ()
    assert inspect.lines("old.h5", facts)[-1].startswith("  loads: everything into a resnet50 with 6 classes; without")
