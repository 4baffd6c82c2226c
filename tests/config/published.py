"""Configs as they were published or shown: plugin releases 5.1.0, 5.16 and 6.0.27, README, tutorial, old pages."""

TRAIN = {
    "lr": 0.001,
    "epochs": 5,
    "batch_size": {"val": 1, "train": 1},
    "input_size": {"max_dim": 256, "min_dim": 256},
    "gpu_devices": [0],
    "dataset_tags": {"val": "val", "train": "train"},
    "train_layers": "all",
    "special_classes": {"background": "bg"},
    "weights_init_type": "transfer_learning",
}
TRAIN_CONFIGS = {
    "5.16": TRAIN,
    "6.0.27": TRAIN | {"batch_size": {"val": 4, "train": 4}},
    "5.1.0 and the README": TRAIN | {"epochs": 2, "batch_size": {"train": 3, "val": 3}},
    "tutorial": TRAIN
    | {"epochs": 10, "batch_size": {"val": 1, "train": 4}, "input_size": {"max_dim": 512, "min_dim": 512}},
}
DEPRECATED_TRAIN = TRAIN | {
    "input_size": {"width": 512, "height": 512},
    "special_classes": {"background": "bg", "neutral": "neutral"},
    "val_every": 0.5,
}
OTHER_PLUGINS_TRAIN = {"data_workers": {"train": 4, "val": 2}, "validate_with_model_eval": True}

_ALL = {"save_classes": "__all__", "add_suffix": "_maskrcnn"}
INFERENCE_CONFIGS = {
    "5.16": {
        "model": {"gpu_device": 0, "min_confidence_threshold": 0.0},
        "mode": {
            "name": "full_image",
            "model_classes": _ALL,
            "model_tags": {"save_names": "__all__", "add_suffix": "_maskrcnn"},
        },
    },
    "before 5.16": {"model": {"gpu_device": 0}, "mode": {"name": "full_image", "model_classes": _ALL}},
}
FIRST_FORM_INFERENCE = {
    "mode": {"source": "full_image"},
    "model_classes": {"save_classes": ["car"], "add_suffix": "_old"},
    "gpu_devices": [1, 2],
    "existing_objects": {"save_classes": [], "add_suffix": ""},
    "confidence_tag_name": "score",
}

FLAT_DEPLOY = {"gpu_device": 0, "min_confidence_threshold": 0.5}
TASK_DEPLOY = FLAT_DEPLOY | {
    "cache_limit": 500,
    "connection": {"server_address": "a", "token": "secret", "task_id": 3},
    "model_settings": FLAT_DEPLOY,
}
EARLIEST_TASK_DEPLOY = {"cache_limit": 500, "connection": {}, "model": {}}
