"""Opens the font of titles and captions in pictures."""

import importlib.util
from pathlib import Path
from typing import Any

from PIL import ImageFont

SIZE = 14  # pixels


def font(size: int = SIZE) -> Any:
    """Opens matplotlib's DejaVu Sans, which has Greek and Cyrillic letters too, or Pillow's own font without it."""
    found = importlib.util.find_spec("matplotlib")
    path = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else None
    if path is not None and path.is_file():
        return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
