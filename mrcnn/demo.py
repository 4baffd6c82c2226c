"""The whole way on one photograph: make a project, train, evaluate, infer, export, verify, draw.

python -m mrcnn.demo --output runs/demo
"""

import argparse
import sys
from pathlib import Path

from mrcnn import events, startup


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Train, evaluate, infer and export on the coins photograph.")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/demo"), help="folder of the results; default runs/demo"
    )
    parser.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace, log: events.EventLog) -> None:
    """Runs the demo that the options describe."""
    startup.load("mrcnn.demo_run", debug=options.debug).main(options.output, log)


if __name__ == "__main__":
    options = parse()
    log = events.make_log(options.log_format)
    sys.exit(events.run_main(lambda: main(options, log), log=log, debug=options.debug))
