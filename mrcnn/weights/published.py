"""The published weight files by name, such as `torchvision:maskrcnn_resnet50_fpn`.

Sources: torchvision 0.29, the weights of `models/detection` and `models/resnet.py`; detectron2's MODEL_ZOO.md. Their
file names hold the first digits of the SHA-256 of the content.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn.errors import UserError

TORCHVISION = "https://download.pytorch.org/models/"
DETECTRON2 = "https://dl.fbaipublicfiles.com/detectron2/"
COCO, PERSON = "coco", "person"  # class names, as for `class_names.read_names`


class Published(NamedTuple):
    """A published weight file.

    Attributes:
        url: where it is downloaded.
        sha256: first digits of the SHA-256 of its content; "" where none is published.
        classes: its class names, as for `class_names.read_names`; "" for a backbone.
        settings: keys of `model` that differ from the defaults of its family.
    """

    url: str
    sha256: str
    classes: str = ""
    settings: Mapping[str, Any] = {}


def _detectron2(path: str, sha256: str, **more: Any) -> Published:
    return Published(f"{DETECTRON2}{path}/model_final_{sha256}.pkl", sha256, **{"classes": COCO, **more})


# torchvision sets the epsilon of the first version's batch norms to 0 when it loads the COCO weights
_FIRST = {"norm_epsilon": 0.0}
# detectron2's Base-Keypoint-RCNN-FPN.yaml; its smooth L1 of the box head alone (beta 0.5) has no key here
_KEYPOINTS: Mapping[str, Any] = {"classes": PERSON, "settings": {"post_nms_topk_train": 1500}}
MODELS: Mapping[str, Published] = {
    "torchvision:maskrcnn_resnet50_fpn": Published(
        f"{TORCHVISION}maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", "bf2d0c1e", COCO, _FIRST
    ),
    "torchvision:maskrcnn_resnet50_fpn_v2": Published(
        f"{TORCHVISION}maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", "73cbd019", COCO
    ),
    "torchvision:keypointrcnn_resnet50_fpn": Published(
        f"{TORCHVISION}keypointrcnn_resnet50_fpn_coco-fc266e95.pth", "fc266e95", PERSON, _FIRST
    ),
    "detectron2:mask_rcnn_R_50_FPN_1x": _detectron2(
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x/137260431", "a54504"
    ),
    "detectron2:mask_rcnn_R_50_FPN_3x": _detectron2(
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600", "f10217"
    ),
    "detectron2:mask_rcnn_R_101_FPN_3x": _detectron2(
        "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x/138205316", "a3ec72"
    ),
    "detectron2:keypoint_rcnn_R_50_FPN_3x": _detectron2(
        "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x/137849621", "a6e10b", **_KEYPOINTS
    ),
    "detectron2:keypoint_rcnn_R_101_FPN_3x": _detectron2(
        "COCO-Keypoints/keypoint_rcnn_R_101_FPN_3x/138363331", "997cc7", **_KEYPOINTS
    ),
}
BACKBONES: Mapping[tuple[str, str], Published] = {  # by code base and name of the backbone
    ("torchvision", "resnet50"): Published(f"{TORCHVISION}resnet50-0676ba61.pth", "0676ba61"),
    ("torchvision", "resnet101"): Published(f"{TORCHVISION}resnet101-63fe2227.pth", "63fe2227"),
    ("detectron2", "resnet50"): Published(f"{DETECTRON2}ImageNetPretrained/MSRA/R-50.pkl", ""),
    ("detectron2", "resnet101"): Published(f"{DETECTRON2}ImageNetPretrained/MSRA/R-101.pkl", ""),
}
_CODE_BASES = tuple(dict.fromkeys(name.partition(":")[0] for name in MODELS))


def find(model: str | Path) -> Published | None:
    """Finds the published file with a name.

    Args:
        model: the name, such as `torchvision:maskrcnn_resnet50_fpn`; or a path.

    Returns:
        The file; None for a path.

    Raises:
        UserError: the name begins like one of a published model, but there is none.
    """
    name = str(model)
    if name.partition(":")[0] not in _CODE_BASES or ":" not in name or Path(model).exists():
        return None
    if name not in MODELS:
        raise UserError(f"{name} is not among the published models: use one of {', '.join(MODELS)}")
    return MODELS[name]


def of_file(path: str | Path) -> Published | None:
    """Finds the published detector whose file has the name of this one, wherever it lies."""
    name = Path(path).name
    return next((found for found in MODELS.values() if found.url.endswith(f"/{name}")), None)
