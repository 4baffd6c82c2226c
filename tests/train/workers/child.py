"""One worker of a test's run: `child.py TASK.json`; a small model unless the task says `real`."""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3]), str(Path(__file__).resolve().parents[1])]

import os

import fake  # noqa: E402
import tiny  # noqa: E402

from mrcnn import events  # noqa: E402
from mrcnn.commands import tasks  # noqa: E402
from mrcnn.config.load import load_train_config  # noqa: E402
from mrcnn.events import JsonLog  # noqa: E402
from mrcnn.train import run  # noqa: E402
from mrcnn.train.workers import cluster  # noqa: E402


def main() -> None:
    task = json.loads(Path(sys.argv[1]).read_text())
    log = JsonLog()
    if not task.get("real"):
        run.build.build.build_model = lambda config, num_classes: fake.FakeMaskRCNN(
            num_classes=num_classes, side=tiny.SIDE
        )
    def work():
        for one in task["runs"]:
            config = load_train_config({**tiny.CONFIG, **one.get("settings", {})})
            workers = cluster.find("tf_config", os.environ) if "TF_CONFIG" in os.environ else None
            run.train(
                config, project_dir=task["project"], output_dir=one["output"], log=log, workers=workers,
                resume=one.get("resume", False),
            )
    tasks.leave(events.run_main(work, log=log))


main()
