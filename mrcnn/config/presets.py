"""The configs that come with the project, by name: `train_small_dataset` is `presets/train_small_dataset.json`."""

from pathlib import Path

FOLDER = "presets"
PLACES = tuple(Path(__file__).parents[level] / FOLDER for level in (1, 2))  # as installed; in the repository


def folder() -> Path:
    """Finds the folder of the presets."""
    return next(place for place in PLACES if place.is_dir())


def find(path: str | Path) -> Path:
    """Finds the file that a config path means.

    Returns:
        The preset that `NAME`, `NAME.json` or `presets/NAME.json` names, unless such a file exists where it is named;
        else the path itself.
    """
    path = Path(path)
    preset = folder() / f"{path.stem}.json"
    is_name = path.parent in (Path(), Path(FOLDER)) and path.suffix in ("", ".json")
    return preset if is_name and not path.exists() and preset.is_file() else path
