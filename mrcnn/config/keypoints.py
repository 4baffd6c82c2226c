"""The template of an object's keypoints: their names, left-right pairs and skeleton.

Source: COCO data format; the sigmas of COCO's 17 points of a person are those of its keypoint evaluation (2016).
"""

import re
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from mrcnn.config.base import Name, Positive, Settings

# of each point of a person, in sides of the square root of the person's area; left and right are equal
_PERSON = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107,
    "knee": 0.087, "ankle": 0.089,
}  # fmt: skip
PERSON_SIGMAS = {
    name: sigma
    for part, sigma in _PERSON.items()
    for name in ((part,) if part == "nose" else (f"left_{part}", f"right_{part}"))
}
PERSON_SKELETON = (
    ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"), ("right_knee", "right_hip"),
    ("left_hip", "right_hip"), ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
    ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"), ("left_eye", "right_eye"), ("nose", "left_eye"),
    ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear"), ("left_ear", "left_shoulder"),
    ("right_ear", "right_shoulder"),
)  # fmt: skip
DEFAULT_SIGMA = 0.05  # of other points: between COCO's for a face, 0.03, and its for a body, 0.09
_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l"}

KEYPOINT_CHANNELS = (512,) * 8  # of the head's convolutions in Mask R-CNN (2017)

Pair = tuple[Name, Name]


class KeypointTemplate(Settings):
    """The points that objects have.

    Points are found by their names, so their order may differ between data sets.
    """

    names: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(description="name of each point, in order")
    pairs: tuple[Pair, ...] | None = Field(
        default=None,
        description=(
            'the points that a mirrored image exchanges, such as `["left_eye", "right_eye"]`; null finds them by '
            "the words left and right, or l and r, in `names`"
        ),
    )
    skeleton: tuple[Pair, ...] = Field(default=(), description="the points that a picture joins by lines")
    sigmas: tuple[Positive, ...] | None = Field(
        default=None,
        description=(
            "for OKS, how far annotators differ on each point, as a share of the square root of the object's area; "
            "null: COCO's for its 17 points of a person, else 0.05 for all"
        ),
    )
    class_points: tuple[tuple[Name, ...], ...] | None = Field(
        default=None,
        description="for each class, in the order of the class indices from 1, its points; null: each class has all",
    )

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"`names` must name each point once, got {list(self.names)}")
        for key in ("pairs", "skeleton", "class_points"):
            named = {name for group in getattr(self, key) or () for name in group}
            if unknown := sorted(named - set(self.names)):
                raise ValueError(f"`{key}` has the point {unknown[0]!r}, which is not in `names`")
        paired = [name for pair in self.pairs or () for name in pair]
        if len(set(paired)) < len(paired):
            raise ValueError(
                f"`pairs` must hold each point once at most, got {[list(pair) for pair in self.pairs or ()]}"
            )
        if self.sigmas is not None and len(self.sigmas) != len(self.names):
            raise ValueError(f"`sigmas` must hold one number per name, {len(self.names)}, got {len(self.sigmas)}")
        return self

    @property
    def mirrored_order(self) -> tuple[int, ...]:
        """For each point the index of its counterpart in a mirrored image."""
        other = {name: twin for one, two in self.settled_pairs for name, twin in ((one, two), (two, one))}
        return tuple(self.names.index(other.get(name, name)) for name in self.names)

    @property
    def settled_pairs(self) -> tuple[Pair, ...]:
        """The pairs of left and right points, given or found by their names."""
        return guess_pairs(self.names) if self.pairs is None else self.pairs

    @property
    def settled_sigmas(self) -> tuple[float, ...]:
        """The sigma of each point."""
        if self.sigmas is not None:
            return self.sigmas
        if set(self.names) == set(PERSON_SIGMAS):
            return tuple(PERSON_SIGMAS[name] for name in self.names)
        return (DEFAULT_SIGMA,) * len(self.names)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The indices of the two points of each line of the skeleton."""
        return tuple((self.names.index(one), self.names.index(two)) for one, two in self.skeleton)

    @property
    def class_indices(self) -> tuple[tuple[int, ...], ...] | None:
        """The indices of the points of each class from 1; None if each has all."""
        if self.class_points is None:
            return None
        return tuple(tuple(self.names.index(name) for name in names) for names in self.class_points)


def numbered(count: int) -> KeypointTemplate:
    """Makes the template of a model without names of points.

    17 points have the names of COCO's person; others have numbers as names.
    """
    if count == len(PERSON_SIGMAS):
        return KeypointTemplate(names=tuple(PERSON_SIGMAS), skeleton=PERSON_SKELETON)
    return KeypointTemplate(names=tuple(f"point {number}" for number in range(1, count + 1)))


def guess_pairs(names: Sequence[str]) -> tuple[Pair, ...]:
    """Finds left and right points by their names.

    A pair differs by one word alone: left and right, or l and r, set off by anything but a letter or a digit.

    Args:
        names: of the points.

    Returns:
        The pairs, in the order of the names; each name is in one pair at most.
    """
    pairs: list[Pair] = []
    for name in names:
        twin = next((other for other in _twins(name) if other in names), None)
        if twin is not None and not any(name in pair or twin in pair for pair in pairs):
            pairs.append((name, twin))
    return tuple(pairs)


def _twins(name: str) -> list[str]:
    words = re.split(r"([A-Za-z0-9]+)", name)  # words at odd places, what is between them at even ones
    found = []
    for place, word in enumerate(words):
        if (other := _SIDES.get(word.lower())) is not None:
            other = other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
            found.append("".join((*words[:place], other, *words[place + 1 :])))
    return found
