"""Records of a small data set that several tests use."""

from mrcnn.report.records import DataFacts, ImageFacts, ObjectFacts


def thing(title="cat", box=(0, 0, 10, 20), **rest):
    """Makes an object whose mask fills its box unless `area` says otherwise."""
    height, width = box[2] - box[0], box[3] - box[1]
    return ObjectFacts(title, box, **{"area": height * width, **rest})


def picture(name, *objects, split="train", size_hw=(100, 200), **rest):
    """Makes an image."""
    return ImageFacts(name, split, size_hw, tuple(objects), **rest)


def data(*images, titles=("cat", "dog"), **rest):
    """Makes a data set."""
    colors = {title: "#FF0000" for title in titles}
    return DataFacts("pets", "project", titles, colors, tuple(images), **rest)
