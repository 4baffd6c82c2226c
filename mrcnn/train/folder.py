"""What a checkpoint's config.json says, and what is read of the model folder that training starts from.

Source: Supervisely Mask R-CNN plugin 5.16: `settings`, `classes`, `class_title_to_idx`; new is `model`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.config import compatibility, errors, legacy
from mrcnn.config.load import load_json
from mrcnn.config.model import ModelConfig
from mrcnn.events import UserError
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.train import checkpoint
from mrcnn.weights import download

BACKGROUND_COLOR = "#222222"
COCO = "coco"
# what weights were shaped for or trained with, besides their conventions
NETWORK = (
    "backbone", "channels", "image_mean", "anchor_sizes", "anchor_aspect_ratios", "fpn_channels", "rpn_channels",
    "box_fc_channels", "box_pool_size", "mask_pool_size", "mask_size", "rpn_delta_std", "box_delta_std",
)  # fmt: skip
PARTNERS = {"roi_align": "roi_sampling_ratio", "pre_nms_topk_scope": "pre_nms_topk"}


@dataclass(frozen=True)
class StartModel:
    """Where the first weights come from.

    Attributes:
        weights: the by-name HDF5 file.
        config: the model folder's config.json; None where there is none, as for a single file.
    """

    weights: Path
    config: Path | None = None

    def class_title_to_idx(self) -> Mapping[str, int]:
        """Reads the class numbers that training is to go on with.

        Raises:
            UserError: there is no config.json, or it has no class mapping.
        """
        if self.config is None:
            raise UserError(
                f"Unable to continue_training, config for previous training wasn't found beside {self.weights}: give a "
                "model folder with config.json, or use `weights_init_type` transfer_learning"
            )
        mapping = load_json(self.config).get("class_title_to_idx")
        if not isinstance(mapping, dict) or not all(type(index) is int for index in mapping.values()):
            raise UserError(f"Unable to continue_training, {self.config} does not have class mapping information")
        return mapping

    def conventions(self) -> dict[str, Any]:
        """Gives what network and conventions the weights were trained with: `compatibility`, and what differs from it.

        A folder of the plugin, with config.json or without, has the plugin's; a file alone is taken for Matterport's.

        Raises:
            UserError: the folder's `model` is malformed.
        """
        if self.config is not None:
            return conventions_of(_stored_model(self.config))
        old = legacy.PLUGIN_MODEL if _is_inside(self.weights) else legacy.FILE_MODEL
        return conventions_of(ModelConfig.model_validate(old))


def conventions_of(model: ModelConfig) -> dict[str, Any]:
    """Gives a network's `compatibility`, and those of its conventions and sizes that differ from what it implies."""
    usual = ModelConfig(compatibility=model.compatibility)
    names = (*compatibility.CONVENTIONS[model.compatibility], *NETWORK)
    differing = {name: getattr(model, name) for name in names if getattr(model, name) != getattr(usual, name)}
    return {"compatibility": model.compatibility, **differing}


def keep_conventions(given: Mapping[str, Any], start: Mapping[str, Any]) -> ModelConfig:
    """Lets a network go on with the sizes and conventions its start weights were trained with.

    Args:
        given: the keys of the train config's `model` that the user gave. They win, and with `compatibility` among them
            no convention is taken over.
        start: `StartModel.conventions`.

    Raises:
        UserError: a key that was given does not go with a convention that was taken over.
    """
    taken = {name: value for name, value in start.items() if name in NETWORK or "compatibility" not in given}
    for name, partner in PARTNERS.items():  # a number that means another thing once its word was given anew
        if name in given:
            taken.pop(partner, None)
    return errors.check(ModelConfig, {**taken, **given}, path="model")


def find_start_model(model: str) -> StartModel:
    """Finds the weights that `--model` names, without reading them.

    Args:
        model: `coco` for Matterport's release file, which is downloaded once; a model folder; a run's output, whose
            `best` checkpoint is taken; or an HDF5 file, which stands for the model folder that it lies in.

    Raises:
        UserError: nothing usable is there; says what is expected.
    """
    if model == COCO and not Path(model).exists():
        return StartModel(Path(download.matterport_coco_file()))
    path = Path(model)
    if path.is_file():
        config = path.absolute().parent.parent / checkpoint.CONFIG
        return StartModel(path, config if _is_inside(path) and config.is_file() else None)
    for folder in (path, path / checkpoint.BEST):
        if (folder / checkpoint.WEIGHTS).is_file():
            config = folder / checkpoint.CONFIG
            return StartModel(folder / checkpoint.WEIGHTS, config if config.is_file() else None)
    raise UserError(
        f"the start weights are missing: {path / checkpoint.WEIGHTS} does not exist. Give --model a model folder, an "
        ".h5 file or coco, or set `weights_init_type` to imagenet or random"
    )


def folder_config(
    meta: ProjectMeta,
    class_title_to_idx: Mapping[str, int],
    *,
    settings: Mapping[str, Any],
    model: Mapping[str, Any],
    background: str,
) -> dict[str, Any]:
    """Makes the content of a checkpoint's config.json.

    Args:
        meta: the training project's, whose classes keep their order and colours; all become bitmaps.
        class_title_to_idx: of the network; a class without a number, the neutral one, is left out.
        settings: the merged train config.
        model: the architecture's numbers.
        background: title of class 0, appended where the project lacks it.
    """
    classes = [_class_json(item) for item in meta.classes if item.title in class_title_to_idx]
    if background not in {item["title"] for item in classes}:
        classes.append(_class_json(ClassMeta(background, color=BACKGROUND_COLOR)))
    return {
        "settings": dict(settings),
        "classes": classes,
        "class_title_to_idx": dict(class_title_to_idx),
        "model": dict(model),
    }


def _is_inside(weights: Path) -> bool:
    """Tells whether a weight file lies where a model folder has it."""
    return weights.absolute().parts[-2:] == checkpoint.WEIGHTS.parts


def _stored_model(path: Path) -> ModelConfig:
    model = legacy.folder_model(load_json(path))
    if not isinstance(model, Mapping):
        raise UserError(f"{path}: `model` must be an object, got {errors.shown(model)}")
    return errors.check(ModelConfig, model, path=f"{path}: model")


def _class_json(item: ClassMeta) -> dict[str, Any]:
    return {"title": item.title, "shape": "bitmap", "color": item.color, "geometry_config": {}}
