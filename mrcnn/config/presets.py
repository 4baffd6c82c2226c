"""Finds preset configs by name: `train_small_dataset` means `presets/train_small_dataset.json`."""

import difflib
from pathlib import Path

FOLDER = "presets"
PLACES = tuple(Path(__file__).parents[level] / FOLDER for level in (1, 2))  # as installed; in the repository


def folder() -> Path:
    """Finds the folder of the presets."""
    return next(place for place in PLACES if place.is_dir())


def find(path: str | Path) -> Path:
    """Resolves a config path that may be the name of a preset.

    Returns:
        The preset's file for `NAME`, `NAME.json` or `presets/NAME.json`, unless the path itself exists; else the path
        unchanged.
    """
    path = Path(path)
    preset = folder() / f"{path.stem}.json"
    is_name = path.parent in (Path(), Path(FOLDER)) and path.suffix in ("", ".json")
    return preset if is_name and not path.exists() and preset.is_file() else path


def similar(path: str | Path) -> str | None:
    """Finds the preset whose name is most similar to that of a config file.

    None without a similar one.
    """
    names = sorted(file.stem for file in folder().glob("*.json"))
    return next(iter(difflib.get_close_matches(Path(path).stem, names, n=1, cutoff=0.8)), None)
