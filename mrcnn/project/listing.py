"""Recognizes readable image files by name, and describes the files that are passed over."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".jfif", ".mpo", ".bmp", ".png", ".webp", ".tif", ".tiff"})
CONVERTIBLE = frozenset({".nrrd", ".avif", ".heic", ".heif", ".gif"})  # images elsewhere, but not read here
LONGEST_NAME = 255  # bytes of a file name, on all common file systems
NAMED = 3  # files named in a message, of each kind


def is_image(path: Path) -> bool:
    """Checks by extension and length of the name whether a file is a usable image."""
    return path.suffix.lower() in IMAGE_EXTENSIONS and not is_overlong(path.name)


def is_overlong(name: str) -> bool:
    """Checks whether an image's name is too long to append `.json` for its annotation file."""
    return len(os.fsencode(f"{name}.json")) > LONGEST_NAME


def passed_over(files: Iterable[Path], *, folders: Sequence[str] = (), hint: str = "") -> list[str]:
    """Describes the files that are not usable images, by kind.

    Args:
        files: paths of any kind; usable images are left out.
        folders: names of subfolders, which are not searched.
        hint: how to have them searched.

    Returns:
        A part of a sentence for each kind, with the number of files and the first names.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    overlong: list[str] = []
    for path in files:
        if path.suffix.lower() in IMAGE_EXTENSIONS and is_overlong(path.name):
            overlong.append(f"{path.name[:40]}…")
        elif not is_image(path):
            kinds[path.suffix.lower()].append(path.name)
    parts = [f"{len(overlong)} images with too long names ({few(overlong)}; rename them)"] if overlong else []
    for kind, names in sorted(kinds.items()):
        advice = "; convert them to PNG or JPEG" if kind in CONVERTIBLE else ""
        what = f"{kind} files" if kind else "files without an extension"
        parts.append(f"{len(names)} {what} ({few(names)}{advice})")
    if folders:
        parts.append(f"{len(folders)} folders ({few(folders)}{f'; {hint}' if hint else ''})")
    return parts


def few(names: Sequence[str], most: int = NAMED) -> str:
    """Joins the first `most` names; an ellipsis replaces the others."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
