"""A run of a small model with Ray Train's workers, as docs/multi-worker.md starts it: `ray_child.py TASK.json WORKERS`.

With 0 workers it is one process without Ray.
"""

import json
import sys
from pathlib import Path


def work(task):
    """Trains; Ray Train runs it in each worker with `TF_CONFIG`, and pickles it, so it imports all that it needs."""
    import os

    from mrcnn.config.load import load_train_config
    from mrcnn.events import JsonLog
    from mrcnn.train import run
    from mrcnn.train.workers import cluster
    from tests.train import fake, tiny

    run.build.build.build_model = lambda config, num_classes: fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE)
    run.train(
        load_train_config({**tiny.CONFIG, **task["settings"]}),
        project_dir=task["project"],
        output_dir=task["output"],
        log=JsonLog(),
        workers=cluster.find("tf_config", os.environ) if "TF_CONFIG" in os.environ else None,
    )


def with_ray(task, workers):
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    ray.init("local", num_cpus=workers, include_dashboard=False, _node_ip_address="127.0.0.1")
    TensorflowTrainer(
        work,
        train_loop_config=task,
        scaling_config=ScalingConfig(num_workers=workers),
        run_config=RunConfig(storage_path=task["ray"]),
    ).fit()


if __name__ == "__main__":
    given, count = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    if count:
        with_ray(given, count)
    else:
        work(given)
