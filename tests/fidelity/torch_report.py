"""Prints how far every stage lies from torchvision's, as a Markdown table for each model.

python -m tests.fidelity.torch_report
"""

import tempfile
from pathlib import Path

from tests.fidelity.report import table
from tests.fidelity.torch_recipe import MODELS
from tests.fidelity.torch_session import open_session, write_weights
from tests.fidelity.torch_stages import STAGES


def main() -> None:
    """Makes the weights of each model, runs every stage and prints the differences."""
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            session = open_session(model, write_weights(model, Path(folder)))
        print(f"## {model}\n")
        print("\n".join(table((stage, stage(session)) for stage in STAGES)), "\n", flush=True)


if __name__ == "__main__":
    main()
