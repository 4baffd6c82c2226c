"""Reads projects with Supervisely's own SDK and prints what it read, as JSON; runs where the SDK is installed.

    python sdk_reader.py PROJECT...

It knows nothing of this repository.
"""

import base64
import json
import sys

import numpy as np
import supervisely as sly

DRAWN = (
    sly.Bitmap,
    sly.Polygon,
    sly.Multipolygon,
    sly.Rectangle,
    sly.OrientedBBox,
    sly.Cuboid,
    sly.Point,
    sly.Polyline,
)
HALF_OPAQUE = 128


def read_project(directory):
    """Returns the classes, tags and items of a project."""
    project = sly.Project(directory, sly.OpenMode.READ)
    return {
        "classes": [[item.name, item.geometry_type.geometry_name(), item.color] for item in project.meta.obj_classes],
        "tags": [[item.name, item.value_type, item.possible_values] for item in project.meta.tag_metas],
        "items": {
            f"{dataset.name}/{name}": read_item(dataset, name, project.meta)
            for dataset in project.datasets
            for name in dataset.get_items_names()
        },
    }


def read_item(dataset, name, meta):
    """Returns the image's size and the annotation."""
    annotation = dataset.get_ann(name, meta)
    image = sly.image.read(dataset.get_img_path(name))
    return {
        "image_hw": image.shape[:2],
        "size_hw": annotation.img_size,
        "description": annotation.img_description,
        "tags": [[tag.name, tag.value] for tag in annotation.img_tags],
        "objects": [read_label(label, annotation.img_size) for label in annotation.labels],
    }


def read_label(label, size_hw):
    """Returns the class, tags, geometry and, of a shape with an area, the packed mask on the whole image."""
    geometry = label.geometry
    content = {
        "class": label.obj_class.name,
        "shape": geometry.geometry_name(),
        "tags": [[tag.name, tag.value] for tag in label.tags],
        "binding": label.binding_key,
    }
    if isinstance(geometry, sly.GraphNodes):
        nodes = geometry.nodes.items()
        content["nodes"] = {str(key): [node.location.col, node.location.row, node.disabled] for key, node in nodes}
    elif None not in size_hw:
        content["mask"] = pack(draw(geometry, size_hw))
    return content


def draw(geometry, size_hw):
    """Draws a shape on the whole image; None for one that has no pixels of its own."""
    canvas = np.zeros(size_hw, np.uint8)
    if isinstance(geometry, sly.AlphaMask):
        opaque, origin = geometry.data >= HALF_OPAQUE, geometry.origin
        canvas[origin.row : origin.row + opaque.shape[0], origin.col : origin.col + opaque.shape[1]] = opaque
    elif isinstance(geometry, DRAWN):
        geometry.draw(canvas, 1)
    else:
        return None
    return canvas != 0


def pack(mask):
    """Writes a mask as text, eight pixels a byte."""
    return None if mask is None else base64.b64encode(np.packbits(mask).tobytes()).decode()


json.dump({"version": sly.__version__, "projects": [read_project(path) for path in sys.argv[1:]]}, sys.stdout)
