"""Detection, stage by stage: each is fed Matterport's own input of that stage where it is stored.

A stage takes a `Session` and yields the comparisons it makes.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from mrcnn.infer import preprocess
from mrcnn.structures import Proposals
from tests.fidelity import gates, reference
from tests.fidelity.gates import Result
from tests.fidelity.session import Session

BACKBONE_MAPS = ("C2", "C3", "C4", "C5")
PYRAMID_MAPS = ("P2", "P3", "P4", "P5", "P6")
INNER_SIZE = (reference.SIDE - 1, reference.SIDE - 1)  # of the image in the model's inner frame

Stage = Callable[[Session], Iterator[Result]]


def preprocessing(session: Session) -> Iterator[Result]:
    """Resizing, padding and the window of the photograph."""
    arrays, side = reference.inference(), reference.SIDE
    got = preprocess.prepare([arrays["image"]], min_dim=side, max_dim=side)
    yield gates.close("pixels of the model input", got.images[0], arrays["molded_uint8"], gates.EXACT)
    yield gates.close("window", got.windows[0], arrays["window"], gates.EXACT)
    yield gates.close("scale", np.float32(got.plans[0].scale), arrays["image_meta"][11], gates.EXACT)


def features(session: Session) -> Iterator[Result]:
    """The backbone's and the pyramid's maps."""
    arrays = reference.inference()
    (stages,), (levels,) = session.detection["backbone"], session.detection["fpn"]
    for name, feature in zip(BACKBONE_MAPS + PYRAMID_MAPS, (*stages, *levels), strict=True):
        values = np.asarray(feature)[0]
        rows, columns, channels = arrays[f"stride_{name}"]
        sample = values[::rows, ::columns, ::channels]
        yield gates.close(f"{name}, sampled", sample, arrays[f"sample_{name}"], gates.FEATURES)
        moments = [values.mean(dtype=np.float64), values.std(dtype=np.float64)]
        yield gates.close(f"{name}, mean and deviation", moments, arrays[f"stats_{name}"], gates.FEATURES)


def anchors(session: Session) -> Iterator[Result]:
    """The anchors of all levels."""
    arrays = reference.inference()
    (got,) = session.detection["anchor_generator"]
    yield gates.close("anchors", np.asarray(got)[arrays["rpn_index"]], arrays["anchors_px"], gates.TARGETS)
