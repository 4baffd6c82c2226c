"""Deploys a trained model: `deploy.py export --model DIR --out DIR` or `deploy.py serve --model DIR`; see `--help`."""

import argparse
import sys

from mrcnn.commands import export, serve, tasks


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; `run` is the function that does what it asks for. Without a command that is `serve`."""
    given = sys.argv[1:] if given is None else given
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given = ["serve", *given]
    parser = argparse.ArgumentParser(description="Deploy a trained model.", epilog="Without a command: serve.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, module, run in (("export", export, export.export), ("serve", serve, serve.serve)):
        command = commands.add_parser(name, help=module.HELP)
        command.set_defaults(run=run)
        module.add_options(command)
    return parser.parse_args(given)


if __name__ == "__main__":
    options = parse()
    sys.exit(tasks.run(lambda log: options.run(options, log), options))
