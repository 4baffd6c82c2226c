"""The fuzz targets by name; a new one is a file beside this and a line here."""

from tests.fuzz import coco, hdf5_files, project, settings, state_dicts
from tests.fuzz.harness import Target

TARGETS: dict[str, Target] = {
    "coco": coco.convert,
    "annotation": project.annotation,
    "meta": project.meta,
    "image": project.image,
    "weights": hdf5_files.read_weights,
    "state": hdf5_files.read_state,
    "state dict": state_dicts.read,
    "config": settings.load_config,
    "model folder": settings.read_model_folder,
}
