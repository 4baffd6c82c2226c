"""Converts the detections of an image to a row of a results file, and back.

A results file is Parquet with a row for each image, in the order of the job's images:

    image       text: path or URL
    height      int32, pixels of the upright image; null for a failed image, like all below but `error`
    width       int32
    boxes       list of [x1, y1, x2, y2], float32 pixels, not rounded, x2 and y2 exclusive; best score first
    scores      list of float32
    class_ids   list of int32; 0 would be the background
    classes     list of text, the classes' titles
    masks       list of text: `counts` of COCO run lengths, whose `size` is [height, width]
    extras      list of text: JSON of the extra fields of a detection by name, such as keypoints
    error       text: why the image failed; null for an image that was used

The footer has the counts of the rows, so that a job is counted without reading its rows.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mrcnn.data.coco import masks
from mrcnn.errors import one_line
from mrcnn.structures import CompactDetections, CroppedMask

Row = Mapping[str, Any]

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("boxes", pa.list_(pa.list_(pa.float32()))),
        ("scores", pa.list_(pa.float32())),
        ("class_ids", pa.list_(pa.int32())),
        ("classes", pa.list_(pa.string())),
        ("masks", pa.list_(pa.string())),
        ("extras", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)
COUNTS = b"mrcnn.counts"  # key of the footer; its value is the JSON of a `Tally`
XYXY = [1, 0, 3, 2]  # the places of x1, y1, x2, y2 in a yxyx box, and of y1, x1, y2, x2 in an xyxy box


class Tally(NamedTuple):
    """The counts of the rows of a file.

    Attributes:
        images: all rows.
        failed: rows of images that could not be used.
        detections: number of detections by class title.
    """

    images: int
    failed: int
    detections: dict[str, int]


def of_detections(image: str, found: CompactDetections) -> dict[str, Any]:
    """Makes the row of an image with its detections."""
    height, width = found.size
    return {
        "image": image,
        "height": height,
        "width": width,
        "boxes": found.boxes[:, XYXY].tolist(),
        "scores": found.scores.tolist(),
        "class_ids": found.class_ids.tolist(),
        "classes": list(found.class_names),
        "masks": [masks.encode_crop(mask.pixels, mask.origin, size=found.size)["counts"] for mask in found.masks],
        "extras": [
            json.dumps({name: np.asarray(values[row]).tolist() for name, values in found.extras.items()})
            for row in range(len(found.scores))
        ],
        "error": None,
    }


def of_failure(image: str, error: str) -> dict[str, Any]:
    """Makes the row of an image that could not be used."""
    return {**dict.fromkeys(SCHEMA.names), "image": image, "error": one_line(error)}


def to_detections(row: Row) -> CompactDetections:
    """Converts a row of a used image back to its detections; inverse of `of_detections` without maps."""
    size = row["height"], row["width"]
    return CompactDetections(
        boxes=np.array(row["boxes"], np.float32).reshape(-1, 4)[:, XYXY],
        class_ids=np.array(row["class_ids"], np.int32),
        class_names=tuple(row["classes"]),
        scores=np.array(row["scores"], np.float32),
        masks=tuple(_cropped(counts, size) for counts in row["masks"]),
        size=size,
        extras=extras_of(row),
    )


def extras_of(row: Row) -> dict[str, np.ndarray]:
    """Reads the extra fields of a row's detections, `[N, ...]` float32 by name; none without a detection."""
    listed = [json.loads(text) for text in row["extras"]]
    return {name: np.array([values[name] for values in listed], np.float32) for name in (listed or [{}])[0]}


def tally(rows: Sequence[Row]) -> Tally:
    """Counts rows, of which `classes` and `error` are needed."""
    failed = sum(row["error"] is not None for row in rows)
    return Tally(len(rows), failed, dict(Counter(name for row in rows for name in row["classes"] or ())))


def encode(rows: Iterable[Row]) -> bytes:
    """Writes rows and their counts as a Parquet file, whose bytes depend on the rows alone."""
    listed, target = list(rows), io.BytesIO()
    schema = SCHEMA.with_metadata({COUNTS: json.dumps(tally(listed)._asdict())})
    pq.write_table(pa.Table.from_pylist(listed, schema=schema), target, compression="zstd")
    return target.getvalue()


def decode(data: bytes | BinaryIO, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """Reads the rows of a Parquet file that `encode` wrote, all columns or some."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    read: list[dict[str, Any]] = pq.ParquetFile(stream).read(columns).to_pylist()
    return read


def tally_of(stream: BinaryIO) -> Tally:
    """Counts the rows of a Parquet file: reads its footer, or two columns where the footer has no counts."""
    footer = pq.read_metadata(stream).metadata or {}
    if COUNTS in footer:
        return Tally(**json.loads(footer[COUNTS]))
    return tally(decode(stream, ["classes", "error"]))


def _cropped(counts: str, size: tuple[int, int]) -> CroppedMask:
    drawn = masks.draw({"size": list(size), "counts": counts}, height=size[0], width=size[1])
    return CroppedMask.from_pixels(drawn.mask, drawn.origin)
