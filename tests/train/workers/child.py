"""One worker of a test's run: `child.py TASK.json`; with a small model unless the task says `real`."""

import json
import os
import sys
from pathlib import Path

import keras
from keras import ops

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mrcnn import events
from mrcnn.blocks.norm import BatchNorm
from mrcnn.commands import tasks
from mrcnn.config.load import load_train_config
from mrcnn.events import JsonLog
from mrcnn.train import run
from mrcnn.train.workers import cluster
from tests.train import fake, tiny


class NormedConv(keras.layers.Layer):
    """The small model's convolution with a batch norm over all devices of all workers."""

    def __init__(self, conv):
        super().__init__(name=conv.name)
        self.conv, self.norm = conv, BatchNorm("synchronized", name="bn_conv1")
        self.norm.build((None, None, None, conv.filters))

    def call(self, images, training=False):
        return self.norm(self.conv(images), training=training)


class NormedMaskRCNN(fake.FakeMaskRCNN):
    """The small model with this convolution."""

    def __init__(self, **sizes):
        super().__init__(**sizes)
        self.conv1 = NormedConv(self.conv1)

    def call(self, batch, training=False):
        features = ops.mean(ops.relu(self.conv1(batch["images"] / 255.0, training=training)), axis=(1, 2))
        return ops.reshape(self.logits(features), (-1, 5, self.num_classes))


def small_model(config, num_classes):
    return NormedMaskRCNN(num_classes=num_classes, side=tiny.SIDE)


def main():
    task, log = json.loads(Path(sys.argv[1]).read_text()), JsonLog()
    if not task["real"]:
        run.build.build.build_model = small_model

    def work():
        run.train(
            load_train_config({**tiny.CONFIG, **task["settings"]}),
            project_dir=task["project"],
            output_dir=task["output"],
            log=log,
            resume=task["resume"],
            workers=cluster.find("tf_config", os.environ) if "TF_CONFIG" in os.environ else None,
        )

    tasks.leave(events.run_main(work, log=log))


main()
