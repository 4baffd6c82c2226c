"""COCO files as exporters write them: two images of 64 x 80 pixels, two squares of 21 x 21 pixels."""

import json

import cv2
import numpy as np

HEIGHT, WIDTH = 64, 80
# Columns and rows 10 to 29: COCO's polygons end before their right and bottom edges, 20 x 20 pixels.
SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
SQUARE_PIXELS = 400
CAT, DOG = {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}


def image(number, name, **changes):
    """Makes an item of `images`."""
    return {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH, **changes}


def annotation(number, **changes):
    """Makes an item of `annotations`: a square of class 1 in the image with its own number."""
    made = {"id": number, "image_id": number, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0}
    return {**made, "bbox": [10, 10, 20, 20], "area": SQUARE_PIXELS, **changes}


def content(*annotations, **changes):
    """Makes a file of the images a.png and b.png; without annotations, one square each."""
    made = {"images": [image(1, "a.png"), image(2, "b.png")], "categories": [CAT, DOG]}
    return {**made, "annotations": list(annotations) or [annotation(1), annotation(2)], **changes}


def write(folder, made, *, names=("a.png", "b.png")):
    """Writes `a.json` and its images into `folder/img`; returns both paths."""
    for name in names:
        path = folder / "img" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes())
    path = folder / "a.json"
    path.write_text(json.dumps(made))
    return path, folder / "img"
