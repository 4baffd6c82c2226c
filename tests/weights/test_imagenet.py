import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.structures import ResNetRules
from mrcnn.weights import hdf5, imagenet, keras_resnet, names, state_dict_write
from tests import matterport_table
from tests.weights import foreign_examples, keras_folder

REAL = Path(__file__).resolve().parents[3] / "shared/data/weights/resnet50_v1_keras_c1-c4"
SHAPES = {weight: shape for _, weights in matterport_table.expected_table(50, 2) for weight, shape in weights}
PART = ("conv1", "bn_conv1", "res2a_branch2a", "bn2a_branch2a", "res2a_branch1", "bn2a_branch1")


@pytest.fixture
def make_part():
    """Makes the first layers of a ResNet-50 with zeros, as a layout."""

    class Variable:
        def __init__(self, shape):
            self.shape, self.values = shape, np.zeros(shape, dtype=np.float32)

        def assign(self, values):
            self.values = np.array(values)

        def numpy(self):
            return self.values

    def make(layers=PART, channels=3, depth=50):
        table = dict(matterport_table.expected_table(depth, 2, channels=channels))
        return [(layer, [(weight, Variable(shape)) for weight, shape in table[layer]]) for layer in layers]

    return make


def load(layout, source, depth):
    channels = next((dict(weights)["conv1/kernel:0"].shape[2] for layer, weights in layout if layer == "conv1"), 3)
    rules = ResNetRules(f"resnet{str(depth).removeprefix('resnet')}", image_std=(1.0,) * channels)
    return imagenet.load_imagenet(layout, source, rules)


def foreign_weights(layers=PART):
    """Makes {keras.applications layer: {kind: array}} with seeded values."""
    generator = np.random.default_rng(0)
    found = {}
    for layer in layers:
        kinds = names.NORM_WEIGHTS if "bn" in layer else names.CONV_WEIGHTS
        found[keras_resnet.keras_names(101)[layer]] = {
            kind: generator.uniform(0.01, 1, SHAPES[f"{layer}/{kind}:0"]).astype(np.float32) for kind in kinds
        }
    return found


def write_by_name(path, found):
    class Values(np.ndarray):
        def numpy(self):
            return np.asarray(self)

    layout = [
        (name, [(f"{name}/{kind}:0", values.view(Values)) for kind, values in kinds.items()])
        for name, kinds in found.items()
    ]
    hdf5.write_file(path, layout)
    return path


def write_keras3(path, found):
    with h5py.File(path, "w") as handle:
        handle.create_group("layers/activation/vars").attrs["name"] = "conv1_relu"
        for number, (name, kinds) in enumerate(found.items()):
            variables = handle.create_group(f"layers/layer_{number}/vars")
            variables.attrs["name"] = name
            for index, values in enumerate(kinds.values()):
                variables[str(index)] = values
    return path


ONE = ResNetRules("resnet50")
FORMS = {"by_name.h5": write_by_name, "keras3.weights.h5": write_keras3}


@pytest.mark.parametrize("form", FORMS)
def test_load_imagenet_loads_the_same_from_every_form(tmp_path, make_part, values_of, form):
    found = foreign_weights()
    layout = make_part()
    report = load(layout, FORMS[form](tmp_path / form, found), 50)
    values = values_of(layout)
    np.testing.assert_array_equal(values["conv1/kernel:0"], found["conv1_conv"]["kernel"][:, :, ::-1])
    np.testing.assert_array_equal(values["res2a_branch1/kernel:0"], found["conv2_block1_0_conv"]["kernel"])
    np.testing.assert_array_equal(values["res2a_branch2a/bias:0"], found["conv2_block1_1_conv"]["bias"])
    np.testing.assert_array_equal(values["bn2a_branch1/moving_mean:0"], found["conv2_block1_0_bn"]["moving_mean"])
    np.testing.assert_array_equal(values["bn_conv1/moving_variance:0"], found["conv1_bn"]["moving_variance"])
    np.testing.assert_array_equal(values["bn_conv1/beta:0"], found["conv1_bn"]["beta"])
    assert report.loaded == PART
    assert report.missing == report.left_over == ()
    assert "BGR to RGB" in report.notes[0]


def test_fold_epsilon_worked():
    # sqrt((0 + 1e-3) / (0 + 1.001e-5)) = sqrt(99.9001) = 9.99500; sqrt(1.001 / 1.00001001) = 1.000495
    gamma, variance = np.array([1.0, 2.0]), np.array([0.0, 1.0])
    folded, same = imagenet.fold_epsilon(gamma, variance, stored=1.001e-5, wanted=1e-3)
    np.testing.assert_allclose(folded, [9.99500, 2 * 1.000495], rtol=1e-6)
    assert folded.dtype == np.float32
    assert same is variance
    # a smaller epsilon leaves gamma as it is: 0 + 1e-3 - 0 and 1 + 1e-3
    kept, added = imagenet.fold_epsilon(gamma, variance, stored=1e-3, wanted=0.0)
    assert kept is gamma
    np.testing.assert_allclose(added, [1e-3, 1.001], rtol=1e-6)
    empty = imagenet.fold_epsilon(np.zeros(0), np.zeros(0), stored=1e-5, wanted=1e-3)
    assert [values.shape for values in empty] == [(0,), (0,)]


def test_load_imagenet_keeps_what_convolution_and_norm_compute(tmp_path, make_part, values_of):
    """One output position of conv1 and its batch norm, on a BGR patch there and on the RGB patch here."""
    found = foreign_weights()
    found["conv1_bn"]["moving_variance"][:3] = (1e-6, 1e-4, 0)  # where the epsilons matter most
    layout = make_part()
    load(layout, write_by_name(tmp_path / "w.h5", found), 50)
    values = values_of(layout)
    rgb = np.random.default_rng(1).uniform(-100, 100, (7, 7, 3))

    def forward(patch, conv, norm, epsilon):
        features = np.tensordot(patch, conv["kernel"].astype(np.float64), 3) + conv["bias"]
        scale = norm["gamma"].astype(np.float64) / np.sqrt(norm["moving_variance"].astype(np.float64) + epsilon)
        return (features - norm["moving_mean"]) * scale + norm["beta"]

    there = forward(rgb[:, :, ::-1], found["conv1_conv"], found["conv1_bn"], 1.001e-5)
    conv = {kind: values[f"conv1/{kind}:0"] for kind in names.CONV_WEIGHTS}
    norm = {kind: values[f"bn_conv1/{kind}:0"] for kind in names.NORM_WEIGHTS}
    here = forward(rgb, conv, norm, 1e-3)
    assert there.shape == (64,)
    np.testing.assert_allclose(here, there, rtol=1e-5)


def test_load_imagenet_accepts_a_partial_file_but_no_lone_norms(tmp_path, make_part, values_of):
    found = foreign_weights()
    del found["conv2_block1_0_conv"]
    layout = make_part()
    report = load(layout, write_by_name(tmp_path / "w.h5", found), "resnet50")
    assert report.missing == ("res2a_branch1", "bn2a_branch1")
    assert "not taken, as their convolutions are missing: bn2a_branch1" in report.notes
    assert not values_of(layout)["bn2a_branch1/moving_variance:0"].any()


@pytest.mark.parametrize(("depth", "layers"), [(50, 106), (101, 208)])  # 53 and 104 convolutions with their norms
def test_load_imagenet_fills_the_whole_backbone_from_a_whole_file(tmp_path, depth, layers):
    class Thin:
        """A variable that remembers only what it was given."""

        def __init__(self, shape):
            self.shape, self.given = shape, None

        def assign(self, values):
            self.given = float(values.ravel()[0])

        def numpy(self):
            return np.broadcast_to(np.float32(1), self.shape)

    def thin(layer_names):
        return [
            (name, [(weight.replace(layer, name), Thin(shape)) for weight, shape in table[layer]])
            for layer, name in layer_names.items()
        ]

    table = dict(matterport_table.expected_table(depth, 2))
    hdf5.write_file(tmp_path / "notop.h5", thin(keras_resnet.keras_names(depth)))
    layout = thin({layer: layer for layer in names.backbone_layers(depth)})
    report = load(layout, tmp_path / "notop.h5", depth)
    assert len(report.loaded) == layers
    assert report.missing == report.left_over == ()
    given = {weight: variable.given for _, weights in layout for weight, variable in weights}
    assert given["res5c_branch2c/kernel:0"] == 1
    assert given["bn5c_branch2c/gamma:0"] == pytest.approx((1.001 / 1.00001001) ** 0.5)


def test_load_imagenet_reports_the_backbone_only(tmp_path, make_part, make_layout):
    layout = make_part() + [entry for entry in make_layout() if entry[0] == "rpn_model"]
    report = load(layout, write_by_name(tmp_path / "w.h5", foreign_weights()), 50)
    assert report.missing == ()
    assert all(variable.assigned == 0 for _, variable in layout[-1][1])


@pytest.mark.parametrize(("channels", "word"), [(1, "averaged to 1"), (4, "inflated to 4")])
def test_load_imagenet_adapts_conv1_to_other_input_channels(tmp_path, make_part, values_of, channels, word):
    found = foreign_weights()
    layout = make_part(channels=channels)
    report = load(layout, write_by_name(tmp_path / "w.h5", found), 50)
    assert any(word in note for note in report.notes)
    kernel = values_of(layout)["conv1/kernel:0"]
    assert kernel.shape == (7, 7, channels, 64)
    np.testing.assert_allclose(kernel.sum(axis=2), found["conv1_conv"]["kernel"].sum(axis=2), rtol=1e-5)


@pytest.mark.parametrize("lacking", ["conv1_conv", "conv1_bn"])
@pytest.mark.parametrize("form", FORMS)
def test_load_imagenet_needs_conv1(tmp_path, make_part, form, lacking):
    found = foreign_weights()
    del found[lacking]
    with pytest.raises(UserError, match=f"lacks {lacking} of keras.applications' ResNet-50"):
        load(make_part(), FORMS[form](tmp_path / form, found), 50)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("last_block", "depth", "message"),
    [
        (23, 50, "holds a ResNet-101, the model has a ResNet-50: set `model.backbone` to resnet101"),
        (6, 101, "holds a ResNet-50, the model has a ResNet-101: set `model.backbone` to resnet50"),
        (36, 101, "holds a ResNet-152, the model has a ResNet-101: give a ResNet-50 or ResNet-101"),
    ],
)
def test_load_imagenet_refuses_another_depth(tmp_path, make_part, form, last_block, depth, message):
    found = foreign_weights()
    found[f"conv4_block{last_block}_1_conv"] = foreign_weights(("res4f_branch2a",))["conv4_block6_1_conv"]
    with pytest.raises(UserError, match=message):
        load(make_part(depth=depth), FORMS[form](tmp_path / form, found), depth)


def test_load_imagenet_says_how_a_trained_mask_rcnn_is_loaded(tmp_path, make_part):
    hdf5.write_file(tmp_path / "trained.h5", make_part())
    with pytest.raises(UserError, match=r"it has conv1, bn_conv1, .* loaded by `transfer_learning`"):
        load(make_part(), tmp_path / "trained.h5", 50)


def test_load_imagenet_refuses_an_empty_file_a_folder_and_a_missing_path(tmp_path, make_part):
    with pytest.raises(UserError, match="it has nothing of a ResNet"):
        load(make_part(), write_by_name(tmp_path / "empty.h5", {}), 50)
    with pytest.raises(UserError, match="is a folder"):
        load(make_part(), tmp_path, 50)
    with pytest.raises(UserError, match="absent does not exist"):
        load(make_part(), tmp_path / "absent", 50)


def test_load_imagenet_refuses_a_layer_without_bias(tmp_path, make_part):
    found = foreign_weights()
    del found["conv2_block1_1_conv"]["bias"]
    with pytest.raises(UserError, match="layer conv2_block1_1_conv lacks bias"):
        load(make_part(), write_by_name(tmp_path / "x.h5", found), 50)


def test_load_imagenet_refuses_a_nan(tmp_path, make_part, values_of):
    found = foreign_weights()
    found["conv1_conv"]["bias"][5] = np.nan
    layout = make_part()
    with pytest.raises(UserError, match=r"layer conv1, weight conv1/bias:0 .* 1 values that are NaN"):
        load(layout, write_by_name(tmp_path / "w.h5", found), 50)
    assert not any(values.any() for values in values_of(layout).values())


@pytest.mark.skipif(not REAL.is_dir(), reason="the partial ImageNet weights are not beside this repository")
def test_load_imagenet_loads_real_weights(tmp_path, make_part, values_of):
    layout = make_part(layers=names.backbone_layers(50))
    path = write_by_name(tmp_path / "real.h5", keras_folder.read_folder(REAL, 50))
    report = load(layout, path, "resnet50")
    values = values_of(layout)
    # kernel[0, 0, 0, :3] as the source states it; blue is the last channel here
    np.testing.assert_allclose(values["conv1/kernel:0"][0, 0, 2, :3], [0.02825263, -0.01187372, 0.00151489], atol=5e-9)
    missing = [name for name in report.missing if name.startswith("res")]
    assert len(missing) == 9
    assert all(name.startswith("res5") for name in missing)
    assert "res5a_branch2a" in report.loaded
    assert len(report.loaded) + len(report.missing) == 106
    assert all(np.isfinite(array).all() for array in values.values())


def torch_file(path, tensors):
    state_dict_write.write_torch(path, tensors)
    return path


def test_read_source_has_the_rules_of_each_file(tmp_path):
    def rules_of(tensors):
        return imagenet.read_source(torch_file(tmp_path / "r.pth", tensors), backbone="resnet50").rules

    torchvision = rules_of(foreign_examples.backbone("torchvision"))
    assert torchvision == ("resnet50", "torchvision", "rgb", (58.395, 57.12, 57.375), 1e-5, "3x3")
    assert rules_of(foreign_examples.backbone("detectron2")) == (
        "resnet50",
        "detectron2",
        "bgr",
        (1, 1, 1),
        1e-5,
        "1x1",
    )
    keras_file = write_by_name(tmp_path / "k.h5", foreign_weights())
    assert imagenet.read_source(keras_file, backbone="resnet50").rules == (
        "resnet50", "keras", "bgr", (1, 1, 1), 1.001e-5, "1x1"
    )  # fmt: skip


def test_read_source_of_torchvision_in_detectron2_s_names_keeps_torchvision_s_rules(tmp_path):
    path = tmp_path / "r50.pkl"
    content = {"model": foreign_examples.backbone("detectron2"), "__author__": "torchvision"}
    path.write_bytes(pickle.dumps(content, protocol=2))
    assert imagenet.read_source(path, backbone="resnet50").rules.code_base == "torchvision"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (foreign_examples.detector("torchvision"), "holds a whole detector of torchvision: give it as --model and set"),
        (
            foreign_examples.backbone("torchvision", depth="resnet101"),
            "holds a resnet101, the model has a resnet50: set `model.backbone` to resnet101",
        ),
        (
            foreign_examples.backbone("detectron2", drop=("res2.0.conv2.weight",)),
            r"lacks 1 tensors of a resnet50 \(res2.0.conv2.weight\): give a complete file",
        ),
        (
            {**foreign_examples.backbone("torchvision", depth="resnet101"), "layer3.35.conv1.weight": np.zeros(1)},
            "holds layer3.35.conv1.weight, which no resnet101 has: give a ResNet-50 or ResNet-101",
        ),
    ],
)
def test_read_source_refuses_what_does_not_fit(tmp_path, tensors, message):
    with pytest.raises(UserError, match=message):
        imagenet.read_source(torch_file(tmp_path / "r.pth", tensors), backbone="resnet50")


@pytest.mark.parametrize(
    ("code_base", "stem"), [("torchvision", ("conv1", "bn1")), ("detectron2", ("stem.conv1",) * 2)]
)
def test_load_imagenet_keeps_what_the_stem_of_another_code_base_computes(
    tmp_path, make_part, values_of, code_base, stem
):
    """One output of the first convolution and its batch norm, there and in a model with biases and another epsilon."""
    random = np.random.default_rng(2)
    tensors = foreign_examples.backbone(code_base)
    norm = "bn1." if code_base == "torchvision" else "stem.conv1.norm."
    tensors[f"{stem[0]}.weight"] = kernel = random.normal(size=(64, 3, 7, 7)).astype(np.float32)
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensors[norm + name] = random.uniform(0.5, 2, 64).astype(np.float32)
    layout = make_part(("conv1", "bn_conv1"))
    report = imagenet.load_imagenet(layout, torch_file(tmp_path / "r.pth", tensors), ONE)
    assert report.loaded == ("conv1", "bn_conv1")
    assert "1 biases start at 0" not in report.notes  # one sentence holds all conversions
    rgb = random.uniform(-100, 100, (3, 7, 7))
    seen = rgb / np.reshape(imagenet.TORCH_STD, (3, 1, 1)) if code_base == "torchvision" else rgb[::-1]
    scale = tensors[norm + "weight"] / np.sqrt(tensors[norm + "running_var"] + 1e-5)
    there = (np.tensordot(kernel, seen, 3) - tensors[norm + "running_mean"]) * scale + tensors[norm + "bias"]
    values = values_of(layout)
    scale = values["bn_conv1/gamma:0"] / np.sqrt(values["bn_conv1/moving_variance:0"] + 1e-3)
    features = np.tensordot(rgb.transpose(1, 2, 0), values["conv1/kernel:0"], 3) + values["conv1/bias:0"]
    here = (features - values["bn_conv1/moving_mean:0"]) * scale + values["bn_conv1/beta:0"]
    np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-3)
