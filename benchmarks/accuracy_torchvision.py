"""Trains torchvision's Mask R-CNN R50-FPN on the images that `benchmarks.accuracy` wrote.

    python benchmarks/accuracy_torchvision.py FOLDER      # needs torch, torchvision, numpy and h5py

FOLDER holds `settings.json`, `train/000000.npz` with the images of each step and `val/0000.npz` with one image each.
The script adds `detections/0000.npz` for each validation image, and `result.json` with the losses by step and the
seconds of training. It runs in a separate environment.

The model is torchvision's own except for the settings that both sides share: the ImageNet weights, the image mean, the
side of the input, and the numbers of proposals and regions. The weights have the form of keras.applications: BGR
images, the stride in a stage's first 1x1 convolution, and a bias in each convolution, which is folded into batch norm
here.
"""

import argparse
import json
import math
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import misc

EPSILON = 1.001e-5  # of the batch norm in keras.applications
BLOCKS = (3, 4, 6, 3)
WARMUP_START = 0.001


def main() -> None:
    """Trains the model, detects on the validation images and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    settings = json.loads((folder / "settings.json").read_text())
    torch.manual_seed(settings["seed"])
    model = build(settings)
    history, seconds = train(model, folder, settings)
    detect(model, folder, settings)
    (folder / "result.json").write_text(json.dumps({"losses": history, "seconds": seconds}))


def build(settings: dict) -> MaskRCNN:
    """Builds the model with the ImageNet weights in its backbone."""
    resnet = resnet50()
    with h5py.File(settings["imagenet_weights"]) as file:
        print("convolutions loaded:", load_weights(resnet, file), flush=True)
    side, regions = settings["side"], settings["roi_samples"]
    model = MaskRCNN(
        _resnet_fpn_extractor(resnet, settings["trained_stages"]),
        settings["classes"],
        min_size=side,
        max_size=side,
        image_mean=[value / 255 for value in settings["image_mean"]],
        image_std=[1 / 255] * 3,
        box_batch_size_per_image=regions,
        rpn_pre_nms_top_n_train=settings["pre_nms_topk"],
        rpn_post_nms_top_n_train=settings["post_nms_topk_train"],
        rpn_pre_nms_top_n_test=settings["pre_nms_topk"],
        rpn_post_nms_top_n_test=settings["post_nms_topk"],
    )
    return model.to(memory_format=torch.channels_last).train()


def resnet50() -> ResNet:
    """Builds a random ResNet-50 with frozen batch norm and the stride in a stage's first 1x1 convolution."""
    resnet = ResNet(Bottleneck, list(BLOCKS), norm_layer=misc.FrozenBatchNorm2d)
    for layer in (resnet.layer2, resnet.layer3, resnet.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    return resnet


def load_weights(resnet: ResNet, file: h5py.File) -> int:
    """Loads the weights of keras.applications' ResNet-50; a layer that the file lacks stays random.

    Returns:
        The number of convolutions that were loaded.
    """
    pairs = [(resnet.conv1, resnet.bn1, "conv1")]
    for stage, layer in enumerate((resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4), start=2):
        for number, block in enumerate(layer, start=1):
            prefix = f"conv{stage}_block{number}"
            pairs += [(getattr(block, f"conv{k}"), getattr(block, f"bn{k}"), f"{prefix}_{k}") for k in (1, 2, 3)]
            if block.downsample is not None:
                block.downsample[0].stride = block.conv1.stride
                pairs.append((*block.downsample, f"{prefix}_0"))
    return sum(_put(convolution, norm, name, file=file) for convolution, norm, name in pairs)


def _put(convolution: nn.Conv2d, norm: nn.Module, name: str, *, file: h5py.File) -> bool:
    if f"{name}_conv" not in file or f"{name}_bn" not in file:
        return False
    values = {}
    for layer in (f"{name}_conv", f"{name}_bn"):
        file[layer].visititems(
            lambda path, item: (
                values.update({path.rsplit("/", 1)[-1].removesuffix(":0"): torch.tensor(item[()])})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    kernel = values["kernel"].permute(3, 2, 0, 1)
    convolution.weight.data = (
        kernel.flip(1) if name == "conv1" else kernel.contiguous()
    )  # the kernel expects BGR, the images are RGB
    norm.weight.data, norm.bias.data, norm.eps = values["gamma"], values["beta"], EPSILON
    norm.running_var.data = values["moving_variance"]
    norm.running_mean.data = values["moving_mean"] - values["bias"]
    return True


def train(model: MaskRCNN, folder: Path, settings: dict) -> tuple[list[dict[str, float]], float]:
    """Trains on the stored steps of the folder, in order.

    Returns:
        The losses of each step, and the seconds of all steps together.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=settings["lr"], momentum=0.9, weight_decay=1e-4)
    steps = sorted((folder / "train").glob("*.npz"))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, len(steps), settings))
    history, start = [], time.monotonic()
    for number, path in enumerate(steps, start=1):
        images, targets = read_step(path)
        with reduced(settings):
            losses = model(images, targets)
        optimizer.zero_grad()
        sum(value.float() for value in losses.values()).backward()
        if settings["clip"]:
            torch.nn.utils.clip_grad_norm_(trained, settings["clip"])
        optimizer.step()
        schedule.step()
        history.append({name: float(value.detach()) for name, value in losses.items()})
        if number % 20 == 0:
            print(f"step {number} of {len(steps)}, {time.monotonic() - start:.0f} s", flush=True)
    return history, time.monotonic() - start


def reduced(settings: dict) -> torch.autocast:
    """Returns a context of bfloat16, if the settings ask for it.

    It keeps the weights' bfloat16 copies until it ends, so each step needs one of its own.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=settings["bfloat16"])


def rate(step: int, steps: int, settings: dict) -> float:
    """Computes the learning rate's factor after `step` updates: linear warm-up, then cosine."""
    warmup, final = settings["warmup_steps"], settings["final_fraction"]
    cosine = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * max(step, warmup) / steps))
    return cosine if step >= warmup else WARMUP_START + (cosine - WARMUP_START) * step / warmup


def read_step(path: Path) -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    """Reads the images and targets of a step; an image without objects has empty targets."""
    images, targets = [], []
    with np.load(path) as stored:
        for slot in range(int(stored["count"])):
            image, boxes = stored[f"image{slot}"], stored[f"boxes{slot}"].astype(np.float32)
            shape = (len(boxes), *image.shape[:2])
            masks = np.unpackbits(stored[f"masks{slot}"], count=math.prod(shape)).reshape(shape)
            images.append(_to_tensor(image))
            targets.append(
                {
                    "boxes": torch.tensor(boxes[:, [1, 0, 3, 2]]),
                    "labels": torch.tensor(stored[f"class_ids{slot}"].astype(np.int64)),
                    "masks": torch.tensor(masks),
                }
            )
    return images, targets


def detect(model: MaskRCNN, folder: Path, settings: dict) -> None:
    """Writes the model's detections on each validation image; masks are cut at 0.5."""
    model.eval()
    (folder / "detections").mkdir()
    for path in sorted((folder / "val").glob("*.npz")):
        with np.load(path) as stored, torch.inference_mode(), reduced(settings):
            found = model([_to_tensor(stored["image"])])[0]
        np.savez_compressed(
            folder / "detections" / path.name,
            boxes=found["boxes"].float().numpy()[:, [1, 0, 3, 2]],
            class_ids=found["labels"].numpy(),
            scores=found["scores"].float().numpy(),
            masks=np.packbits(found["masks"].float().numpy()[:, 0] >= 0.5),
        )


def _to_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.tensor(image).permute(2, 0, 1).float() / 255


if __name__ == "__main__":
    main()
