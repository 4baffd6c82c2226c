"""`deploy.py serve` with a model that needs no file: `python -m tests.serve.fake_service GATE SETTINGS`, these as JSON.

It looks at no image until the path GATE exists.
"""

import json
import os
import sys
import time

from mrcnn import events
from mrcnn.config.serve import ServeConfig
from mrcnn.serve import app

from .helpers import gated_predictor, make_bundle


def wait_for_gate():
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)


app.load_predictor = lambda stored, config, *, log: gated_predictor(wait_for_gate)
app.read.read_model = lambda model, **options: make_bundle()

if __name__ == "__main__":
    os.environ["GATE"] = sys.argv[1]  # workers get it too
    log = events.make_log("json")
    config = ServeConfig(**{"model": "models/cats", "port": 0, "log_format": "json", **json.loads(sys.argv[2])})
    sys.exit(events.run_main(lambda: app.serve(config, log=log), log=log))
