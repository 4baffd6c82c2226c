"""Applies a trained model to a Supervisely project or to a folder of images; see `--help`."""

import sys

from mrcnn.commands import infer

if __name__ == "__main__":
    sys.exit(infer.main())
