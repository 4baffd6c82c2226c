"""torchvision's side of `benchmarks.same_steps`: trains on the steps that our side wrote.

    python benchmarks/same_steps_torchvision.py FOLDER      # needs torch and torchvision

FOLDER holds `settings.json`, `start.pth` and `train/000000.npz` …; the losses of each step are added as
`torchvision.json`, the weights after the last one as `torchvision.pth`.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import misc

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.accuracy_torchvision import read_step

STAGES = 3  # layer2 and up train


class GivenAnchors:
    """Replaces torchvision's random sample of anchors by the one of given priorities.

    Attributes:
        priority: `[N]` of the current step; candidates of higher priority are drawn first.
    """

    def __init__(self, total: int, positive_fraction: float):
        """Stores the number of anchors of an image's sample, and the largest share of objects."""
        self.total, self.most_objects = total, int(total * positive_fraction)
        self.priority = np.zeros(0, np.float32)

    def __call__(self, labels: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Draws the sample; labels are 1 for objects, 0 for background, else ignored. Returns masks of both."""
        positive = [self._draw(each == 1, self.most_objects) for each in labels]
        counts = [self.total - int(drawn.sum()) for drawn in positive]
        return positive, [self._draw(each == 0, count) for each, count in zip(labels, counts, strict=True)]

    def _draw(self, candidates: torch.Tensor, count: int) -> torch.Tensor:
        drawn = torch.zeros(len(candidates), dtype=torch.uint8)
        places = np.flatnonzero(candidates.numpy())
        order = np.argsort(-self.priority[places], kind="stable")
        drawn[places[order[:count]]] = 1
        return drawn


def main() -> None:
    """Trains and writes the losses and the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="torchvision", help="of the two files")
    parser.add_argument("--noise", type=float, default=0.0, help="largest relative change of the start weights")
    options = parser.parse_args()
    settings = json.loads((options.folder / "settings.json").read_text())
    model = build(settings)
    start = torch.load(options.folder / "start.pth", weights_only=True)
    print(model.load_state_dict(disturb(start, options.noise), strict=False), flush=True)
    losses = train(model, options.folder, settings)
    (options.folder / f"{options.name}.json").write_text(json.dumps(losses))
    torch.save(model.state_dict(), options.folder / f"{options.name}.pth")


def disturb(state: dict[str, torch.Tensor], noise: float) -> dict[str, torch.Tensor]:
    """Multiplies each weight by a random factor from 1 - noise to 1 + noise."""
    generator = torch.Generator().manual_seed(0)
    factors = {name: 2 * torch.rand(values.shape, generator=generator) - 1 for name, values in state.items()}
    return {name: values * (1 + noise * factors[name]) for name, values in state.items()}


def build(settings: dict) -> MaskRCNN:
    """Builds torchvision's model with given anchors and all regions in the losses."""
    resnet = ResNet(Bottleneck, [3, 4, 6, 3], norm_layer=misc.FrozenBatchNorm2d)
    model = MaskRCNN(
        _resnet_fpn_extractor(resnet, STAGES),
        settings["classes"],
        min_size=settings["side"],
        max_size=settings["side"],
        rpn_post_nms_top_n_train=settings["proposals"],
        box_batch_size_per_image=settings["regions"],
        box_positive_fraction=1.0,
    )
    theirs = model.rpn.fg_bg_sampler
    model.rpn.fg_bg_sampler = GivenAnchors(theirs.batch_size_per_image, theirs.positive_fraction)
    return model.train()


def train(model: MaskRCNN, folder: Path, settings: dict) -> list[dict[str, float]]:
    """Trains on the stored steps and returns the losses of each, before its update."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        trained, lr=settings["lr"], momentum=settings["momentum"], weight_decay=settings["weight_decay"]
    )
    found = []
    for step, path in enumerate(sorted((folder / "train").glob("*.npz"))):
        with np.load(path) as stored:
            model.rpn.fg_bg_sampler.priority = stored["priority"]
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
