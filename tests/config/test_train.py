import pytest

from mrcnn.config import load, train
from mrcnn.errors import UserError

# The original's defaults (training schema of the plugin, release 5.16).
ORIGINAL_DEFAULTS = {
    "lr": 0.001,
    "epochs": 2,
    "batch_size": {"train": 1, "val": 1},
    "input_size": {"min_dim": 256, "max_dim": 256, "width": 0, "height": 0},
    "gpu_devices": [0],
    "train_layers": "all",
    "dataset_tags": {"train": "train", "val": "val"},
    "special_classes": {"background": "bg"},
    "weights_init_type": "transfer_learning",
}


def error_of(values):
    with pytest.raises(UserError) as caught:
        load.load_train_config(values)
    return str(caught.value)


def test_an_empty_config_has_the_originals_defaults():
    settings = load.load_train_config({}).to_settings()
    assert {key: settings[key] for key in ORIGINAL_DEFAULTS} == ORIGINAL_DEFAULTS


def test_train_config_without_added_keys_keeps_the_originals_optimizer_and_schedule():
    config = train.TrainConfig()
    assert config.precision == "float32"
    assert (config.optimizer.name, config.optimizer.momentum, config.optimizer.global_clipnorm) == ("sgd", 0.9, 5.0)
    assert (config.lr_schedule.name, config.lr_schedule.warmup_steps) == ("constant", 0)
    assert (config.augmentation, config.early_stopping, config.checkpoints.keep) == ((), None, None)


def test_settings_load_again_as_the_same_config():
    values = {
        "input_size": {"min_dim": 400, "max_dim": 512, "width": 3},
        "special_classes": {"neutral": "neutral"},
        "augmentation": [{"name": "Sometimes", "children": [{"name": "Affine", "args": {"rotate": [-5, 5]}}]}],
        "lr_schedule": {"name": "step", "milestones": [1]},
        "early_stopping": {},
    }
    warnings = []
    config = load.load_train_config(values)
    assert load.load_train_config(config.to_settings(), warn=warnings.append).to_settings() == config.to_settings()
    assert warnings == []
    assert config.to_settings()["input_size"] == {"width": 3, "height": 0, "min_dim": 400, "max_dim": 512}
    assert config.to_settings()["special_classes"] == {"background": "bg", "neutral": "neutral"}
    assert "model" not in config.to_settings()


def test_the_public_tutorials_config_loads():
    config = load.load_train_config(
        {
            "lr": 0.001,
            "epochs": 10,
            "batch_size": {"val": 1, "train": 4},
            "input_size": {"max_dim": 512, "min_dim": 512},
            "gpu_devices": [0],
            "dataset_tags": {"val": "val", "train": "train"},
            "train_layers": "all",
            "special_classes": {"background": "bg"},
            "weights_init_type": "transfer_learning",
        }
    )
    assert (config.epochs, config.batch_size.train, config.batch_size.val, config.input_size.max_dim) == (10, 4, 1, 512)


@pytest.mark.parametrize(
    "values",
    [
        {"lr": 1},
        {"epochs": 1},
        {"gpu_devices": [0, 0, 3]},
        {"input_size": {"min_dim": 800, "max_dim": 512}},
        {"input_size": {"min_dim": 100, "note": {"any": ["thing"]}}},
        {"dataset_tags": {"train": "all", "val": "all"}},
        {"special_classes": {"neutral": None}},
        {"optimizer": {"global_clipnorm": None}},
        {"checkpoints": {"keep": 1}},
        *({"train_layers": value} for value in ("all", "3+", "4+", "5+", "heads")),
        *({"weights_init_type": v} for v in ("transfer_learning", "continue_training", "random", "imagenet", "auto")),
        *({"precision": value} for value in ("float32", "mixed_bfloat16", "mixed_float16")),
        *({"optimizer": {"name": value}} for value in ("sgd", "adam", "adamw")),
    ],
)
def test_allowed_values_load(values):
    assert load.load_train_config(values)


@pytest.mark.parametrize(
    ("kind", "without", "with_weights"),
    [
        ("auto", "imagenet", "transfer_learning"),
        ("continue_training", "continue_training", "continue_training"),
        ("random", "random", "random"),
    ],
)
def test_with_start_replaces_auto_alone(kind, without, with_weights):
    config = load.load_train_config({"weights_init_type": kind})
    assert config.with_start(None).weights_init_type == without
    assert config.with_start("coco").weights_init_type == with_weights


def test_input_size_dumps_its_shape_only_if_there_is_one():
    assert "shape" not in train.TrainConfig().model_dump()["input_size"]
    assert train.InputSize(shape="square").model_dump()["shape"] == "square"
    wrong = {"input_size": {"shape": "round"}}
    assert error_of(wrong) == "`input_size.shape` must be 'rectangle' or 'square', got \"round\""


def test_extra_keys_of_input_size_are_kept():
    config = load.load_train_config({"input_size": {"note": "mine"}})
    assert config.to_settings()["input_size"] == {
        "width": 0,
        "height": 0,
        "min_dim": 256,
        "max_dim": 256,
        "note": "mine",
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0}, "`lr` must be greater than 0, got 0"),
        ({"lr": "0.1"}, '`lr` must be a number, got "0.1"'),
        ({"lr": True}, "`lr` must be a number, got true"),
        ({"lr": None}, "`lr` must be a number, got null"),
        ({"lr": float("nan")}, "`lr` must be a finite number, got NaN"),
        ({"epochs": 0}, "`epochs` must be greater than or equal to 1, got 0"),
        ({"epochs": 1.0}, "`epochs` must be an integer, got 1.0; write 1"),
        ({"epochs": 1.5}, "`epochs` must be an integer, got 1.5"),
        ({"epochs": True}, "`epochs` must be an integer, got true"),
        ({"batch_size": 4}, "`batch_size` must be an object, got 4"),
        ({"batch_size": {"train": 0}}, "`batch_size.train` must be greater than or equal to 1, got 0"),
        ({"batch_size": {"val": "1"}}, '`batch_size.val` must be an integer, got "1"'),
        ({"batch_size": {"test": 1}}, "unknown key `batch_size.test`; known here: train, val"),
        ({"input_size": {"max_dim": 250}}, "`input_size.max_dim` must be a multiple of 64, got 250; use 256"),
        ({"input_size": {"max_dim": 288}}, "`input_size.max_dim` must be a multiple of 64, got 288; use 320"),
        ({"input_size": {"max_dim": 1}}, "`input_size.max_dim` must be a multiple of 64, got 1; use 64"),
        ({"input_size": {"max_dim": 0}}, "`input_size.max_dim` must be greater than or equal to 1, got 0"),
        ({"input_size": {"min_dim": 256.0}}, "`input_size.min_dim` must be an integer, got 256.0; write 256"),
        (
            {"gpu_devices": []},
            "`gpu_devices` must list at least one device, got []; use [0], on a machine without a GPU",
        ),
        ({"gpu_devices": [-1]}, "`gpu_devices[0]` must be greater than or equal to 0, got -1"),
        ({"gpu_devices": [0, True]}, "`gpu_devices[1]` must be an integer, got true"),
        ({"gpu_devices": 0}, "`gpu_devices` must be a list, got 0"),
        ({"gpu_devices": "0"}, '`gpu_devices` must be a list, got "0"'),
        ({"train_layers": "1+"}, "`train_layers` must be 'all', '3+', '4+', '5+' or 'heads', got \"1+\""),
        (
            {"train_layers": "2", "model": {"family": "torchvision"}},
            "`train_layers` of torchvision must be 'all', '2+', '3+', '4+', '5+' or 'heads', got \"2\"",
        ),
        ({"dataset_tags": {"train": ""}}, '`dataset_tags.train` must not be empty, got ""'),
        ({"dataset_tags": {"val": None}}, "`dataset_tags.val` must be a string, got null"),
        ({"special_classes": {"background": 0}}, "`special_classes.background` must be a string, got 0"),
        ({"special_classes": {"neutral": "bg"}}, '`special_classes.neutral` must differ from `background`, got "bg"'),
        (
            {"weights_init_type": "coco"},
            "`weights_init_type` must be 'transfer_learning', 'continue_training', 'random'",
        ),
        ({"precision": "float16"}, "`precision` must be 'float32', 'mixed_bfloat16', 'mixed_float16' or 'auto', got"),
        ({"seed": -1}, "`seed` must be greater than or equal to 0, got -1"),
        ({"early_stopping": {"patience": 0}}, "`early_stopping.patience` must be greater than or equal to 1, got 0"),
        ({"early_stopping": True}, "`early_stopping` must be an object, got true"),
        ({"checkpoints": {"keep": 0}}, "`checkpoints.keep` must be greater than or equal to 1, got 0"),
        ({"validation": {"ap": "yes"}}, '`validation.ap` must be true or false, got "yes"'),
        ({"imagenet_weights": ""}, '`imagenet_weights` must not be empty, got ""'),
        ({"augmentation": {"name": "Fliplr"}}, "`augmentation` must be a list, got"),
        ({"model": None}, "`model` must be an object, got null"),
        ({"epoch": 3}, "unknown key `epoch`; did you mean `epochs`"),
        ({"max_dim": 512}, "unknown key `max_dim`; did you mean `input_size.max_dim`"),
        ({"allow_corrupted_samples": 3}, "unknown key `allow_corrupted_samples`; known here: lr, epochs, batch_size"),
        ({"lr_decreasing": {}}, "unknown key `lr_decreasing`"),
        ({"momentum": 0.9}, "unknown key `momentum`; did you mean `optimizer.momentum`"),
    ],
)
def test_wrong_values_are_named_with_the_fix(values, message):
    assert error_of(values).startswith(message)


@pytest.mark.parametrize("key", ["early_stopping", "checkpoints"])
def test_ap_cannot_be_monitored_unmeasured(key):
    values = {key: {"monitor": "val_mask_ap"}, "validation": {"ap": False}}
    assert error_of(values) == f"`{key}.monitor` val_mask_ap needs `validation.ap` true"


@pytest.mark.parametrize(
    ("stopping", "checkpoints", "monitor"),
    [
        (None, None, "val_loss"),
        (None, "val_box_ap", "val_box_ap"),
        ("val_mask_ap", None, "val_mask_ap"),
        ("val_mask_ap", "val_loss", "val_loss"),
    ],
)
def test_the_best_checkpoint_follows_early_stopping_unless_told_otherwise(stopping, checkpoints, monitor):
    config = train.TrainConfig(
        early_stopping=stopping and {"monitor": stopping}, checkpoints={"monitor": checkpoints} if checkpoints else {}
    )
    assert config.best_monitor == monitor


def test_colour_augmenters_need_three_channels():
    values = {
        "model": {"channels": 1, "image_mean": [128]},
        "augmentation": [
            {"name": "Fliplr"},
            {"name": "OneOf", "children": [{"name": "Sometimes", "children": [{"name": "Grayscale"}]}]},
        ],
    }
    assert error_of(values) == "`augmentation[1]` Grayscale needs 3 `model.channels`, got 1"


def test_all_problems_are_named_the_unknown_key_first():
    text = error_of({"lr": 0, "epochs": 0, "seed": "a", "foo": 1, "gpu_devices": []})
    assert text.startswith("unknown key `foo`; known here: lr, epochs, batch_size, input_size, gpu_devices and ")
    for key in ("lr", "epochs", "seed", "gpu_devices"):
        assert f"; `{key}` must " in text


@pytest.mark.parametrize("country", ["de", "DE", "deu", "DEU\n", "Germany", "", 3])
def test_the_country_of_the_electricity_is_a_code(country):
    assert error_of({"energy_country": country}).startswith(
        '`energy_country` must be an ISO code of three capital letters, such as "DEU", got '
    )
    assert load.load_train_config({"energy_country": "DEU"}).energy_country == "DEU"


def test_scale_jitter_is_one_of_two_ways_to_set_the_scale():
    dims = {"train_min_dims": [64]}
    message = "`scale_jitter` must be null with `input_size.train_min_dims`: both draw the scale of an image; use one"
    assert error_of({"input_size": dims, "scale_jitter": {}}) == message
    assert (
        error_of({"scale_jitter": {"min_scale": 2, "max_scale": 1}})
        == "`scale_jitter.max_scale` must be at least `min_scale` 2, got 1"
    )
    assert error_of({"scale_jitter": {"min_scale": 0}}) == "`scale_jitter.min_scale` must be greater than 0, got 0"


def test_scale_jitter_needs_a_square_that_the_pyramid_can_halve():
    size = {"min_dim": 800, "max_dim": 1333, "shape": "rectangle"}
    assert error_of({"input_size": size, "scale_jitter": {}}) == (
        "`input_size.max_dim` must be a multiple of 64 with `scale_jitter`, whose input is square, got 1333; use 1344"
    )
    assert load.load_train_config({"input_size": {**size, "max_dim": 1344}, "scale_jitter": {}}).scale_jitter


def test_training_size_is_a_square_with_scale_jitter():
    size = {"min_dim": 64, "max_dim": 128, "shape": "rectangle"}
    assert load.load_train_config({"input_size": size}).training_size.shape == "rectangle"
    jittered = load.load_train_config({"input_size": size, "scale_jitter": {}})
    assert (jittered.training_size.shape, jittered.input_size.shape) == ("square", "rectangle")
    drawn = load.load_train_config({"input_size": {**size, "train_min_dims": [32, 96]}})
    assert (drawn.training_size.min_dim, drawn.input_size.min_dim) == (96, 64)


def test_train_config_copy_paste_is_refused_with_points():
    points = {"model": {"mask_supervision": "points"}}
    with pytest.raises(UserError, match=r"^`copy_paste` must be null with `model.mask_supervision` points"):
        load.load_train_config({**points, "copy_paste": {}})
    assert load.load_train_config({**points, "scale_jitter": {}}).model.needs == ("mask_points",)
