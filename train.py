"""Trains a model: `python train.py --config C.json --project DIR --model DIR --output DIR`; see `--help`."""

from mrcnn.commands import train

if __name__ == "__main__":
    train.main()
