import pytest

from mrcnn.config import inference, load
from mrcnn.events import UserError

ORIGINAL_MODEL = {"gpu_device": 0, "confidence_tag_name": "confidence", "min_confidence_threshold": 0.0}


def error_of(values):
    with pytest.raises(UserError) as caught:
        load.load_inference_config(values)
    return str(caught.value)


def test_an_empty_config_has_the_originals_defaults():
    config = load.load_inference_config({})
    assert config.model.model_dump(exclude={"score_floor"}) == ORIGINAL_MODEL
    assert config.mode.name == "full_image"
    assert (config.mode.model_classes.add_suffix, config.mode.model_tags.add_suffix) == ("_maskrcnn", "_maskrcnn")
    assert config.mode.model_classes.selects("anything")


def test_a_users_selection_keeps_the_default_suffix():
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


@pytest.mark.parametrize("name", inference.LATER_MODES)
def test_a_mode_to_come_says_what_is_available(name):
    assert error_of({"model": {}, "mode": {"name": name, "save": True}}) == (
        f"`mode.name` {name} is not available in this version, only full_image is; use that"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
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
        ({"mode": {"name": "bboxes_ocr"}}, '`mode.name` must be one of full_image, got "bboxes_ocr"'),
        ({"mode": {"name": None}}, "`mode.name` must be one of full_image, got null"),
        ({"mode": {"name": {"a": 1}}}, '`mode.name` must be one of full_image, got {"a": 1}'),
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
