"""Writes the notes on building and running an exported state dict in its code base."""

from typing import Any

from mrcnn.config.families.torchvision import TorchConfig
from mrcnn.export.exportable import DetectorSettings

# settings of the network that the notes give as arguments or keys of the code base
_WRITTEN = {
    "family", "backbone", "heads", "extra_heads", "keypoints", "image_mean", "image_std", "image_order", "norm_epsilon",
    "anchor_sizes", "anchor_aspect_ratios", "box_head", "cascade_ious", "cascade_delta_std",
}  # fmt: skip
_BUILDERS = {
    ("masks",): "maskrcnn_resnet50_fpn",
    ("keypoints",): "keypointrcnn_resnet50_fpn",
    (): "fasterrcnn_resnet50_fpn",
}
_WHITE = 255.0
_EPSILON = 1e-5  # of both code bases' batch norms


def unusual(config: TorchConfig) -> str:
    """Lists the settings that differ from the code base's, as `name value`.

    The text is empty if none differs. Settings that are arguments of the code base are left out.
    """
    changed, written = config.trained_with(), _WRITTEN | ({"class_agnostic_boxes"} if config.is_cascade else set())
    return ", ".join(f"{name} {value}" for name, value in changed.items() if name not in written)


def text(config: TorchConfig, settings: DetectorSettings) -> str:
    """Formats the notes as Markdown.

    Args:
        config: settings of the network, with its thresholds.
        settings: classes and input size.
    """
    own = _detectron2(config, settings) if config.family == "detectron2" else _torchvision(config, settings)
    classes = "\n".join(f"{index} {title}" for index, title in enumerate(settings.class_names))
    more = unusual(config)
    return "\n\n".join([
        f"# Weights of a {config.family} model",
        own,
        *([f"Settings that differ from those of the code base and must be set there as well: {more}."] if more else []),
        f"A detection has a score of at least {config.score_threshold:g}; a pixel belongs to the object from a "
        f"probability of {config.mask_threshold:g} on.",
        f"Classes, by the numbers of `labels.json`:\n\n```\n{classes}\n```\n",
    ])  # fmt: skip


def _torchvision(config: TorchConfig, settings: DetectorSettings) -> str:
    builder = _BUILDERS.get(tuple(config.heads))
    is_second = config.family == "torchvision_v2"
    if builder is None or config.backbone != "resnet50" or (is_second and "keypoints" in config.heads):
        heads = " and ".join(("boxes", *config.heads))
        return (
            f"`model.pth` and `model.safetensors` hold a model of {config.backbone} for {heads}, for which torchvision "
            "has no function: build it from `torchvision.models.detection.MaskRCNN` and its parts."
        )
    name = f"{builder}_v2" if is_second else builder
    arguments = ",\n".join(f"    {key}={value}" for key, value in _arguments(config, settings).items())
    lines = [
        "import torch",
        f"from torchvision.models.detection import {name}",
        *(["from torchvision.models.detection.anchor_utils import AnchorGenerator"] if "AnchorG" in arguments else []),
        "",
        f"model = {name}(\n{arguments},\n)",
        'model.load_state_dict(torch.load("model.pth", weights_only=True))',
        *_epsilon(config),
        "model.eval()  # give it RGB images [3, H, W] of 0..1",
    ]
    return "```python\n" + "\n".join(lines) + "\n```\n\n`model.safetensors` holds the same tensors."


def _arguments(config: TorchConfig, settings: DetectorSettings) -> dict[str, Any]:
    found: dict[str, Any] = {
        "weights": None,
        "weights_backbone": None,
        "num_classes": len(settings.class_names),
        "min_size": settings.min_dim,
        "max_size": settings.max_dim,
        "image_mean": [round(value / _WHITE, 6) for value in config.image_mean],
        "image_std": [round(value / _WHITE, 6) for value in config.image_std],
        "rpn_pre_nms_top_n_test": config.pre_nms_topk,
        "rpn_post_nms_top_n_test": config.post_nms_topk,
        "rpn_nms_thresh": config.rpn_nms_iou_threshold,
        "box_score_thresh": config.score_threshold,
        "box_nms_thresh": config.detection_nms_iou_threshold,
        "box_detections_per_img": config.detections_per_image,
    }
    if config.keypoints is not None:
        found["num_keypoints"] = len(config.keypoints.names)
    usual = type(config)(family=config.family)
    if config.differing(usual, ("anchor_sizes", "anchor_aspect_ratios")):
        sizes = tuple((size,) for size in config.anchor_sizes)
        ratios = tuple(1 / ratio for ratio in config.anchor_aspect_ratios)  # torchvision's are height / width
        found["rpn_anchor_generator"] = f"AnchorGenerator({sizes}, ({ratios},) * {len(sizes)})"
    return found


def _epsilon(config: TorchConfig) -> list[str]:
    if config.norm_epsilon == _EPSILON:
        return []
    return [
        "for module in model.modules():",
        "    if isinstance(module, torch.nn.BatchNorm2d):",
        f"        module.eps = {config.norm_epsilon:g}",
    ]


def _detectron2(config: TorchConfig, settings: DetectorSettings) -> str:
    depth = config.backbone.removeprefix("resnet")
    kind = "Keypoints/keypoint_rcnn" if "keypoints" in config.heads else "InstanceSegmentation/mask_rcnn"
    keys = {
        "MODEL.WEIGHTS": '"model.pth"',
        "MODEL.MASK_ON": "masks" in config.heads,
        "MODEL.KEYPOINT_ON": "keypoints" in config.heads,
        "MODEL.PIXEL_MEAN": list(config.image_mean),
        "MODEL.PIXEL_STD": list(config.image_std),
        "MODEL.RESNETS.STRIDE_IN_1X1": config.stride_in == "1x1",
        "MODEL.ANCHOR_GENERATOR.SIZES": [[size] for size in config.anchor_sizes],
        "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [[1 / ratio for ratio in config.anchor_aspect_ratios]],
        "MODEL.ROI_HEADS.NUM_CLASSES": len(settings.class_names) - 1,
        "MODEL.ROI_HEADS.SCORE_THRESH_TEST": config.score_threshold,
        "MODEL.ROI_HEADS.NMS_THRESH_TEST": config.detection_nms_iou_threshold,
        "INPUT.FORMAT": f'"{config.image_order.upper()}"',
        "INPUT.MIN_SIZE_TEST": settings.min_dim,
        "INPUT.MAX_SIZE_TEST": settings.max_dim,
        "TEST.DETECTIONS_PER_IMAGE": config.detections_per_image,
    }
    if config.keypoints is not None:
        keys["MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS"] = len(config.keypoints.names)
    if config.is_cascade:
        keys |= _cascade(config)
    lines = [
        "from detectron2 import model_zoo",
        "from detectron2.config import get_cfg",
        "from detectron2.engine import DefaultPredictor",
        "",
        "cfg = get_cfg()",
        f'cfg.merge_from_file(model_zoo.get_config_file("COCO-{kind}_R_{depth}_FPN_3x.yaml"))',
        *(f"cfg.{key} = {value}" for key, value in keys.items()),
        "predictor = DefaultPredictor(cfg)  # give it BGR images [H, W, 3] of 0..255",
    ]
    return (
        "```python\n" + "\n".join(lines) + "\n```\n\ndetectron2 numbers the classes from 0: the numbers below less 1."
    )


def _cascade(config: TorchConfig) -> dict[str, Any]:
    """Lists the keys of detectron2's cascade; its weights are the inverses of what deltas are divided by, x first."""
    weights = [[round(1 / std[axis], 6) for axis in (1, 0, 3, 2)] for std in config.cascade_delta_std]
    return {
        "MODEL.ROI_HEADS.NAME": '"CascadeROIHeads"',
        "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": True,
        "MODEL.ROI_HEADS.IOU_THRESHOLDS": [config.cascade_ious[0]],
        "MODEL.ROI_BOX_CASCADE_HEAD.IOUS": list(config.cascade_ious),
        "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS": weights,
    }
