"""One worker of a test's run: `child.py TASK.json`; with a small model unless the task says `real`."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mrcnn import events
from mrcnn.commands import tasks
from mrcnn.config.load import load_train_config
from mrcnn.events import JsonLog
from mrcnn.train import run
from mrcnn.train.workers import cluster
from tests.train import fake, tiny


def small_model(config, num_classes):
    return fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE)


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
