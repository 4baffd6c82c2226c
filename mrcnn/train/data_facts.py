"""Counts the data of a run for its record, and chooses the images of its examples."""

from collections import Counter
from collections.abc import Sequence

from mrcnn.card.facts import ClassCounts, DataFacts
from mrcnn.data.sources.source import Samples
from mrcnn.structures import Sample

EXAMPLES = 2
MOST_PIXELS = 25_000_000  # of an example: a huge image would take seconds to draw


def count(samples: Samples, *, name: str) -> DataFacts:
    """Counts the images and objects of both sets.

    Args:
        samples: both sets and the classes.
        name: of the data.
    """
    found = {split: _counts(chosen) for split, chosen in (("train", samples.train), ("val", samples.val))}
    both = (*samples.train, *samples.val)
    sizes = sorted((sample.size_hw for sample in both if sample.size_hw), key=lambda size: size[0] * size[1])
    return DataFacts(
        name=name,
        train_images=len(samples.train),
        val_images=len(samples.val),
        classes={
            title: ClassCounts(**{f"{split}_{what}": counts[index] for (split, what), counts in _flat(found).items()})
            for title, index in sorted(samples.class_title_to_idx.items(), key=lambda item: item[1])
            if index
        },
        ignored=sum(sum(sample.ignore) for sample in both),
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        shared=len({sample.image_path for sample in samples.train} & {sample.image_path for sample in samples.val}),
    )


def choose_examples(samples: Sequence[Sample], *, most: int = EXAMPLES) -> tuple[int, ...]:
    """Chooses images that show as many classes as possible; of equal ones, those with fewer objects, then the first.

    The choice depends on the annotations alone, so that no result of the model favours an image.

    Args:
        samples: the validation set. Images without an object, and those of more than `MOST_PIXELS` pixels, are left
            out.
        most: number of images.

    Returns:
        Their indices.
    """
    classes = {index: _learnt(sample) for index, sample in enumerate(samples) if _is_drawable(sample)}
    classes = {index: found for index, found in classes.items() if found}
    chosen: list[int] = []
    shown: set[int] = set()
    while classes and len(chosen) < most:
        best = min(classes, key=lambda index: (-len({*classes[index]} - shown), len(classes[index]), index))
        shown |= {*classes.pop(best)}
        chosen.append(best)
    return tuple(chosen)


def _learnt(sample: Sample) -> list[int]:
    return [index for index, ignored in zip(sample.class_ids, sample.ignore, strict=True) if index and not ignored]


def _is_drawable(sample: Sample) -> bool:
    return sample.size_hw is None or sample.size_hw[0] * sample.size_hw[1] <= MOST_PIXELS


def _counts(samples: Sequence[Sample]) -> dict[str, Counter[int]]:
    objects: Counter[int] = Counter()
    images: Counter[int] = Counter()
    for sample in samples:
        learnt = _learnt(sample)
        objects.update(learnt)
        images.update(set(learnt))
    return {"objects": objects, "images": images}


def _flat(found: dict[str, dict[str, Counter[int]]]) -> dict[tuple[str, str], Counter[int]]:
    return {(split, what): counts for split, both in found.items() for what, counts in both.items()}
