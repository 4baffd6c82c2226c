"""torchvision's side of `benchmarks.same_steps`: trains on the steps that our side wrote.

    python benchmarks/same_steps_torchvision.py FOLDER      # needs torch and torchvision

FOLDER holds `settings.json`, `start.pth` and `train/000000.npz` …; the losses of each step are added as
`torchvision.json`, the weights after the last as `torchvision.pth`.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import misc

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.accuracy_torchvision import read_step

STAGES = 3  # layer2 and up train


def main() -> None:
    """Trains and writes the losses."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    settings = json.loads((folder / "settings.json").read_text())
    model = build(settings)
    print(model.load_state_dict(torch.load(folder / "start.pth", weights_only=True), strict=False), flush=True)
    (folder / "torchvision.json").write_text(json.dumps(train(model, folder, settings)))
    torch.save(model.state_dict(), folder / "torchvision.pth")


def build(settings: dict) -> MaskRCNN:
    """Builds torchvision's model with all anchors and regions in the losses."""
    resnet = ResNet(Bottleneck, [3, 4, 6, 3], norm_layer=misc.FrozenBatchNorm2d)
    return MaskRCNN(
        _resnet_fpn_extractor(resnet, STAGES),
        settings["classes"],
        min_size=settings["side"],
        max_size=settings["side"],
        rpn_batch_size_per_image=settings["anchors"],
        rpn_post_nms_top_n_train=settings["proposals"],
        box_batch_size_per_image=settings["regions"],
        box_positive_fraction=1.0,
    ).train()


def train(model: MaskRCNN, folder: Path, settings: dict) -> list[dict[str, float]]:
    """Trains on the stored steps and returns the losses of each, before its update."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        trained, lr=settings["lr"], momentum=settings["momentum"], weight_decay=settings["weight_decay"]
    )
    found = []
    for step, path in enumerate(sorted((folder / "train").glob("*.npz"))):
        losses = model(*read_step(path))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        found.append({name: float(value.detach()) for name, value in losses.items()})
        if (step + 1) % 20 == 0:
            print(f"torchvision: step {step + 1}", flush=True)
    return found


if __name__ == "__main__":
    main()
