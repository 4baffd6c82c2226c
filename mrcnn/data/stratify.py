"""Draws validation images so that each class has its share of them."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence


def draw(classes: Sequence[Iterable[str]], *, fraction: float, seed: int) -> frozenset[int]:
    """Draws images to validate on, the images of the rarest class first.

    Of the images of each class the rounded share is drawn, but at least one on each side where the class is on two
    images or more. Images of several classes count for each of them, so that the share of a frequent class may differ a
    little.

    Args:
        classes: the classes of each image's objects; repeats have no effect.
        fraction: share of the images to validate on, above 0 and below 1.
        seed: of the random draw.

    Returns:
        Indices of the validation images; with two images or more at least one image on each side. Empty without images.
    """
    sets = [frozenset(titles) or frozenset({""}) for titles in classes]  # images without objects are a class, too
    counts = Counter(title for titles in sets for title in titles)
    generator = random.Random(seed)
    order = list(range(len(sets)))
    generator.shuffle(order)
    val: set[int] = set()
    decided: set[int] = set()
    for title in sorted(counts, key=lambda title: (counts[title], title)):
        members = [index for index in order if title in sets[index]]
        free = [index for index in members if index not in decided]
        wanted = _share(len(members), fraction) - sum(index in val for index in members)
        val.update(free[: max(wanted, 0)])
        decided.update(free)
    if len(sets) > 1 and not val:
        val.add(order[0])
    if len(sets) > 1 and len(val) == len(sets):
        val.remove(order[-1])
    return frozenset(val)


def _share(count: int, fraction: float) -> int:
    return min(max(round(count * fraction), 1), count - 1)
