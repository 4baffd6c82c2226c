"""The predictor of an exported file, whatever runtime computes it, without Keras and TensorFlow.

The file computes everything from an image's pixels to its masks, see docs/export.md. Shape letters: N detections, H W
the image.
"""

import copy
import importlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mrcnn.errors import OutOfMemory, UserError, is_out_of_memory, one_line
from mrcnn.fields import arrays
from mrcnn.predict import exported_settings, model_image
from mrcnn.predict.outputs import PROBABILITIES
from mrcnn.predict.runtimes import table
from mrcnn.predict.runtimes.opened import MOST_REASON, WHOLE_MASKS, Run
from mrcnn.predict.staged import StagedPredictor
from mrcnn.structures import Choices, CompactDetections, CroppedMask

if TYPE_CHECKING:  # it imports pydantic
    from mrcnn.fields.table import Fields

FIXED = ("boxes", "class_ids", "scores", "masks")
FIELDS_MODULE = "mrcnn.predict.exported_fields"
Outputs = Mapping[str, Any]  # arrays; `masks` may be a tuple of `CroppedMask`


class ExportedPredictor(StagedPredictor[np.ndarray, Outputs]):
    """Finds objects in images of any size with an exported file, one image at a time.

    The predictor is stateless: threads may share it.

    Attributes:
        name: of the file in messages.
        exported: the file's metadata.
    """

    most_batch = 1
    builds_graph = False
    settings_place = "the config.json of the model, and export it again"

    def __init__(
        self,
        run: Run,
        outputs: Iterable[str],
        *,
        properties: Mapping[str, str],
        name: str | Path = "the exported file",
        files: Sequence[Path] = (),
        mask_bits: int = WHOLE_MASKS,
    ) -> None:
        """Stores an opened file; `load` also opens it.

        Args:
            run: as in `runtimes.opened.Opened`.
            outputs: as in `runtimes.opened.Opened`.
            properties: as in `runtimes.opened.Opened`.
            name: of the file in messages.
            files: as in `runtimes.opened.Opened`.
            mask_bits: as in `runtimes.opened.Opened`.

        Raises:
            UserError: the metadata is not that of an export, or of another version; or an output is missing.
        """
        self.exported = exported_settings.read(properties)
        super().__init__(self.exported.facts)
        self.name = str(name)
        self.least_score = self.facts.choices.score_threshold
        self._run, self._files, self.mask_bits = run, tuple(files), mask_bits
        self._outputs = tuple(output for output in outputs if output != PROBABILITIES)
        if absent := sorted({*FIXED, *self.facts.maps} - set(self._outputs)):
            raise UserError(f"the file has no output `{absent[0]}`; export the model again")

    @classmethod
    def load(cls, model: str | Path, *, threads: int | None = None) -> "ExportedPredictor":
        """Opens an exported file in the runtime of its kind.

        Args:
            model: a file with an ending of `runtimes.table.KINDS`, or the folder that an export wrote.
            threads: number of threads that compute an image; None for the runtime's own choice: one of LiteRT,
                else one per core.

        Raises:
            UserError: the path is no export, the runtime is not installed, or the file is missing, damaged, or no
                export of this package.
        """
        located = table.locate(model)
        if located is None:
            endings = ", ".join(kind.file for kind in table.KINDS)
            raise UserError(f"{model} is no exported model; give one of these files, or its folder: {endings}")
        return cls.of_located(located, threads=threads)

    @classmethod
    def of_located(cls, located: table.Located, *, threads: int | None = None) -> "ExportedPredictor":
        """Opens a file that `runtimes.table.locate` found; else as `load`."""
        run, outputs, properties, files, mask_bits = table.open_located(located, threads=threads)
        try:
            return cls(run, outputs, properties=properties, name=located.path, files=files, mask_bits=mask_bits)
        except UserError as error:
            raise UserError(f"{located.path}: {error}") from error

    @cached_property
    def fields(self) -> "Fields":
        """The extra fields of detections by name."""
        names = [name for name in self._outputs if name not in {*FIXED, *self.facts.maps}]
        found: Fields = importlib.import_module(FIELDS_MODULE).fields_of(names, self.exported.field_settings)
        return found

    def identity(self) -> dict[str, Any]:
        """Collects the metadata, the choices and the checksum of the files; see `StagedPredictor.identity`."""
        checksum = 0
        for path in self._files:
            checksum = zlib.crc32(path.read_bytes(), checksum)
        exported = {"settings": self.exported.settings, "choices": self.facts.choices._asdict(), "files": checksum}
        return {"exported": exported}

    def with_choices(self, **changes: float) -> "ExportedPredictor":
        """Makes a predictor with another score threshold, at least the file's own.

        Args:
            **changes: new values by the names of `structures.Choices`; only `score_threshold` can change.

        Raises:
            UserError: a name is none of `Choices`, or the value cannot be changed in an exported file.
        """
        for name, value in changes.items():
            self._check_choice(name, value)
        other = copy.copy(self)
        other.facts = replace(self.facts, choices=Choices(**{**self.facts.choices._asdict(), **changes}))
        return other

    def _check_choice(self, name: str, value: float) -> None:
        if name not in Choices._fields:
            raise UserError(f"{name!r} is no run-time choice; those are {', '.join(Choices._fields)}")
        if name == "score_threshold":
            if not 0 <= value <= 1:
                raise UserError(f"the score threshold must be in 0..1, got {value}")
            if value < self.least_score:
                raise UserError(
                    f"{self.name} has no objects that score less than {self.least_score:g}, got the score threshold "
                    f"{value:g}; export the model again with --score-threshold {value:g}"
                )
        elif value != getattr(self.facts.choices, name):
            fixed = getattr(self.facts.choices, name)
            raise UserError(
                f"`{name}` of the exported file {self.name} is {fixed:g} and cannot be {value:g}; use the model folder"
            )

    def prepare(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Checks images; the first stage.

        Returns:
            Each image as `[H, W, channels]` uint8.

        Raises:
            ValueError: an array is not an image; the message has its index in the list.
        """
        return list(model_image.as_model_images(images, channels=self.facts.channels))

    def detect(self, batch: np.ndarray) -> Outputs:
        """Runs the file on an image of `prepare`; the second stage.

        Returns:
            Its outputs by name.

        Raises:
            OutOfMemory: the image does not fit into memory.
            RuntimeError: the runtime failed otherwise; the message is one line.
        """
        try:
            return self._run(batch, self._outputs)
        except Exception as error:  # the exceptions of runtimes have no other base class
            height, width = batch.shape[:2]
            where = f"for an image of {height}x{width} pixels"
            reason = one_line(str(error), most=MOST_REASON) or type(error).__name__
            if is_out_of_memory(error):
                raise OutOfMemory(f"out of memory {where}: use smaller images or windows ({reason})") from error
            raise RuntimeError(f"{self.name} failed {where}: {reason}") from error

    def finish(self, batches: Sequence[np.ndarray], raw: Sequence[Outputs]) -> list[CompactDetections]:
        """Crops the masks to their boxes; the third stage."""
        return [self._cropped(*pair) for pair in zip(batches, raw, strict=True)]

    def _cropped(self, image: np.ndarray, outputs: Outputs) -> CompactDetections:
        """Converts the outputs of an image, and drops empty masks and what scores less than the threshold.

        The masks of the file are the largest part of the memory, so they are converted one by one.
        """
        found = np.flatnonzero(outputs["scores"] >= self.facts.choices.score_threshold)
        masks = {index: _cropped_mask(outputs["masks"][index]) for index in found}
        kept = np.array([index for index, mask in masks.items() if mask.area], np.int64)
        maps = {name: outputs[name] for name in self.facts.maps}
        boxes, class_ids, scores = (outputs[name][kept] for name in ("boxes", "class_ids", "scores"))
        height, width = image.shape[:2]
        return CompactDetections(
            boxes=boxes,
            class_ids=class_ids,
            class_names=tuple(self.class_names[class_id] for class_id in class_ids),
            scores=scores,
            masks=tuple(masks[index] for index in kept),
            size=(height, width),
            extras=arrays.take({name: outputs[name] for name in outputs if name not in {*FIXED, *maps}}, kept),
            maps=maps,
        )


def _cropped_mask(mask: np.ndarray | CroppedMask) -> CroppedMask:
    return mask if isinstance(mask, CroppedMask) else CroppedMask.from_pixels(mask.astype(bool))
