"""torchvision's side of `benchmarks.peers`: times a case in this process.

    python -m benchmarks.peers_torchvision FOLDER --case infer-800x1333-0 --layout channels-last

Runs in the environment of requirements-torch.txt. FOLDER holds the weights and images that our side wrote. The network
is torchvision's own, with the stride of a ResNet's stage in its first 1x1 convolution, as ours has it.
"""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor

from benchmarks import accuracy_torchvision, peers_work
from benchmarks.peers_work import Case

LAYOUTS = ("default", "channels-last")
OWN_MODELS = {"torchvision": maskrcnn_resnet50_fpn, "torchvision_v2": maskrcnn_resnet50_fpn_v2}
IMAGE_MEAN = (123.7, 116.8, 103.9)  # our default, RGB
STAGES = ("layer1", "layer2", "layer3", "layer4")
BATCH_NORM_EPSILON = 1e-3  # ours
TO_XYXY = [1, 0, 3, 2]  # (y, x, height, width) to (x, y, width, height) and back


def main() -> None:
    """Runs the command line."""
    parser = peers_work.side_parser(__doc__.split("\n")[0])
    parser.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="memory layout of images and kernels")
    options = parser.parse_args()
    case = peers_work.ALL[options.case]
    torch.manual_seed(0)
    model = build(case)
    with np.load(peers_work.weight_file(options.folder, case)) as weights:
        if case.family == peers_work.MATTERPORT:
            load(model, weights)
        else:
            model.load_state_dict({name: torch.tensor(weights[name]) for name in weights.files}, strict=False)
    if options.layout == "channels-last":
        model = model.to(memory_format=torch.channels_last)
    measured = measure_training if case.training else measure_detection
    print(json.dumps(measured(model, case, options=options)))


def build(case: Case) -> MaskRCNN:
    """Builds torchvision's Mask R-CNN of ResNet-50-FPN, in which all layers train, with the settings of a case."""
    if case.family in OWN_MODELS:
        return OWN_MODELS[case.family](
            weights=None,
            weights_backbone=None,
            num_classes=peers_work.CLASSES,
            min_size=case.min_dim,
            max_size=case.max_dim[1],
            box_score_thresh=case.score_threshold,
            box_detections_per_img=case.detections,
        )
    return MaskRCNN(
        _resnet_fpn_extractor(accuracy_torchvision.resnet50(), len(STAGES) + 1),
        peers_work.CLASSES,
        min_size=case.min_dim,
        max_size=case.max_dim[1],
        image_mean=[value / 255 for value in IMAGE_MEAN],
        image_std=[1 / 255] * 3,
        rpn_pre_nms_top_n_train=peers_work.PRE_NMS[True],
        rpn_post_nms_top_n_train=peers_work.POST_NMS[True],
        rpn_pre_nms_top_n_test=peers_work.PRE_NMS[False],
        rpn_post_nms_top_n_test=peers_work.POST_NMS[False],
        box_score_thresh=case.score_threshold,
        box_nms_thresh=peers_work.BOX_NMS_IOU,
        box_detections_per_img=case.detections,
        box_batch_size_per_image=case.regions,
        box_positive_fraction=peers_work.POSITIVE_FRACTION,
        box_fg_iou_thresh=peers_work.POSITIVE_IOU,
        box_bg_iou_thresh=peers_work.POSITIVE_IOU,
    )


def load(model: MaskRCNN, weights: Mapping[str, np.ndarray]) -> None:
    """Copies our weights into torchvision's model.

    Our two scores of an anchor become their difference, and heads' batch norms, which are identities, are left out.

    Args:
        model: torchvision's model.
        weights: arrays by our names.
    """
    body, fpn, heads = model.backbone.body, model.backbone.fpn, model.roi_heads
    for name, convolution, norm in backbone_layers(body):
        _put(convolution, _kernel(weights, name))
        norm.weight.data = torch.tensor(
            weights[f"{name.replace('res', 'bn') if name != 'conv1' else 'bn_conv1'}/gamma:0"]
        )
        norm.eps = BATCH_NORM_EPSILON
    for level in range(4):
        _put(fpn.inner_blocks[level][0], _kernel(weights, f"fpn_c{level + 2}p{level + 2}"))
        _put(fpn.layer_blocks[level][0], _kernel(weights, f"fpn_p{level + 2}"))
    head = model.rpn.head
    _put(head.conv[0][0], _kernel(weights, "rpn_conv_shared"))
    scores = _kernel(weights, "rpn_class_raw")
    _put(head.cls_logits, (scores[1::2] - scores[::2]).flip(0))
    deltas = (
        _kernel(weights, "rpn_bbox_pred").unflatten(0, (3, 4))
        * torch.tensor(peers_work.RPN_DELTA_STD)[:, None, None, None]
    )
    # torchvision's aspect ratios are height / width, so its anchors of a cell have the opposite order
    _put(head.bbox_pred, deltas[:, TO_XYXY].flip(0).flatten(0, 1))
    _put(heads.box_head.fc6, _kernel(weights, "mrcnn_class_conv1").flatten(1))
    _put(heads.box_head.fc7, _kernel(weights, "mrcnn_class_conv2").flatten(1))
    _put(heads.box_predictor.cls_score, torch.tensor(weights["mrcnn_class_logits/kernel:0"]).T)
    box = torch.tensor(weights["mrcnn_bbox_fc/kernel:0"]).T.unflatten(0, (peers_work.CLASSES, 4))
    _put(heads.box_predictor.bbox_pred, box[:, TO_XYXY].flatten(0, 1))
    for number in range(4):
        _put(heads.mask_head[number][0], _kernel(weights, f"mrcnn_mask_conv{number + 1}"))
    _put(heads.mask_predictor.conv5_mask, _kernel(weights, "mrcnn_mask_deconv"))
    _put(heads.mask_predictor.mask_fcn_logits, _kernel(weights, "mrcnn_mask"))


def norm_name(convolution: str) -> str:
    """Returns our name of the batch norm behind a convolution of the backbone."""
    return "bn_conv1" if convolution == "conv1" else convolution.replace("res", "bn", 1)


def backbone_layers(body: nn.Module) -> list[tuple[str, nn.Conv2d, nn.Module]]:
    """Lists the ResNet's convolutions with our names and the batch norms behind them."""
    layers = [("conv1", body.conv1, body.bn1)]
    for stage, layer in enumerate(STAGES, start=2):
        for letter, block in zip("abcdef", body[layer], strict=False):
            prefix = f"res{stage}{letter}_branch"
            layers += [
                (f"{prefix}2{part}", getattr(block, f"conv{number}"), getattr(block, f"bn{number}"))
                for number, part in enumerate("abc", start=1)
            ]
            if block.downsample is not None:
                layers.append((f"{prefix}1", *block.downsample))
    return layers


def measure_detection(model: MaskRCNN, case: Case, *, options: argparse.Namespace) -> dict[str, Any]:
    """Times a call of the model from a uint8 image to boxes and boolean masks of the image's size."""
    model.eval()
    with np.load(peers_work.image_file(options.folder, case)) as stored:
        image = stored["image"]

    def call() -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode(), _autocast(options.precision):
            found = model([torch.from_numpy(image).permute(2, 0, 1).float() / 255])[0]
        return found["boxes"].float().numpy(), (found["masks"][:, 0] >= 0.5).numpy()

    measured, (boxes, masks) = peers_work.measure(call, options)
    return {**measured, **_facts(), "found": len(boxes), "mask_share": float(masks.mean()) if len(boxes) else 0.0}


def measure_training(model: MaskRCNN, case: Case, *, options: argparse.Namespace) -> dict[str, Any]:
    """Times a training step of all layers: forward and backward pass and SGD's update."""
    model.train()
    with np.load(peers_work.batch_file(options.folder, case)) as stored:
        images, targets = training_batch(stored)
    optimizer = torch.optim.SGD(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=peers_work.LEARNING_RATE,
        momentum=peers_work.MOMENTUM,
        weight_decay=peers_work.WEIGHT_DECAY,
    )
    regions = []
    model.roi_heads.mask_head.register_forward_hook(lambda _, given, result: regions.append(len(given[0])))

    def step() -> float:
        with _autocast(options.precision):
            losses = model(images, targets)
        optimizer.zero_grad(set_to_none=True)
        total = sum(value.float() for value in losses.values())
        total.backward()
        optimizer.step()
        return float(total.detach())

    measured, loss = peers_work.measure(step, options)
    return {**measured, **_facts(), "found": regions[0], "loss": loss}


def training_batch(stored: Mapping[str, np.ndarray]) -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    """Converts our batch, whose masks fill their boxes, to torchvision's images and targets."""
    images, targets = [], []
    for image, boxes, class_ids in zip(stored["images"], stored["gt_boxes"], stored["gt_class_ids"], strict=True):
        kept = class_ids > 0
        masks = np.zeros((int(kept.sum()), *image.shape[:2]), np.uint8)
        for mask, (y1, x1, y2, x2) in zip(masks, boxes[kept].astype(int), strict=True):
            mask[y1:y2, x1:x2] = 1
        images.append(torch.from_numpy(image).permute(2, 0, 1) / 255)
        targets.append(
            {
                "boxes": torch.tensor(boxes[kept][:, TO_XYXY]),
                "labels": torch.tensor(class_ids[kept].astype(np.int64)),
                "masks": torch.tensor(masks),
            }
        )
    return images, targets


def _facts() -> dict[str, Any]:
    return {"threads": torch.get_num_threads(), "torch": torch.__version__}


def _autocast(precision: str) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def _kernel(weights: Mapping[str, np.ndarray], name: str) -> torch.Tensor:
    """Reads a convolution's kernel as `[out, in, height, width]`, a transposed one's as `[in, out, height, width]`."""
    return torch.tensor(weights[f"{name}/kernel:0"]).permute(3, 2, 0, 1)


def _put(layer: nn.Module, kernel: torch.Tensor) -> None:
    """Sets a layer's kernel, and its bias to 0."""
    if layer.weight.shape != kernel.shape:
        raise ValueError(f"{layer} has a kernel of {tuple(layer.weight.shape)}, got {tuple(kernel.shape)}")
    layer.weight.data = kernel.contiguous()
    if layer.bias is not None:
        layer.bias.data.zero_()


if __name__ == "__main__":
    main()
