"""A predictor of an exported ONNX file, without TensorFlow and Keras.

The file computes everything from an image's pixels to its masks, see docs/export.md. Shape letters: N detections, H W
the image.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn import optional
from mrcnn.errors import UserError, one_line
from mrcnn.events import make_log
from mrcnn.predict import inputs, preprocess
from mrcnn.structures import Detections

FORMAT_VERSION = 1  # of the metadata that this module reads
INPUT = "image"
FIXED = ("boxes", "class_ids", "scores", "masks")
NEEDED = ("class_names", "channels", "image_range", "maps")  # settings that are read
PROBABILITIES = "probabilities"  # an output for the comparison with the live model
MOST_REASON = 200  # characters kept of the text of ONNX Runtime's error
Run = Callable[[list[str], Mapping[str, np.ndarray]], list[np.ndarray]]


class OnnxPredictor:
    """Finds objects in images of any size with an ONNX file.

    The predictor is stateless: threads may share it.

    Attributes:
        class_names: title of each class id, the background first.
        settings: the settings in the file's metadata, such as `score_threshold`.
        labels: content of labels.json, from the file's metadata.
    """

    def __init__(self, run: Run, outputs: Iterable[str], *, properties: Mapping[str, str]) -> None:
        """Stores a session; `load` also opens the file.

        Args:
            run: computes named outputs of named inputs, such as the method of ONNX Runtime's session.
            outputs: names of the file's outputs.
            properties: the file's metadata, see `metadata` of mrcnn.export.portable.

        Raises:
            UserError: the metadata is not that of an export, or of another version.
        """
        self.settings, self.labels = _read_properties(properties)
        self.class_names: tuple[str, ...] = tuple(self.settings["class_names"])
        self._run = run
        self._outputs = [name for name in outputs if name != PROBABILITIES]

    @classmethod
    def load(cls, model: str | Path, *, threads: int | None = None) -> "OnnxPredictor":
        """Opens an exported file in ONNX Runtime on the CPU.

        Args:
            model: path of the `.onnx` file.
            threads: number of threads that compute an image; None for one per core.

        Raises:
            UserError: ONNX Runtime is not installed, or the file is missing, damaged, or no export of this package.
        """
        if not Path(model).is_file():
            raise UserError(f"there is no ONNX file {model}; `mrcnn export --format onnx` writes one")
        runtime = optional.load("onnxruntime", extra="onnx-run", purpose="inference with an ONNX file")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # errors are raised; without this they are also written to stderr
        options.intra_op_num_threads = threads or 0
        try:
            session = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            properties = session.get_modelmeta().custom_metadata_map
        except Exception as error:  # the runtime's exceptions have no other base class
            raise UserError(
                f"{model} cannot be opened as an ONNX file, export it again: {one_line(str(error), most=MOST_REASON)}"
            ) from error
        try:
            return cls(session.run, [output.name for output in session.get_outputs()], properties=properties)
        except UserError as error:
            raise UserError(f"{model}: {error}") from error

    def predict(
        self,
        images: inputs.Inputs,
        *,
        batch_size: int | None = None,
        allow_urls: bool = False,
        warn: Callable[[str], None] | None = None,
    ) -> list[Detections]:
        """Finds the objects of each image.

        Args:
            images: any number of images of any size, as for `Predictor.predict`.
            batch_size: accepted for the interface of `Predictor`; the file takes one image at a time.
            allow_urls: as for `Predictor.predict`.
            warn: as for `Predictor.predict`.

        Returns:
            One `Detections` per image, in the order of the images, each by descending score. Empty in, empty out.

        Raises:
            ValueError: as for `Predictor.predict`.
        """
        return list(self.predict_iter(images, batch_size=batch_size, allow_urls=allow_urls, warn=warn))

    def predict_iter(
        self,
        images: inputs.Inputs,
        *,
        batch_size: int | None = None,
        allow_urls: bool = False,
        warn: Callable[[str], None] | None = None,
    ) -> Iterator[Detections]:
        """Yields the results of `predict` one by one and reads `images` only as needed."""
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        channels = self.settings["channels"]
        pictures = inputs.read_all(
            inputs.as_many(images, allow_urls=allow_urls),
            channels=channels,
            image_range=self.settings["image_range"],
            allow_urls=allow_urls,
            warn=warn or make_log().warning,
        )
        return map(self._detect, preprocess.as_model_images(pictures, channels=channels))

    def _detect(self, image: np.ndarray) -> Detections:
        found = dict(zip(self._outputs, self._run(self._outputs, {INPUT: image}), strict=True))
        maps = {name: found.pop(name) for name in self.settings["maps"]}
        boxes, class_ids, scores, masks = (found.pop(name) for name in FIXED)
        names = tuple(self.class_names[class_id] for class_id in class_ids)
        return Detections(boxes, class_ids, names, scores, masks.astype(bool), extras=found, maps=maps)


def _read_properties(properties: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        settings, labels = json.loads(properties["settings"]), json.loads(properties["labels"])
        version = settings["format_version"]
        _ = [settings[name] for name in NEEDED]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            "the file has no metadata of `mrcnn export`; export the model with --format onnx, files of other programs "
            "have other inputs and outputs"
        ) from error
    if version != FORMAT_VERSION:
        raise UserError(
            f"the metadata has version {version}, this program reads {FORMAT_VERSION}; export the model again"
        )
    return settings, labels
