"""The proof: real networks, changed weights, and what counts as a failure."""

import numpy as np
import pytest

from mrcnn.export import precision, proof, run
from mrcnn.export.compare import Comparison
from mrcnn.export.formats.saved_model import SavedModel
from mrcnn.export.pictures import Picture
from mrcnn.export.precision import Tolerances
from mrcnn.export.proof import Proof
from mrcnn.predict.predictor import Predictor

from . import helpers

PICTURES = [Picture("small", helpers.photo(90, 70)), Picture("wide", helpers.photo(60, 300, seed=1))]


def comparison(**fields):
    values = {"image": "a", "height": 9, "width": 9, "signature": "encoded", "live": 10, "exported": 10, "paired": 10,
              "borderline": 0, "unpaired": 0, "rounded": 0, "box_px": 0.0, "score": 0.0,
              "boxes_off": 0, "mask_probability": 0.0, "mask_pixels": 0,
              "mask_iou": 1.0, "masks_off": 0}  # fmt: skip
    return Comparison(**{**values, **fields})


def make_proof(*comparisons):
    return Proof(0.7, Tolerances(), comparisons)


@pytest.fixture(scope="module")
def exported(network, exported_network):
    return SavedModel().open(exported_network, run.detector_settings(network.bundle))


def test_prove_finds_a_network_equal_to_its_export(network, exported, log):
    result = proof.prove(network, exported, PICTURES, log=log)
    assert [(item.image, item.signature) for item in result.comparisons] == [
        (image, function) for image in ("small", "wide") for function in ("serving_default", "probabilities", "encoded")
    ]
    assert result.failures == []
    assert result.paired >= 8
    assert all(item.paired == item.live == item.exported > 0 for item in result.comparisons)
    numbers = result.to_json()
    assert numbers["passed"]
    assert numbers["largest_difference"]["box_px"] < 0.01
    assert numbers["largest_difference"]["score"] < 1e-4
    assert 0 < numbers["largest_difference"]["mask_probability"] < 1e-4
    assert numbers["precision"] == "float32"
    assert log.messages == ["progress"] * 3


def rounded(value, *, places):
    """Rounds float32 numbers to so many binary places after the first."""
    whole = value.view(np.uint32) + np.uint32(1 << (22 - places))
    return (whole & np.uint32(~((1 << (23 - places)) - 1) & 0xFFFFFFFF)).view(np.float32)


@pytest.fixture
def weights(network):
    """The live network's variables, which have their values again afterwards."""
    variables = {name: one for _, entries in network.bundle.model.weight_layout() for name, one in entries}
    before = {name: one.numpy() for name, one in variables.items()}
    yield variables
    for name, one in variables.items():
        one.assign(before[name])


def test_prove_accepts_rounding_as_in_tf32_with_its_tolerances(network, exported, log, weights):
    for variable in weights.values():
        variable.assign(rounded(variable.numpy(), places=precision.PLACES["tf32"]))
    noisy = proof.prove(network, exported, PICTURES, log=log, tolerances=precision.tolerances("tf32"))
    assert 1e-5 < noisy.to_json()["largest_difference"]["mask_probability"]  # so there was noise
    # random weights score many regions alike, so that suppression may choose another one: that alone may differ
    assert not [line for line in noisy.failures if "detections only one of the two has" not in line]
    assert sum(item.unpaired for item in noisy.comparisons) < 0.1 * noisy.paired


def test_prove_notices_one_changed_bias_with_the_tolerances_of_tf32(network, exported, log, weights):
    variable = next(one for full, one in weights.items() if "mrcnn_mask/bias" in full)
    variable.assign_add(np.full(variable.shape, 0.1, np.float32))  # of the logits: at most a 40th of a probability
    assert proof.prove(network, exported, PICTURES[:1], log=log, tolerances=precision.tolerances("tf32")).failures


@pytest.mark.parametrize("layer", ["rpn_class_raw", "mrcnn_mask"])
def test_prove_notices_changed_weights(network, exported, log, layer):
    weights = next(
        variables
        for _, entries in network.bundle.model.weight_layout()
        for full, variables in entries
        if layer in full and "kernel" in full
    )
    before = weights.numpy()
    weights.assign(np.flip(before, axis=2))  # the input channels
    try:
        result = proof.prove(network, exported, PICTURES[:1], log=log)
    finally:
        weights.assign(before)
    assert result.failures
    assert not result.to_json()["passed"]


def test_prove_notices_another_model(tmp_path, log):
    bundle = helpers.make_bundle()
    run.write(bundle, tmp_path / "model")
    functions = SavedModel().open(tmp_path / "model", run.detector_settings(bundle))

    def shifted(batch):
        raw = helpers.brightness_model(batch)
        return raw._replace(boxes=raw.boxes + np.float32([0, 0.5, 0, 0]))

    picture = Picture("grey", np.full((64, 64, 3), 250, np.uint8))
    predictor = Predictor(helpers.make_bundle(shifted))
    result = proof.prove(predictor, functions, [picture], log=log)
    # 64 pixels stay 64 pixels; half a pixel takes no middle away from the left edge
    assert [item.box_px for item in result.comparisons] == [0.5] * 3
    assert result.failures == [
        f"grey ({function}): 2 boxes, the worst by 0.5 px"
        for function in ("serving_default", "probabilities", "encoded")
    ]
    same = proof.prove(Predictor(bundle), functions, [picture], log=log)
    assert same.failures == []
    assert same.paired == 6


def test_failures_name_image_and_measure():
    good, bad = (
        comparison(),
        comparison(image="b", box_px=0.2, boxes_off=1, score=0.002, masks_off=2, mask_pixels=30, mask_probability=0.25),
    )
    assert make_proof(good).failures == []
    assert make_proof(good, bad).failures == [
        "b (encoded): 1 boxes, the worst by 0.2 px, scores by 0.002, 2 masks, the worst by 30 pixels or 0.25"
    ]
    assert make_proof(comparison(fields_off=2)).failures == ["a (encoded): further fields of 2 detections"]
    assert make_proof(comparison(box_px=0.1, score=0.001, mask_pixels=900)).failures == []  # at the limits


def test_failures_allow_a_thousandth_of_a_maps_pixels():
    assert make_proof(comparison(map_share=0.001)).failures == []
    (line,) = make_proof(comparison(), comparison(map_share=0.02)).failures
    assert line == "a (encoded): 2.00% of a map's pixels"
    assert make_proof(comparison(map_share=0.02), comparison()).to_json()["largest_difference"]["map_share"] == 0.02


def test_failures_allow_a_tenth_of_the_boxes_to_be_rounded_otherwise():
    assert make_proof(comparison(paired=10, rounded=1)).failures == []
    assert make_proof(comparison(paired=10, rounded=2)).failures == ["2 of 10 boxes are rounded otherwise"]


def test_failures_allow_one_unpaired_in_a_hundred():
    assert make_proof(comparison(paired=99, unpaired=1)).failures == []
    assert make_proof(comparison(paired=98, unpaired=1)).failures == ["1 detections only one of the two has, most in a"]
    lines = make_proof(comparison(), comparison(image="b", paired=0, unpaired=4)).failures
    assert lines == ["4 detections only one of the two has, most in b"]


def test_to_json():
    numbers = make_proof(
        comparison(box_px=0.01, mask_iou=0.99), comparison(score=1e-4, mask_pixels=2, paired=3)
    ).to_json()
    assert numbers["largest_difference"] == {
        "box_px": 0.01, "score": 1e-4, "mask_probability": 0.0, "mask_pixels": 2, "mask_iou_at_least": 0.99,
        "map_share": 0.0,
    }  # fmt: skip
    assert (numbers["paired_detections"], numbers["unpaired_detections"], numbers["score_threshold"]) == (13, 0, 0.7)
    assert numbers["tolerances"]["box_px"] == 0.1
    assert numbers["comparisons"][1]["score"] == 1e-4
    assert make_proof().to_json()["passed"]
