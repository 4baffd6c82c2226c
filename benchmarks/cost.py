"""Counts the multiply-adds of a model's dense and convolution layers from their shapes."""

from mrcnn.models.families.matterport import Matterport

LEVEL_STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32, "p6": 64}


def stage_gmacs(
    model: Matterport, *, image_size: tuple[int, int], box_regions: int, mask_regions: int
) -> dict[str, float]:
    """Counts the multiply-adds of one image's forward pass by stage, in 10^9.

    Args:
        model: the model; only its convolutions and dense layers are counted.
        image_size: (H, W) of the model input.
        box_regions: number of regions in the box head.
        mask_regions: number of regions in the mask head.

    Returns:
        Stage name to GMAC: backbone, fpn, rpn, box_head, mask_head.
    """
    height, width = image_size
    cells = {level: (height // stride) * (width // stride) for level, stride in LEVEL_STRIDES.items()}
    macs = dict.fromkeys(("backbone", "fpn", "rpn", "box_head", "mask_head"), 0.0)
    pool = model.settings.box_pool_size, model.settings.mask_pool_size
    for layer_name, entries in model.weight_layout():
        for weight_name, variable in entries:
            if not weight_name.endswith("kernel:0"):
                continue
            weights = float(variable.numpy().size)
            name = weight_name.split("/")[0]
            if layer_name.startswith(("conv1", "res")):
                macs["backbone"] += weights * _backbone_cells(name, height, width)
            elif layer_name.startswith("fpn"):
                macs["fpn"] += weights * cells[name[-2:]]
            elif layer_name == "rpn_model":
                macs["rpn"] += weights * sum(cells.values())
            elif layer_name.startswith("mrcnn_mask"):
                side = 2 * pool[1] if name == "mrcnn_mask" else pool[1]
                macs["mask_head"] += weights * side**2 * mask_regions
            else:
                macs["box_head"] += weights * box_regions
    return {stage: value / 1e9 for stage, value in macs.items()}


def _backbone_cells(name: str, height: int, width: int) -> int:
    """Counts the output cells of a backbone convolution, from the stride of its stage."""
    stride = 2 if name == "conv1" else 2 ** int(name[3])
    return (height // stride) * (width // stride)
