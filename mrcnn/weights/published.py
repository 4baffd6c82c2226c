"""The published weight files by name, such as `torchvision:maskrcnn_resnet50_fpn`.

Sources: torchvision 0.29, the weights of `models/detection` and `models/resnet.py`; detectron2's MODEL_ZOO.md, which
names the licence of its files too, and the README of its `projects/PointRend`. The file names hold the first digits of
the SHA-256 of the content.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn.errors import UserError

TORCHVISION = "https://download.pytorch.org/models/"
DETECTRON2 = "https://dl.fbaipublicfiles.com/detectron2/"
COCO_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
IMAGENET_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
BSD, SHARE_ALIKE = "BSD-3-Clause", "CC BY-SA 3.0"  # of torchvision's code, which has none for the weights alone
BOX, MASK, KEYPOINT = "box", "mask", "keypoint"
PANOPTIC = "panoptic"
COCO, PERSON = "coco", "person"  # class names, as for `class_names.read_names`


class Published(NamedTuple):
    """A published weight file.

    Attributes:
        url: where it is downloaded.
        sha256: first digits of the SHA-256 of its content; "" where none is published.
        classes: its class names, as for `class_names.read_names`; "" for a backbone.
        settings: keys of `model` that differ from the defaults of its family.
        ap: average precision on COCO val2017 as published, in percent, by what is measured; of `PANOPTIC` the panoptic
            quality.
        megabytes: size of the file, in millions of bytes; None where it is not published.
        licence: of the file.
    """

    url: str
    sha256: str
    classes: str = ""
    settings: Mapping[str, Any] = {}
    ap: Mapping[str, float] = {}
    megabytes: int | None = None
    licence: str = ""


def _torchvision(name: str, sha256: str, *, megabytes: int, **more: Any) -> Published:
    return Published(f"{TORCHVISION}{name}-{sha256}.pth", sha256, megabytes=megabytes, licence=BSD, **more)


def _detectron2(path: str, sha256: str, *, ap: Mapping[str, float], **more: Any) -> Published:
    url = f"{DETECTRON2}{path}/model_final_{sha256}.pkl"
    return Published(url, sha256, ap=ap, licence=SHARE_ALIKE, **{"classes": COCO, **more})


# torchvision sets the epsilon of the first version's batch norms to 0 when it loads the COCO weights
_FIRST = {"norm_epsilon": 0.0}
# detectron2's Base-Keypoint-RCNN-FPN.yaml; its smooth L1 of the box head alone (beta 0.5) has no key here
_KEYPOINTS: Mapping[str, Any] = {"classes": PERSON, "settings": {"post_nms_topk_train": 1500}}
_PANOPTIC = "COCO-PanopticSegmentation/panoptic_fpn"
MODELS: Mapping[str, Published] = {
    "torchvision:maskrcnn_resnet50_fpn": _torchvision(
        "maskrcnn_resnet50_fpn_coco",
        "bf2d0c1e",
        megabytes=178,
        classes=COCO,
        settings=_FIRST,
        ap={BOX: 37.9, MASK: 34.6},
    ),
    "torchvision:maskrcnn_resnet50_fpn_v2": _torchvision(
        "maskrcnn_resnet50_fpn_v2_coco", "73cbd019", megabytes=186, classes=COCO, ap={BOX: 47.4, MASK: 41.8}
    ),
    "torchvision:keypointrcnn_resnet50_fpn": _torchvision(
        "keypointrcnn_resnet50_fpn_coco",
        "fc266e95",
        megabytes=237,
        classes=PERSON,
        settings=_FIRST,
        ap={BOX: 54.6, KEYPOINT: 65.0},
    ),
    "detectron2:mask_rcnn_R_50_FPN_1x": _detectron2(
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x/137260431", "a54504", ap={BOX: 38.6, MASK: 35.2}
    ),
    "detectron2:mask_rcnn_R_50_FPN_3x": _detectron2(
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600", "f10217", ap={BOX: 41.0, MASK: 37.2}
    ),
    "detectron2:mask_rcnn_R_101_FPN_3x": _detectron2(
        "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x/138205316", "a3ec72", ap={BOX: 42.9, MASK: 38.6}
    ),
    "detectron2:cascade_mask_rcnn_R_50_FPN_1x": _detectron2(
        "Misc/cascade_mask_rcnn_R_50_FPN_1x/138602847", "e9d89b", ap={BOX: 42.1, MASK: 36.4}
    ),
    "detectron2:cascade_mask_rcnn_R_50_FPN_3x": _detectron2(
        "Misc/cascade_mask_rcnn_R_50_FPN_3x/144998488", "480dd8", ap={BOX: 44.3, MASK: 38.5}
    ),
    "detectron2:pointrend_rcnn_R_50_FPN_1x": _detectron2(
        "PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_1x_coco/164254221", "88c6f8", ap={MASK: 36.2}
    ),
    "detectron2:pointrend_rcnn_R_50_FPN_3x": _detectron2(
        "PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_3x_coco/164955410", "3c3198", ap={MASK: 38.3}
    ),
    "detectron2:panoptic_fpn_R_50_1x": _detectron2(
        f"{_PANOPTIC}_R_50_1x/139514544", "dbfeb4", ap={BOX: 37.6, MASK: 34.7, PANOPTIC: 39.4}
    ),
    "detectron2:panoptic_fpn_R_50_3x": _detectron2(
        f"{_PANOPTIC}_R_50_3x/139514569", "c10459", ap={BOX: 40.0, MASK: 36.5, PANOPTIC: 41.5}
    ),
    "detectron2:panoptic_fpn_R_101_3x": _detectron2(
        f"{_PANOPTIC}_R_101_3x/139514519", "cafdb1", ap={BOX: 42.4, MASK: 38.5, PANOPTIC: 43.0}
    ),
    "detectron2:keypoint_rcnn_R_50_FPN_3x": _detectron2(
        "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x/137849621", "a6e10b", ap={BOX: 55.4, KEYPOINT: 65.5}, **_KEYPOINTS
    ),
    "detectron2:keypoint_rcnn_R_101_FPN_3x": _detectron2(
        "COCO-Keypoints/keypoint_rcnn_R_101_FPN_3x/138363331", "997cc7", ap={BOX: 56.4, KEYPOINT: 66.1}, **_KEYPOINTS
    ),
}
BACKBONES: Mapping[tuple[str, str], Published] = {  # by code base and name of the backbone
    ("torchvision", "resnet50"): _torchvision("resnet50", "0676ba61", megabytes=103),
    ("torchvision", "resnet101"): _torchvision("resnet101", "63fe2227", megabytes=179),
    ("detectron2", "resnet50"): Published(f"{DETECTRON2}ImageNetPretrained/MSRA/R-50.pkl", "", licence=SHARE_ALIKE),
    ("detectron2", "resnet101"): Published(f"{DETECTRON2}ImageNetPretrained/MSRA/R-101.pkl", "", licence=SHARE_ALIKE),
}
MATTERPORT = Published(COCO_URL, "", COCO, megabytes=258, licence="MIT")  # named `coco`; its AP is not published
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
        raise UserError(f"{name} is not among the published models{hint(name, MODELS)}")
    return MODELS[name]


def hint(name: str, known: Iterable[str]) -> str:
    """Formats the end of a message about an unknown name: the most similar known one, or where they are listed."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else "; `mrcnn models` lists them"


def of_file(path: str | Path) -> Published | None:
    """Finds the published detector whose file has the name of this one, wherever it lies."""
    name = Path(path).name
    return next((found for found in MODELS.values() if found.url.endswith(f"/{name}")), None)
