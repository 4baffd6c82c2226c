"""Makes the demo project from tiles of the coins photograph of scikit-image.

    python -m mrcnn convert coins --out PROJECT

The training tiles are cut from the left part of the photograph, randomly rotated, mirrored, scaled and changed in
brightness and contrast. The right part, unchanged, is the validation set. The parts share no pixel. The line between
them cuts one coin: each side annotates the visible piece, as for coins cut by a tile's border.
Source of the photograph: `skimage.data.coins`, Brooklyn Museum, Greek coins from Pompeii; it is part of the package.
"""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from skimage import data, filters, segmentation

from mrcnn import events, files
from mrcnn.convert.split import TRAIN_TAG, VAL_TAG
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.writer import ProjectWriter

DATASET = "coins"
CLASS_TITLE = "coin"
COIN_COUNT = 24

SPLIT_X = 242  # the first column of the validation part; free of coins but for one in the last row
SPLIT_Y = 150  # the first row of the second validation tile; free of coins right of SPLIT_X
MIN_VISIBLE = 0.25  # of a coin's area; a smaller piece at a tile's border is an ignore region

_BACKGROUND_BELOW, _COIN_ABOVE = 30, 150  # grey values that are certainly the one or the other
_MAX_TURN = 15.0  # degrees, besides quarter turns
_ZOOM = (0.85, 1.25)
_CONTRAST = (0.8, 1.2)
_BRIGHTNESS = 20.0  # grey values, up or down


class _Tile(NamedTuple):
    """A tile of the photograph.

    Attributes:
        picture: `[h, w]` uint8, grey.
        coins: `[24, h, w]` bool, the visible part of each coin.
        areas: `[24]`, area of each whole coin at the tile's scale, pixels.
    """

    picture: np.ndarray
    coins: np.ndarray
    areas: np.ndarray


def segment_coins() -> list[np.ndarray]:
    """Finds the 24 coins of the photograph, in reading order of their top rows.

    Returns:
        `[303, 384]` bool for each coin; they do not overlap.

    Raises:
        UserError: another number of coins was found, so the photograph is not the expected one.
    """
    photograph = data.coins()
    markers = np.zeros(photograph.shape, np.int32)
    markers[photograph < _BACKGROUND_BELOW] = 1
    markers[photograph > _COIN_ABOVE] = 2
    regions = segmentation.watershed(filters.sobel(photograph), markers)
    outlines, _ = cv2.findContours((regions == 2).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(photograph.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    smooth = cv2.morphologyEx(filled, cv2.MORPH_OPEN, cross, iterations=2)  # removes specks and thin lines
    count, labelled = cv2.connectedComponents(smooth, connectivity=4)
    if count - 1 != COIN_COUNT:
        raise UserError(f"the coins photograph must show {COIN_COUNT} coins, found {count - 1}; reinstall scikit-image")
    return [labelled == index for index in range(1, count)]


def make_coins_project(out_dir: Path, *, seed: int = 0, train_tiles: int = 64, tile: int = 160) -> Path:
    """Writes the demo project.

    Args:
        out_dir: the project's folder; must not exist or be empty.
        seed: of the random changes of the training tiles.
        train_tiles: number of training tiles.
        tile: side of a training tile, pixels; validation tiles are always 142 x 150 and 142 x 153.

    Returns:
        The project's folder.

    Raises:
        UserError: a number is out of range, or `out_dir` is not free.
    """
    files.check_free(out_dir)
    photograph, coins = data.coins(), np.stack(segment_coins())
    if train_tiles < 1 or not 32 <= tile <= 160:
        raise UserError(f"`train_tiles` must be at least 1 and `tile` from 32 to 160, got {train_tiles} and {tile}")
    meta = ProjectMeta(
        (ClassMeta(CLASS_TITLE, color="#E8A33D"),),
        (TagMeta(TRAIN_TAG), TagMeta(VAL_TAG), TagMeta(CROWD_TAG)),
        {"projectType": "images"},
    )
    areas = coins.sum(axis=(1, 2))
    left = _Tile(photograph[:, :SPLIT_X], coins[..., :SPLIT_X], areas)
    rng = np.random.default_rng(seed)
    with ProjectWriter(out_dir, meta) as writer:
        for index in range(train_tiles):
            _add(writer, f"train_{index:03d}.png", _vary(left, side=tile, rng=rng), tag=TRAIN_TAG)
        for index, rows in enumerate((slice(0, SPLIT_Y), slice(SPLIT_Y, None))):
            right = _Tile(photograph[rows, SPLIT_X:], coins[:, rows, SPLIT_X:], areas)
            _add(writer, f"val_{index}.png", right, tag=VAL_TAG)
    return Path(out_dir)


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    parser.add_argument("--train-tiles", type=int, default=64, help="number of training tiles (64)")
    parser.add_argument("--tile", type=int, default=160, help="side of a training tile in pixels (160)")
    parser.add_argument("--seed", type=int, default=0, help="decides their variation (0)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    out = make_coins_project(options.out, seed=options.seed, train_tiles=options.train_tiles, tile=options.tile)
    log.info(f"{out}: {options.train_tiles} training tiles and 2 validation tiles of the coins photograph")


def _vary(source: _Tile, *, side: int, rng: np.random.Generator) -> _Tile:
    """Cuts a random square tile, rotated, mirrored, scaled and changed in brightness and contrast."""
    turn = np.deg2rad(90 * rng.integers(4) + rng.uniform(-_MAX_TURN, _MAX_TURN))
    zoom = rng.uniform(*_ZOOM)
    mirror = rng.choice((-1.0, 1.0))
    contrast, brightness = rng.uniform(*_CONTRAST), rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    # A tile turned by t covers side * (|cos t| + |sin t|) of the source each way: at most 230 of its 242 columns.
    reach = side / zoom * (abs(np.cos(turn)) + abs(np.sin(turn))) / 2
    height, width = source.picture.shape
    centre = np.array([rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)]) - 0.5
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag((mirror, 1.0))
    matrix = np.column_stack((linear, (side - 1) / 2 - linear @ centre))  # the centre goes to the tile's centre

    def warp(image: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    lit = (warp(source.picture.astype(np.float32)) - 128) * contrast + 128 + brightness
    coins = np.stack([warp(coin.astype(np.float32)) >= 0.5 for coin in source.coins])
    return _Tile(np.clip(np.rint(lit), 0, 255).astype(np.uint8), coins, source.areas * zoom**2)


def _add(writer: ProjectWriter, name: str, tile: _Tile, *, tag: str) -> None:
    labels = []
    for coin, area in zip(tile.coins, tile.areas, strict=True):
        visible = coin.sum() / area
        if visible > 0:
            tags = () if visible >= MIN_VISIBLE else (Tag(CROWD_TAG),)
            labels.append(Label(CLASS_TITLE, Bitmap.from_canvas(coin), tags))
    _, png = cv2.imencode(".png", cv2.cvtColor(tile.picture, cv2.COLOR_GRAY2BGR))
    height, width = tile.picture.shape
    writer.add(DATASET, name, png.tobytes(), annotation=Annotation((height, width), (Tag(tag),), tuple(labels)))
