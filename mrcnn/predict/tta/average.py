"""Averages what the heads predict of the same boxes in several views of an image.

Source: detectron2's `GeneralizedRCNNWithTTA._reduce_pred_masks` for masks: the mean of the probabilities on the grids
of the boxes, where masks of mirror images are mirrored back. Extra fields are averaged by `Field.averaged`.
"""

from collections.abc import Mapping

import numpy as np

from mrcnn.data.resize import ResizePlan
from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.predict import postprocess


class Average:
    """Averages masks and extra fields over views; keeps the sum of the masks, not the masks of each view."""

    def __init__(self, fields: Fields):
        """Starts without views.

        Args:
            fields: the extra fields of the model by name.
        """
        self._fields = fields
        self._sum = np.zeros((0, 1, 1), np.float32)
        self._extras: list[dict[str, np.ndarray]] = []

    def add(self, found: Mapping[str, np.ndarray], plan: ResizePlan, *, flip: bool) -> None:
        """Adds a view.

        Args:
            found: `masks`, `[N, M, M]` float32 probabilities on the grids of the view's boxes, and the extra fields by
                name, `[N, ...]`, in pixels of the model input.
            plan: how the image, or with `flip` its mirror image, was fitted.
            flip: of the view.
        """
        masks = found["masks"][..., ::-1] if flip else found["masks"]
        self._sum = self._sum + masks if self._extras else masks.astype(np.float32)
        others = {name: values for name, values in found.items() if name != "masks"}
        self._extras.append(postprocess.extras_to_original(others, plan, flip=flip, fields=self._fields))

    def result(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Computes the means of the views that were added.

        Returns:
            masks: `[N, M, M]` float32, probabilities on the grids of the boxes in the image; `[0, 1, 1]` without views.
            extras: `[N, ...]` float32 by name, in pixels of the image; no rows without views.
        """
        if not self._extras:
            return self._sum, {name: np.zeros((0, *field.shape), np.float32) for name, field in self._fields.items()}
        return self._sum / np.float32(len(self._extras)), extras.averaged(self._extras)
