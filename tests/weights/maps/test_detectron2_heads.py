"""PointRend's and Panoptic FPN's tensors; each layer is compared with detectron2's arithmetic in NumPy."""

import numpy as np
import pytest

from mrcnn.config.family import check_model
from mrcnn.errors import UserError
from mrcnn.heads.mask.pointrend import CoarseHead, PointHead
from mrcnn.heads.semantic.network import SemanticNetwork
from mrcnn.model_folder import foreign_file
from mrcnn.models.build import build_model
from mrcnn.weights import apply, foreign, state_dict_write
from mrcnn.weights.maps import detectron2, detectron2_heads
from mrcnn.weights.maps.entries import to_layers, to_tensors

from .test_detectron2 import shapes, zeros

COARSE, POINT, SEMANTIC = detectron2_heads.COARSE, detectron2_heads.POINT, detectron2_heads.SEMANTIC
MASKS = "roi_heads.mask_head."
OLDER = {f"{COARSE}.fc": "roi_heads.mask_coarse_head.coarse_mask_fc", f"{COARSE}.": "roi_heads.mask_coarse_head.",
         f"{POINT}.": "roi_heads.mask_point_head."}  # fmt: skip


def pointrend(classes=80, hidden=1024):
    """Lists the tensors of PointRend's networks."""
    weights = {
        f"{COARSE}.reduce_spatial_dim_conv": (256, 256, 2, 2),
        f"{COARSE}.fc1": (hidden, 12544),
        f"{COARSE}.fc2": (hidden, hidden),
        f"{COARSE}.prediction": (49 * classes, hidden),
        **{f"{POINT}.fc{number}": (256, 256 + classes, 1) for number in (1, 2, 3)},
        f"{POINT}.predictor": (classes, 256 + classes, 1),
    }
    return with_biases(weights)


def semantic(classes=54):
    """Lists the tensors of the semantic head; the first class is every thing."""
    found = with_biases({f"{SEMANTIC}.predictor": (classes, 128, 1, 1)})
    for name, inputs in (("p2.0", 256), ("p3.0", 256), ("p4.0", 256), ("p4.2", 128), ("p5.0", 256), ("p5.2", 128),
                         ("p5.4", 128)):  # fmt: skip
        found[f"{SEMANTIC}.{name}.weight"] = (128, inputs, 3, 3)
        found |= {f"{SEMANTIC}.{name}.norm.{part}": (128,) for part in ("weight", "bias")}
    return found


def with_biases(weights):
    found = {}
    for name, shape in weights.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def seeded(listed, seed=3):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0, 0.05, shape).astype(np.float32) for name, shape in listed.items()}


def without_masks(tensors):
    return {name: values for name, values in tensors.items() if not name.startswith(MASKS)}


def load(network, layers):
    """Sets the weights of a network's layers by their names in a file."""
    left = [weight.path for weight in network.weights]
    for weight in network.weights:
        layer, name = weight.path.split("/")[-2:]
        group = next(values for values in layers.values() if f"{layer}/{name}:0" in values)
        weight.assign(group[f"{layer}/{name}:0"])
        left.remove(weight.path)
    assert not left


def test_entries_are_all_tensors_with_the_published_number_of_parameters():
    whole = without_masks(shapes("resnet50")) | pointrend() | semantic()
    fakes = {name: np.broadcast_to(np.float32(0), shape) for name, shape in whole.items()}
    assert set(whole) <= {entry.tensor for entry in detectron2.entries(detectron2.form_of(fakes))}
    # detectron2's panoptic_fpn_R_50_1x has 45,973,990 parameters, mask_rcnn_R_50_FPN_1x 44,343,216
    assert sum(int(np.prod(shape)) for shape in semantic().values()) == 45_973_990 - 44_343_216
    # 2x2 convolution, layers of 12544 and 1024 inputs, 49 cells of 80 masks; then four layers of 256 + 80 inputs
    coarse = 262_400 + 12_846_080 + 1_049_600 + 3920 * 1025
    assert sum(int(np.prod(shape)) for shape in pointrend().values()) == coarse + 3 * 256 * 337 + 80 * 337


def test_settings_of_pointrend_and_of_a_semantic_head():
    tensors = without_masks(zeros()) | seeded(pointrend(hidden=2)) | seeded(semantic(4))
    found = detectron2.settings_of(tensors)
    assert (found["mask_head"], found["extra_heads"], found["heads"]) == ("pointrend", ["semantic"], ["masks"])
    assert "class_agnostic_masks" not in found
    assert detectron2.num_stuff(tensors) == 3
    assert detectron2.num_stuff(zeros()) == 0
    shared = tensors | {f"{COARSE}.prediction.weight": np.zeros((49, 2), np.float32)}
    assert detectron2.settings_of(shared)["class_agnostic_masks"] is True


@pytest.mark.parametrize("classes", [3, 1], ids=["a mask for each class", "one class"])
def test_coarse_masks_are_those_of_detectron2(classes):
    state = seeded(pointrend(classes, hidden=5))
    layers = to_layers(detectron2_heads.pointrend_entries(class_agnostic=False), state)
    network = CoarseHead(num_masks=classes + 1)
    network.hidden_layers[1].conv.filters = network.hidden_layers[2].conv.filters = 5
    network.build((None, None, None, 256))
    load(network, layers)
    regions = np.random.default_rng(0).normal(size=(2, 14, 14, 256)).astype(np.float32)
    # theirs: channels first, 2x2 cells to one, flattened as (channel, y, x), masks as (class, y, x)
    weight = state[f"{COARSE}.reduce_spatial_dim_conv.weight"]  # [O, I, dy, dx]
    cells = regions.reshape(2, 7, 2, 7, 2, 256)
    hidden = np.einsum("nydxei,oide->noyx", cells, weight)
    hidden = hidden + state[f"{COARSE}.reduce_spatial_dim_conv.bias"][:, None, None]
    hidden = np.maximum(hidden, 0).reshape(2, -1)
    for name in ("fc1", "fc2"):
        hidden = np.maximum(hidden @ state[f"{COARSE}.{name}.weight"].T + state[f"{COARSE}.{name}.bias"], 0)
    theirs = hidden @ state[f"{COARSE}.prediction.weight"].T + state[f"{COARSE}.prediction.bias"]
    theirs = theirs.reshape(2, classes, 7, 7).transpose(0, 2, 3, 1)
    ours = np.asarray(network(regions))
    np.testing.assert_allclose(ours[..., 1:], theirs, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(ours[..., 0], 0)  # the background, which they lack


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_points_are_those_of_detectron2(class_agnostic):
    masks = 1 if class_agnostic else 3
    state = seeded(pointrend(masks))
    layers = to_layers(detectron2_heads.pointrend_entries(class_agnostic=class_agnostic), state)
    network = PointHead(num_masks=masks + (not class_agnostic))
    network.build((None, None, 256))
    load(network, layers)
    generator = np.random.default_rng(1)
    fine, coarse = (generator.normal(size=(2, 4, size)).astype(np.float32) for size in (256, masks))
    hidden = fine
    for name in ("fc1", "fc2", "fc3"):  # each layer reads the features, or the layer before, and then the coarse masks
        inputs = np.concatenate([hidden, coarse], axis=-1)
        hidden = np.maximum(inputs @ state[f"{POINT}.{name}.weight"][..., 0].T + state[f"{POINT}.{name}.bias"], 0)
    inputs = np.concatenate([hidden, coarse], axis=-1)
    theirs = inputs @ state[f"{POINT}.predictor.weight"][..., 0].T + state[f"{POINT}.predictor.bias"]
    background = generator.normal(size=(2, 4, int(not class_agnostic))).astype(np.float32)  # its logits have no effect
    ours = np.asarray(network(fine, np.concatenate([background, coarse], axis=-1)))
    np.testing.assert_allclose(ours[..., -masks:], theirs, rtol=1e-4, atol=1e-4)


def test_semantic_maps_are_those_of_detectron2():
    state = seeded(semantic(3))
    network = SemanticNetwork(num_classes=3)
    network.build((None, None, None, 256))
    load(network, to_layers(detectron2_heads.semantic_entries(), state))
    generator = np.random.default_rng(2)
    maps = [generator.normal(size=(1, side, 2 * side, 256)).astype(np.float32) for side in (16, 8, 4, 2)]
    total = 0.0
    for features, names in zip(maps, (["p2.0"], ["p3.0"], ["p4.0", "p4.2"], ["p5.0", "p5.2", "p5.4"]), strict=True):
        for name in names:
            features = relu_norm(convolved(features, state[f"{SEMANTIC}.{name}.weight"]), state, name)
            features = features if name == "p2.0" else doubled(doubled(features, axis=1), axis=2)
        total = total + features
    theirs = total @ state[f"{SEMANTIC}.predictor.weight"][..., 0, 0].T + state[f"{SEMANTIC}.predictor.bias"]
    np.testing.assert_allclose(np.asarray(network(maps)), theirs, rtol=1e-3, atol=1e-3)


def doubled(maps, *, axis):
    """Doubles an axis, bilinear: a new cell is three quarters of the nearest old one and a quarter of the next."""
    size = maps.shape[axis]
    near = np.arange(2 * size) // 2
    other = np.clip(near + np.where(np.arange(2 * size) % 2, 1, -1), 0, size - 1)
    return 0.75 * np.take(maps, near, axis=axis) + 0.25 * np.take(maps, other, axis=axis)


def convolved(maps, weight):
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = maps.shape[1:3]
    shifts = [(y, x) for y in range(3) for x in range(3)]
    return sum(padded[:, y : y + height, x : x + width] @ weight[:, :, y, x].T for y, x in shifts)


def relu_norm(maps, state, name, groups=32):
    parts = maps.reshape(*maps.shape[:3], groups, -1)
    mean, var = (function(parts, axis=(1, 2, 4), keepdims=True) for function in (np.mean, np.var))
    normed = ((parts - mean) / np.sqrt(var + 1e-5)).reshape(maps.shape)
    start = f"{SEMANTIC}.{name}.norm"
    return np.maximum(normed * state[f"{start}.weight"] + state[f"{start}.bias"], 0)


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_entries_of_both_heads_are_each_others_inverse(class_agnostic):
    state = seeded(pointrend(1 if class_agnostic else 4, hidden=3) | semantic(5))
    known = [*detectron2_heads.pointrend_entries(class_agnostic=class_agnostic), *detectron2_heads.semantic_entries()]
    back = to_tensors(known, to_layers(known, state))
    assert {name: values.shape for name, values in back.items()} == {name: v.shape for name, v in state.items()}
    assert all(np.array_equal(values, state[name]) for name, values in back.items())


def test_renamed_replaces_the_names_of_published_files():
    older = {}
    for name in pointrend():
        start = next(start for start in OLDER if name.startswith(start))
        older[name.replace(start, OLDER[start], 1)] = name
    assert "roi_heads.mask_coarse_head.coarse_mask_fc1.weight" in older
    assert "roi_heads.mask_coarse_head.reduce_spatial_dim_conv.bias" in older
    assert "roi_heads.mask_point_head.predictor.weight" in older
    assert detectron2_heads.renamed(older) == {name: name for name in older.values()}
    between = {f"{COARSE}.coarse_mask_fc2.bias": 1, "roi_heads.box_head.fc1.weight": 2}  # with the later place alone
    assert detectron2_heads.renamed(between) == {f"{COARSE}.fc2.bias": 1, "roi_heads.box_head.fc1.weight": 2}


def test_a_file_with_both_heads_fills_the_model(tmp_path):
    state = without_masks(seeded(shapes("resnet50"))) | seeded(pointrend()) | seeded(semantic())
    path = tmp_path / "m.pth"
    state_dict_write.write_torch(path, {older_name(name): values for name, values in state.items()})
    file = foreign_file.read_detector(path)
    assert file.unknown == file.missing == ()
    config = foreign_file.model_config(file)
    assert config.stuff_classes[:2] == ("banner", "blanket")
    assert len(config.stuff_classes) == 53
    model = build_model(check_model(config.model_dump()), num_classes=file.num_classes)
    report = apply.assign(model.weight_layout(), file.layers(), source="seeded")
    assert report.missing == report.left_over == report.notes == ()
    lines = foreign_file.assumptions(file, classes="coco")
    assert any("the names of its 53 stuff classes: COCO's are assumed" in line for line in lines)


def older_name(name):
    start = next((start for start in OLDER if name.startswith(start)), "")
    return name.replace(start, OLDER[start], 1) if start else name


def test_stuff_classes_of_another_number_are_numbered(tmp_path):
    state = without_masks(zeros()) | seeded(pointrend(hidden=2)) | seeded(semantic(4))
    file = foreign.ForeignFile("a.pkl", "PyTorch", "detectron2", True, state)
    assert foreign_file.model_config(file).stuff_classes == ("stuff 1", "stuff 2", "stuff 3")
    lines = foreign_file.assumptions(file, classes="coco")
    assert any("the names of its 3 stuff classes: numbers are assumed" in line for line in lines)


@pytest.mark.parametrize("shape", [(50, 2), (48, 2)])
def test_coarse_masks_of_another_size_are_refused_in_one_line(shape):
    changed = {f"{COARSE}.prediction.weight": np.zeros(shape, np.float32)}
    state = without_masks(zeros()) | seeded(pointrend(hidden=2)) | changed
    file = foreign.ForeignFile("a.pkl", "PyTorch", "detectron2", True, state)
    with pytest.raises(UserError, match=r"^a\.pkl is no whole model of detectron2, or is damaged: "):
        file.layers()


def test_further_tensors_of_the_semantic_head_are_refused(tmp_path):
    state = without_masks(zeros()) | seeded(semantic(4)) | {f"{SEMANTIC}.p6.0.weight": np.zeros((1, 1, 3, 3))}
    file = foreign.ForeignFile("a.pkl", "PyTorch", "detectron2", True, state)
    with pytest.raises(UserError, match="layers that this project's model lacks"):
        file.require_known_parts()
