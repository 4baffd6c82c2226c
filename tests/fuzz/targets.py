"""The fuzz targets by name; a new one is a file beside this and a line here."""

from tests.fuzz import coco
from tests.fuzz.harness import Target

TARGETS: dict[str, Target] = {"coco": coco.convert}
