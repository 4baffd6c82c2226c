import h5py
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import apply, hdf5, names


@pytest.fixture
def saved(tmp_path, make_layout):
    """Writes the small model, seed 1, with some layers changed."""

    def write(**shapes):
        hdf5.write_file(tmp_path / "saved.h5", make_layout(seed=1, **shapes))
        return tmp_path / "saved.h5"

    return write


def untouched(layout):
    return all(variable.assigned == 0 for _, weights in layout for _, variable in weights)


def test_load_into_loads_every_weight_once(saved, make_layout, values_of):
    layout = make_layout(seed=0)
    report = apply.load_into(layout, saved())
    expected = values_of(make_layout(seed=1))
    for name, values in values_of(layout).items():
        np.testing.assert_array_equal(values, expected[name])
    assert all(variable.assigned == 1 for _, weights in layout for _, variable in weights)
    assert report.loaded == tuple(layer for layer, _ in layout)
    assert (report.excluded, report.missing, report.left_over, report.notes) == ((), (), (), ())
    # 7*7*3*2+2, 4*2, 3*3*2*4+4+4*6+4*12, 7*7*2*4+4, 4*20, 4*5
    assert report.parameters == 296 + 8 + 148 + 396 + 80 + 20


def test_load_into_order_of_the_file_does_not_matter(tmp_path, make_layout, values_of):
    turned = [(layer, weights[::-1]) for layer, weights in make_layout(seed=1)[::-1]]
    hdf5.write_file(tmp_path / "turned.h5", turned)
    layout = make_layout(seed=0)
    apply.load_into(layout, tmp_path / "turned.h5")
    np.testing.assert_array_equal(
        values_of(layout)["bn_conv1/moving_mean:0"], values_of(turned)["bn_conv1/moving_mean:0"]
    )


def test_load_into_an_open_file_stays_open(saved, make_layout):
    with hdf5.read_file(saved()) as file:
        assert apply.load_into(make_layout(), file).source == str(saved())
        assert file.handle


def test_excluded_layers_keep_their_values_and_may_have_other_shapes(saved, make_layout, values_of):
    other = [("mrcnn_class_logits/kernel:0", (4, 81))]
    layout = make_layout(seed=0, mrcnn_class_logits=other)
    before = values_of(layout)["mrcnn_class_logits/kernel:0"]
    report = apply.load_into(layout, saved(), exclude=names.TRANSFER_EXCLUDE)
    assert report.excluded == ("mrcnn_bbox_fc", "mrcnn_class_logits")
    assert report.missing == report.left_over == ()
    np.testing.assert_array_equal(values_of(layout)["mrcnn_class_logits/kernel:0"], before)


def test_missing_and_left_over_layers_are_reported(saved, make_layout, values_of):
    path = saved(mrcnn_class_conv1=None, bn_conv1=[("bn_conv1/gamma:0", (2,)), ("bn_conv1/extra:0", (9,))])
    layout = make_layout(seed=0, mrcnn_bbox_fc=None)
    report = apply.load_into(layout, path)
    assert report.missing == ("bn_conv1/beta", "bn_conv1/moving_mean", "bn_conv1/moving_variance", "mrcnn_class_conv1")
    assert report.left_over == ("bn_conv1/extra", "mrcnn_bbox_fc")
    assert report.loaded == ("conv1", "bn_conv1", "rpn_model", "mrcnn_class_logits")
    fresh = values_of(make_layout(seed=0, mrcnn_bbox_fc=None))
    np.testing.assert_array_equal(values_of(layout)["bn_conv1/beta:0"], fresh["bn_conv1/beta:0"])


def test_load_into_a_part_of_the_rpn_is_named_with_its_group(saved, make_layout):
    report = apply.load_into(make_layout(), saved(rpn_model=[("rpn_conv_shared/kernel:0", (3, 3, 2, 4))]))
    assert report.missing == (
        "rpn_model/rpn_conv_shared/bias",
        "rpn_model/rpn_class_raw/kernel",
        "rpn_model/rpn_bbox_pred/kernel",
    )


def test_lines_tell_all_four_lists():
    report = apply.LoadReport(
        source="m.h5",
        loaded=("conv1", "bn_conv1"),
        excluded=("mrcnn_mask",),
        missing=("fpn_p2", "conv1/bias", "conv1/kernel"),
        left_over=tuple(f"l{number}" for number in range(9)),
        parameters=12345,
        notes=("conv1 changed",),
    )
    assert report.lines() == [
        "weights from m.h5: 2 layers loaded, 12,345 parameters",
        "  excluded on request: 1 layer: mrcnn_mask",
        "  missing in the file, kept as they were: 2 layers: fpn_p2, conv1/bias, conv1/kernel",
        "  left over in the file, not in the model: 9 layers: l0, l1, l2, l3, l4, l5, … l8",
        "  conv1 changed",
    ]
    assert apply.LoadReport(source="m.h5", loaded=()).lines() == ["weights from m.h5: 0 layers loaded, 0 parameters"]


@pytest.mark.parametrize(
    ("layer", "weights", "parts"),
    [
        (
            "mrcnn_class_logits",
            [("mrcnn_class_logits/kernel:0", (4, 81))],
            ["mrcnn_class_logits/kernel:0", "(4, 5)", "(4, 81)", "5 classes, the model 81", "transfer_learning"],
        ),
        ("mrcnn_bbox_fc", [("mrcnn_bbox_fc/kernel:0", (4, 324))], ["5 classes, the model 81"]),
        ("mrcnn_bbox_fc", [("mrcnn_bbox_fc/kernel:0", (4, 4))], ["one of the two has one box for all classes"]),
        ("mrcnn_bbox_fc", [("mrcnn_bbox_fc/kernel:0", (8, 20))], ["(4, 20)", "(8, 20)"]),
        (
            "rpn_model",
            [("rpn_class_raw/kernel:0", (1, 1, 4, 10)), ("rpn_bbox_pred/kernel:0", (1, 1, 4, 20))],
            ["3 anchors per location, the model 5", "(1 more weights differ)"],
        ),
        (
            "rpn_model",
            [("rpn_conv_shared/kernel:0", (3, 3, 2, 8)), ("rpn_class_raw/kernel:0", (1, 1, 8, 6))],
            ["(1 more weights differ): set `model.rpn_channels` to 4"],
        ),
        ("conv1", [("conv1/kernel:0", (7, 7, 4, 2))], ["(7, 7, 3, 2)", "(7, 7, 4, 2)", "set `model.channels` to 3"]),
        ("bn_conv1", [("bn_conv1/gamma:0", (3,))], ["(2,)", "(3,)", "the numbers that the file was trained with"]),
        ("conv1", [("conv1/bias:0", ())], ["(2,)", "()"]),
    ],
)
def test_another_shape_is_refused_before_anything_is_assigned(saved, make_layout, layer, weights, parts):
    layout, path = make_layout(seed=0, **{layer: weights}), saved()
    with pytest.raises(UserError) as caught:
        apply.load_into(layout, path)
    message = str(caught.value)
    assert all(part in message for part in (f"layer {layer}", str(path), *parts))
    assert "\n" not in message
    assert untouched(layout)


@pytest.mark.parametrize(("value", "count"), [(np.nan, 1), (np.inf, 1)])
def test_values_that_are_no_numbers_are_refused_before_anything_is_assigned(tmp_path, make_layout, value, count):
    broken = make_layout(seed=1)
    dict(dict(broken)["mrcnn_class_logits"])["mrcnn_class_logits/kernel:0"].values[2, 1] = value
    hdf5.write_file(tmp_path / "nan.h5", broken)
    layout = make_layout(seed=0)
    with pytest.raises(
        UserError, match=rf"layer mrcnn_class_logits, weight .*nan\.h5 holds {count} values that are NaN or infinite"
    ):
        apply.load_into(layout, tmp_path / "nan.h5")
    assert untouched(layout)


def test_load_into_a_weight_of_text_is_refused(tmp_path, make_layout, write_by_hand):
    path = write_by_hand(tmp_path / "text.h5", {"conv1": {"conv1/bias:0": np.array([b"a", b"b"])}})
    with pytest.raises(UserError, match=r"layer conv1, weight conv1/bias:0 .* expected numbers"):
        apply.load_into(make_layout(), path)


def test_load_into_a_file_of_another_architecture_is_an_error(tmp_path, make_layout, write_by_hand):
    path = write_by_hand(tmp_path / "other.h5", {"dense": {"dense/kernel:0": np.ones(2)}})
    with pytest.raises(UserError, match=r"other\.h5 holds no layer of this model, only dense: "):
        apply.load_into(make_layout(), path)
    with pytest.raises(UserError, match="only no weights at all"):
        apply.load_into(make_layout(), write_by_hand(tmp_path / "empty.h5", {}))


def test_load_into_whole_numbers_load_as_floats(tmp_path, make_layout, write_by_hand, values_of):
    path = write_by_hand(tmp_path / "ints.h5", {"conv1": {"conv1/bias:0": np.array([3, 4])}})
    layout = make_layout()
    apply.load_into(layout, path)
    np.testing.assert_array_equal(values_of(layout)["conv1/bias:0"], np.float32([3, 4]))


@pytest.mark.parametrize(
    ("stored", "wanted", "message"),
    [
        (101, 50, "holds a ResNet-101, the model has a ResNet-50: set `model.backbone` to resnet101"),
        (50, 101, "holds a ResNet-50, the model has a ResNet-101: set `model.backbone` to resnet50"),
    ],
)
def test_require_backbone_a_backbone_of_the_other_depth_is_refused(tmp_path, make_skeleton, stored, wanted, message):
    hdf5.write_file(tmp_path / "deep.h5", make_skeleton(stored))
    report = apply.load_into(make_skeleton(wanted), tmp_path / "deep.h5")
    with pytest.raises(UserError, match=rf"deep\.h5 {message}"):
        apply.require_backbone(report)


def test_require_backbone_an_incomplete_backbone_is_refused(tmp_path, make_skeleton):
    stored = [entry for entry in make_skeleton(50) if entry[0] not in ("res2a_branch2a", "conv1", "fpn_p2")]
    hdf5.write_file(tmp_path / "part.h5", stored)
    report = apply.load_into(make_skeleton(50), tmp_path / "part.h5")
    with pytest.raises(UserError, match=r"lacks 2 layers of the backbone \(conv1, res2a_branch2a\)"):
        apply.require_backbone(report)


def test_require_backbone_a_backbone_without_one_bias_is_refused():
    report = apply.LoadReport(source="m.h5", loaded=("conv1",), missing=("res3a_branch1/bias",))
    with pytest.raises(UserError, match=r"lacks 1 layer of the backbone \(res3a_branch1/bias\)"):
        apply.require_backbone(report)


def test_require_backbone_unknown_backbone_layers_are_refused():
    report = apply.LoadReport(source="m.h5", loaded=("conv1",), left_over=("res5d_branch2a",))
    with pytest.raises(UserError, match=r"layers that the model does not have \(res5d_branch2a\)"):
        apply.require_backbone(report)


def test_require_backbone_a_complete_backbone_passes_whatever_the_heads_are():
    report = apply.LoadReport(
        source="m.h5", loaded=("conv1",), excluded=("res5a_branch1",), missing=("fpn_p2",), left_over=("mrcnn_mask",)
    )
    assert apply.require_backbone(report) is None


def test_load_into_conv1_is_adapted_only_on_request_and_said_so(saved, make_layout, values_of):
    layout = make_layout(seed=0, conv1=[("conv1/kernel:0", (7, 7, 4, 2)), ("conv1/bias:0", (2,))])
    report = apply.load_into(layout, saved(), adapt_conv1=True)
    assert report.notes == ("conv1/kernel: 3 input channels inflated to 4, each new one starts as the average",)
    stored = values_of(make_layout(seed=1))["conv1/kernel:0"]
    np.testing.assert_allclose(values_of(layout)["conv1/kernel:0"][:, :, :3], stored * 0.75, rtol=1e-6)


def test_fit_input_channels_worked():
    kernel = np.array([2.0, 3.0, 7.0], dtype=np.float32).reshape(1, 1, 3, 1)  # mean 4

    def fitted(channels):
        return apply.fit_input_channels(kernel, channels).ravel().tolist()

    assert fitted(3) == [2, 3, 7]
    assert fitted(1) == [12]  # 4 * 3 / 1
    assert fitted(2) == [6, 6]  # 4 * 3 / 2
    assert fitted(4) == [1.5, 2.25, 5.25, 3]  # (2, 3, 7, 4) * 3 / 4
    assert fitted(6) == [1, 1.5, 3.5, 2, 2, 2]  # (2, 3, 7, 4, 4, 4) * 3 / 6
    assert apply.fit_input_channels(kernel, 4).dtype == np.float32


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_fit_input_channels_an_image_of_equal_channels_gives_the_same_features(channels):
    kernel = np.random.default_rng(0).normal(size=(7, 7, 3, 5)).astype(np.float32)
    fitted = apply.fit_input_channels(kernel, channels)
    assert fitted.shape == (7, 7, channels, 5)
    np.testing.assert_allclose(fitted.sum(axis=2), kernel.sum(axis=2), atol=1e-5)


def test_load_into_damage_inside_the_data_is_one_line(tmp_path, make_layout):
    path = tmp_path / "packed.h5"
    hdf5.write_file(path, make_layout())
    with h5py.File(path, "a") as handle:
        del handle["conv1/conv1/kernel:0"]
        values = np.random.default_rng(0).normal(size=(7, 7, 3, 2)).astype(np.float32)
        packed = handle.create_dataset("conv1/conv1/kernel:0", data=values, chunks=values.shape, compression="gzip")
        offset, size = packed.id.get_chunk_info(0).byte_offset, packed.id.get_chunk_info(0).size
    data = bytearray(path.read_bytes())
    data[offset : offset + size] = bytes(size)
    path.write_bytes(data)
    layout = make_layout()
    with pytest.raises(UserError, match=r"weight conv1/kernel:0 of .*packed\.h5 cannot be read, the file is damaged"):
        apply.load_into(layout, path)
    assert untouched(layout)


def test_abridge():
    assert apply.abridge([]) == ""
    assert apply.abridge(["a", "b"]) == "a, b"
    assert apply.abridge(list("abcdefg")) == "a, b, c, d, e, f, g"
    assert apply.abridge(list("abcdefgh")) == "a, b, c, d, e, f, … h"


def test_assign_counts_anchors_by_their_deltas_where_each_has_one_score(make_layout):
    def rpn(anchors):
        return [("rpn_class_raw/kernel:0", (1, 1, 4, anchors)), ("rpn_bbox_pred/kernel:0", (1, 1, 4, 4 * anchors))]

    stored = {
        name: {weight: variable.values for weight, variable in weights}
        for name, weights in make_layout(rpn_model=rpn(3))
    }
    with pytest.raises(UserError, match="the file has 3 anchors per location, the model 5; use as many"):
        apply.assign(make_layout(rpn_model=rpn(5)), stored, source="x")
