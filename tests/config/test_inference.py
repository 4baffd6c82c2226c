import pytest

from mrcnn.config import inference, load
from mrcnn.config.inference import Selection
from mrcnn.errors import UserError

ORIGINAL_MODEL = {"gpu_device": 0, "confidence_tag_name": "confidence", "min_confidence_threshold": 0.0}


def error_of(values):
    with pytest.raises(UserError) as caught:
        load.load_inference_config(values)
    return str(caught.value)


def test_an_empty_config_has_the_originals_defaults():
    config = load.load_inference_config({})
    assert config.model.model_dump(exclude={"score_floor", "max_image_mb", "runtime", "tta"}) == ORIGINAL_MODEL
    assert config.mode.name == "full_image"
    assert (config.mode.model_classes.add_suffix, config.mode.model_tags.add_suffix) == ("_maskrcnn", "_maskrcnn")
    assert config.mode.model_classes.selects("anything")


def test_class_selection_users_selection_keeps_the_default_suffix():
    mode = load.load_inference_config({"model": {}, "mode": {"model_classes": {"save_classes": ["a"]}}}).mode
    assert (mode.model_classes.selects("a"), mode.model_classes.selects("b")) == (True, False)
    assert mode.model_classes.renamed("a") == "a_maskrcnn"


@pytest.mark.parametrize(
    ("values", "selected"),
    [
        ({}, {"a", "b"}),
        ({"save_names": "__all__"}, {"a", "b"}),
        ({"save_names": ["a", "unknown"]}, {"a"}),
        ({"save_classes": ["b"]}, {"b"}),
        ({"save_classes": ["b"], "save_names": ["a"]}, {"a"}),
        ({"save_classes": ["b"], "save_names": "__all__"}, {"a", "b"}),
        ({"save_names": []}, set()),
    ],
)
def test_what_a_selection_selects(values, selected):
    selection = inference.Selection(**values)
    assert {name for name in ("a", "b") if selection.selects(name)} == selected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 0.7),
        ({"min_confidence_threshold": 0.0}, 0.7),
        ({"min_confidence_threshold": 0.9}, 0.9),
        ({"score_floor": 0.0}, 0.0),
        ({"score_floor": 0.0, "min_confidence_threshold": 0.3}, 0.3),
        ({"score_floor": 0.5, "min_confidence_threshold": 0.3}, 0.5),
    ],
)
def test_the_models_floor_holds_until_it_is_lowered_by_name(values, expected):
    assert inference.InferenceModelConfig(**values).score_threshold(0.7) == expected


def test_save_probabilities_is_accepted_with_a_note():
    warnings = []
    load.load_inference_config({"model": {}, "mode": {"save_probabilities": True}}, warn=warnings.append)
    assert warnings == ["`mode.save_probabilities` has no effect: this model gives no score per pixel"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": {"existing_objects": {"save": []}}}, "unknown key `mode.existing_objects.save`"),
        ({"model": 3}, "`model` must be an object, got 3"),
        ({"mode": []}, "`mode` must be an object, got []"),
        ({"model": {"gpu_device": -1}}, "`model.gpu_device` must be greater than or equal to 0, got -1"),
        ({"model": {"gpu_device": True}}, "`model.gpu_device` must be an integer, got true"),
        ({"model": {"confidence_tag_name": 1}}, "`model.confidence_tag_name` must be a string, got 1"),
        (
            {"model": {"min_confidence_threshold": 1.5}},
            "`model.min_confidence_threshold` must be less than or equal to 1",
        ),
        (
            {"model": {"min_confidence_threshold": -0.1}},
            "`model.min_confidence_threshold` must be greater than or equal",
        ),
        ({"model": {"score_floor": "0"}}, '`model.score_floor` must be a number, got "0"'),
        ({"model": {"num_processes": 1}}, "unknown key `model.num_processes`; known here: gpu_device"),
        ({"model": {"gpu_devce": 1}}, "unknown key `model.gpu_devce`; did you mean `gpu_device`"),
        (
            {"mode": {"name": "bboxes_ocr"}},
            '`mode.name` must be one of full_image, roi, bboxes, sliding_window, sliding_window_det, got "bboxes_ocr"',
        ),
        (
            {"mode": {"name": None}},
            "`mode.name` must be one of full_image, roi, bboxes, sliding_window, sliding_window_det, got null",
        ),
        (
            {"mode": {"name": {"a": 1}}},
            '`mode.name` must be one of full_image, roi, bboxes, sliding_window, sliding_window_det, got {"a": 1}',
        ),
        ({"mode": {"save": True}}, "unknown key `mode.save`"),
        ({"mode": {"model_classes": ["a"]}}, '`mode.model_classes` must be an object, got ["a"]'),
        (
            {"mode": {"model_classes": {"save_names": None}}},
            '`mode.model_classes.save_names` must be "__all__" or a list',
        ),
        (
            {"mode": {"model_classes": {"save_names": "a"}}},
            '`mode.model_classes.save_names` must be "__all__" or a list',
        ),
        ({"mode": {"model_tags": {"save_names": [""]}}}, '`mode.model_tags.save_names` must be "__all__" or a list of'),
        ({"mode": {"model_tags": {"add_suffix": None}}}, "`mode.model_tags.add_suffix` must be a string, got null"),
        ({"mode": {"save_probabilities": 1}}, "`mode.save_probabilities` must be true or false, got 1"),
    ],
)
def test_wrong_values_are_named(values, message):
    assert error_of({"model": {}, **values}).startswith(message)


def test_a_new_mode_is_one_entry_of_a_dictionary(monkeypatch):
    class Tiles(inference.Mode):
        name: str = "tiles"
        size: int = 128

    monkeypatch.setitem(inference.MODES, "tiles", Tiles)
    config = load.load_inference_config({"model": {}, "mode": {"name": "tiles", "size": 64}})
    assert isinstance(config.mode, Tiles)
    assert config.mode.size == 64
    # Only full_image has a default suffix, as in the original.
    assert config.mode.model_classes.add_suffix == ""
    assert config.model_dump()["mode"]["size"] == 64


# Supervisely SDK 5.16, default mode configs.
ZERO = {"left": "0px", "top": "0px", "right": "0px", "bottom": "0px"}
WINDOWS = {"window": {"width": 128, "height": 128}, "min_overlap": {"x": 0, "y": 0}, "save": False}
PUBLISHED_DEFAULTS = {
    "full_image": {},
    "roi": {"bounds": ZERO, "save": False, "class_name": "inference_roi"},
    "bboxes": {"from_classes": "__all__", "padding": ZERO, "save": False, "add_suffix": "_input_bbox"},
    "sliding_window": {**WINDOWS, "class_name": "sliding_window"},
    "sliding_window_det": {
        **WINDOWS,
        "class_name": "sliding_window",
        "nms_after": {"enable": False, "iou_threshold": 0.0, "confidence_tag_name": "confidence"},
    },
}


@pytest.mark.parametrize("name", PUBLISHED_DEFAULTS)
def test_a_mode_has_the_originals_keys_and_defaults(name):
    values = load.load_mode({"name": name}).model_dump(mode="json")
    assert {key: values[key] for key in PUBLISHED_DEFAULTS[name]} == PUBLISHED_DEFAULTS[name]
    common = {"name", "model_classes", "model_tags", "existing_objects", "save_probabilities", "flip"}
    own = {"join_iou_threshold", "nms_after"} if name.startswith("sliding") else set()
    assert set(values) - set(PUBLISHED_DEFAULTS[name]) - common - own == set()
    assert values["flip"] is False


@pytest.mark.parametrize("name", inference.MODES)
def test_only_the_whole_image_has_a_default_suffix(name):
    mode = load.load_inference_config({"model": {}, "mode": {"name": name}}).mode
    suffix = "_maskrcnn" if name == "full_image" else ""
    assert (mode.model_classes.add_suffix, mode.model_tags.add_suffix) == (suffix, suffix)


def test_windows_have_useful_defaults_where_the_original_had_none():
    mode = load.load_mode({"name": "sliding_window", "nms_after": {"iou_threshold": 0.5}})
    assert (mode.nms_after.enable, mode.nms_after.iou_threshold) == (True, 0.5)
    assert load.load_mode({"name": "sliding_window"}).nms_after.iou_threshold == 0.3
    assert mode.join_iou_threshold == 0.5


@pytest.mark.parametrize("amount", ["0px", "-7px", "10%", "-10%", "007%"])
def test_amounts(amount):
    assert load.load_mode({"name": "bboxes", "padding": {"left": amount}}).padding.left == amount


@pytest.mark.parametrize(
    "amount", ["2.5%", "10", "px", " 5px", "5 px", "5PX", "+5px", "٣px", "5px\n", 5, None, "1234567890px"]
)
def test_other_amounts_are_refused(amount):
    message = error_of({"model": {}, "mode": {"name": "roi", "bounds": {"left": amount}}})
    assert message.startswith('`mode.bounds.left` must be a whole number with px or %, such as "20px" or "10%", got ')


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ({"name": "roi", "bounds": {"top": "-1px"}}, '`mode.bounds.top` must not be below 0, got "-1px"'),
        ({"name": "roi", "bounds": {"middle": "1px"}}, "unknown key `mode.bounds.middle`"),
        ({"name": "roi", "bounds": "1px"}, '`mode.bounds` must be an object, got "1px"'),
        ({"name": "roi", "class_name": ""}, "`mode.class_name` must not be empty"),
        ({"name": "roi", "save": 1}, "`mode.save` must be true or false, got 1"),
        ({"name": "roi", "padding": {}}, "unknown key `mode.padding`"),
        ({"name": "bboxes", "from_classes": None}, '`mode.from_classes` must be "__all__" or a list'),
        ({"name": "bboxes", "from_classes": ["a", ""]}, '`mode.from_classes` must be "__all__" or a list'),
        ({"name": "bboxes", "class_name": "x"}, "unknown key `mode.class_name`"),
        ({"name": "sliding_window", "window": {"width": 0}}, "`mode.window.width` must be greater than or equal to 1"),
        (
            {"name": "sliding_window", "window": {"width": 1.0}},
            "`mode.window.width` must be an integer, got 1.0; write 1",
        ),
        (
            {"name": "sliding_window", "min_overlap": {"x": -1}},
            "`mode.min_overlap.x` must be greater than or equal to 0",
        ),
        (
            {"name": "sliding_window", "min_overlap": {"y": 128}},
            "`mode.min_overlap.y` must be less than `window.height`, got 128 and 128; use 32 or so",
        ),
        ({"name": "sliding_window", "join_iou_threshold": 0}, "`mode.join_iou_threshold` must be greater than 0"),
        ({"name": "sliding_window", "flip": None}, "`mode.flip` must be true or false, got null"),
        (
            {"name": "sliding_window_det", "nms_after": {"iou_threshold": -0.1}},
            "`mode.nms_after.iou_threshold` must be greater than or equal to 0",
        ),
        ({"name": "sliding_window_det", "nms_after": {"enabled": True}}, "unknown key `mode.nms_after.enabled`"),
    ],
)
def test_wrong_values_of_modes_are_named(mode, message):
    assert error_of({"model": {}, "mode": mode}).startswith(message)


def test_a_bound_of_minus_nothing_is_nothing():
    assert load.load_mode({"name": "roi", "bounds": {"left": "-0px"}}).bounds.left == "-0px"


@pytest.mark.parametrize(
    ("model_tag", "nms_after", "is_wrong"),
    [
        ("score", {"enable": True, "confidence_tag_name": "confidence"}, True),
        ("score", {"enable": True, "confidence_tag_name": "score"}, False),
        ("score", {"enable": True}, False),
        ("score", {"enable": False, "confidence_tag_name": "confidence"}, False),
        ("confidence", {"enable": True, "confidence_tag_name": "sure"}, True),
    ],
)
def test_windows_are_compared_by_the_models_own_score(model_tag, nms_after, is_wrong):
    values = {
        "model": {"confidence_tag_name": model_tag},
        "mode": {"name": "sliding_window_det", "nms_after": nms_after},
    }
    if is_wrong:
        assert error_of(values).startswith(f'`mode.nms_after.confidence_tag_name` must be "{model_tag}", the model')
    else:
        assert load.load_inference_config(values).mode.nms_after.enable == nms_after["enable"]


def test_a_first_form_config_names_a_mode_too():
    values = {"mode": {"source": "sliding_window_det", "window": {"width": 64, "height": 32}}, "gpu_device": 0}
    mode = load.load_inference_config(values).mode
    assert (mode.name, mode.window.width, mode.window.height) == ("sliding_window_det", 64, 32)


def test_a_selection_of_thousands_of_names():
    names = [f"class {number}" for number in range(20_000)]
    selection = Selection(save_names=names[::2])
    assert sum(map(selection.selects, names)) == 10_000
    assert Selection().selects("any")
    assert Selection(save_classes="__all__").selects("any")
    assert not Selection(save_names=[]).selects("any")
