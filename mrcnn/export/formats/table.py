"""The table of the formats that models are exported to."""

from mrcnn.config import errors
from mrcnn.errors import UserError
from mrcnn.export.formats.format import Format
from mrcnn.export.formats.keras_file import KerasFile
from mrcnn.export.formats.litert import LiteRT
from mrcnn.export.formats.onnx import Onnx
from mrcnn.export.formats.openvino import OpenVino
from mrcnn.export.formats.saved_model import SavedModel
from mrcnn.export.formats.state_dict import StateDict

DEFAULT = "saved_model"
FORMATS: dict[str, Format] = {
    "saved_model": SavedModel(),
    "onnx": Onnx(),
    "openvino": OpenVino(),
    "litert": LiteRT(),
    "keras": KerasFile(),
    "torchvision": StateDict("torchvision", ("torchvision", "torchvision_v2")),
    "detectron2": StateDict("detectron2", ("detectron2",)),
}


def find(name: str) -> Format:
    """Finds a format by its name in `FORMATS`.

    Raises:
        UserError: there is no such format; the message names the most similar one.
    """
    if name not in FORMATS:
        raise UserError(f"there is no export format `{name}`{errors.nearest(name, list(FORMATS))}")
    return FORMATS[name]
