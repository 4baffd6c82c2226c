"""Measures how fast the label formats are read, converted and written, in images a second on one core.

The same random outlines are written in each format, with hard links to one image. They are read as training reads them,
where each object's pixels are computed, and converted to a project, from the annotation files to the finished folder. A
project with bitmaps of the same objects is then converted to each format that `mrcnn convert --to` writes. All use one
thread.

    python -m benchmarks.formats --images 5000 --polygons 7
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mrcnn import events
from mrcnn.convert import formats as to_project
from mrcnn.convert import to_format
from mrcnn.convert.writers import table as written
from mrcnn.data.formats import table
from mrcnn.data.formats.record import Job, Report
from mrcnn.data.sources.source import DataPaths
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Bitmap, Polygon
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter

HEIGHT, WIDTH, POINTS = 480, 640, 24
Outlines = list[np.ndarray]  # `[POINTS, 2]` xy pixels of each object of an image


def outlines(count: int, *, seed: int) -> Outlines:
    """Draws random star-shaped outlines."""
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, (count, POINTS)), axis=1)
    radii = generator.uniform(0.6, 1, (count, POINTS)) * generator.uniform(10, 90, (count, 1))
    centres = generator.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))[:, None]
    points = centres + radii[..., None] * np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    return list(np.clip(points, 0, (WIDTH, HEIGHT)).round(2))


def write_labelme(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes a JSON file for each image; returns the path to read."""
    for index, objects in enumerate(images):
        shapes = [
            {"label": f"c{n % 3}", "points": ring.tolist(), "shape_type": "polygon"} for n, ring in enumerate(objects)
        ]
        content = {"shapes": shapes, "imagePath": f"{index}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (root / f"{index}.json").write_text(json.dumps(content))
    return root


def write_yolo(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes a text file for each image beside it; returns the path to read."""
    for index, objects in enumerate(images):
        rows = [
            f"{n % 3} {' '.join(f'{v:.6f}' for v in (ring / (WIDTH, HEIGHT)).ravel())}"
            for n, ring in enumerate(objects)
        ]
        (root / f"{index}.txt").write_text("\n".join(rows))
    (root / "data.yaml").write_text("train: .\nnames: [c0, c1, c2]\n")
    return root / "data.yaml"


def write_via(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes a VIA file; returns its path."""
    content = {}
    for index, objects in enumerate(images):
        regions = [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": ring[:, 0].tolist(),
                    "all_points_y": ring[:, 1].tolist(),
                },
                "region_attributes": {"class": f"c{n % 3}"},
            }
            for n, ring in enumerate(objects)
        ]
        content[str(index)] = {"filename": f"{index}.png", "size": 1, "regions": regions, "file_attributes": {}}
    path = root / "via.json"
    path.write_text(json.dumps(content))
    return path


def write_cvat(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes a CVAT file; returns its path."""
    parts = ["<annotations>"]
    for index, objects in enumerate(images):
        parts.append(f'<image id="{index}" name="{index}.png" width="{WIDTH}" height="{HEIGHT}">')
        for n, ring in enumerate(objects):
            points = ";".join(f"{x},{y}" for x, y in ring.tolist())
            parts.append(f'<polygon label="c{n % 3}" occluded="0" points="{points}" z_order="0"></polygon>')
        parts.append("</image>")
    path = root / "annotations.xml"
    path.write_text("\n".join([*parts, "</annotations>"]))
    return path


def write_label_studio(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes a Label Studio file; returns its path."""
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    tasks = []
    for index, objects in enumerate(images):
        results = [
            {
                "id": str(n),
                "type": "polygonlabels",
                "value": {"points": (ring / (WIDTH, HEIGHT) * 100).tolist(), "polygonlabels": [f"c{n % 3}"]},
                **size,
            }
            for n, ring in enumerate(objects)
        ]
        data = {"image": f"/data/upload/1/0a1b2c3d-{index}.png"}
        tasks.append({"id": index, "annotations": [{"result": results}], "data": data})
    path = root / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def write_labelbox(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes an NDJSON file; returns its path."""
    rows = []
    for index, objects in enumerate(images):
        found = [
            {"name": f"c{n % 3}", "polygon": [{"x": x, "y": y} for x, y in ring.tolist()]}
            for n, ring in enumerate(objects)
        ]
        label = {"annotations": {"objects": found}}
        media = {"height": HEIGHT, "width": WIDTH}
        row = {
            "data_row": {"external_id": f"{index}.png"},
            "media_attributes": media,
            "projects": {"p": {"labels": [label]}},
        }
        rows.append(json.dumps(row))
    path = root / "export.ndjson"
    path.write_text("\n".join(rows))
    return path


WRITERS: dict[str, Callable[[Path, Sequence[Outlines]], Path]] = {
    "labelme": write_labelme,
    "yolo": write_yolo,
    "via": write_via,
    "cvat": write_cvat,
    "label_studio": write_label_studio,
    "labelbox": write_labelbox,
}


def make_data(kind: str, images: Sequence[Outlines], folder: Path) -> Path:
    """Writes data of a format into a new folder; returns the path to read."""
    root = folder / kind
    root.mkdir()
    picture = root / "0.png"
    cv2.imwrite(str(picture), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    for index in range(1, len(images)):
        os.link(picture, root / f"{index}.png")
    return WRITERS[kind](root, images)


def measure(kind: str, path: Path) -> float:
    """Reads data of a format.

    Returns:
        CPU seconds.
    """
    start = time.process_time()
    job = Job(path)
    table.read(kind, job)
    seconds = time.process_time() - start
    _check(kind, job.report)
    return seconds


def measure_converting(kind: str, path: Path, folder: Path) -> float:
    """Converts data of a format to a project.

    Returns:
        CPU seconds.
    """
    start = time.process_time()
    log = events.JsonLog(io.StringIO())
    report = to_project.convert(Job(path), folder / f"from_{kind}", log=log, plan=to_project.Plan(kind))
    seconds = time.process_time() - start
    _check(kind, report)
    return seconds


def _check(kind: str, report: Report) -> None:
    if report.lost_images or report.lost.total():
        raise RuntimeError(f"{kind}: not all was kept: {report.tally.lines()}")


def make_project(root: Path, images: Sequence[Outlines]) -> Path:
    """Writes a project with a bitmap for each outline; returns its folder."""
    picture = root / "picture.png"
    cv2.imwrite(str(picture), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    with ProjectWriter(root / "project", ProjectMeta(tuple(ClassMeta(f"c{n}") for n in range(3)))) as writer:
        for index, objects in enumerate(images):
            drawn = [Polygon(ring).to_mask(HEIGHT, WIDTH) for ring in objects]
            labels = [
                Label(f"c{n % 3}", Bitmap(corner[::-1], mask)) for n, (mask, corner) in enumerate(filter(None, drawn))
            ]
            writer.add("ds", f"{index}.png", picture, annotation=Annotation((HEIGHT, WIDTH), (), tuple(labels)))
    return root / "project"


def measure_writing(kind: str, project: Path, folder: Path) -> float:
    """Converts a project to a format.

    Returns:
        CPU seconds.
    """
    start = time.process_time()
    paths, log = DataPaths(project), events.JsonLog(io.StringIO())
    losses, _ = to_format.convert(paths, folder / f"to_{kind}", log=log, plan=to_format.Plan(kind))
    seconds = time.process_time() - start
    _check(kind, losses)
    return seconds


def main(given: Sequence[str] | None = None) -> int:
    """Prints a table row for each format."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=5000, metavar="N", help="images of each format (5000)")
    parser.add_argument("--polygons", type=int, default=7, metavar="N", help="objects of each image (7)")
    options = parser.parse_args(given)
    images = [outlines(options.polygons, seed=index) for index in range(options.images)]
    print(f"{options.images} images of {WIDTH} x {HEIGHT} pixels, {options.polygons} outlines of {POINTS} points each")
    print(f"{'':<28}{'CPU s':>9}{'images/s':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in WRITERS:
            path = make_data(kind, images, folder)
            _print_row(f"read {kind}", measure(kind, path), options.images)
            _print_row(f"{kind} to a project", measure_converting(kind, path, folder), options.images)
        project = make_project(folder, images)
        for kind in written.WRITERS:
            _print_row(f"a project to {kind}", measure_writing(kind, project, folder), options.images)
    return 0


def _print_row(what: str, seconds: float, images: int) -> None:
    print(f"{what:<28}{seconds:>9.2f}{images / seconds:>10.0f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
