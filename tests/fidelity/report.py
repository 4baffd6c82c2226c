"""Prints how far every stage lies from Matterport's, as a Markdown table.

python -m tests.fidelity.report
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.fidelity import inference_stages, recipe, training_stages
from tests.fidelity.gates import Result
from tests.fidelity.inference_stages import Stage
from tests.fidelity.session import Session, build_model

HEADER = ("| stage | compared | measured as | found | gate |", "| --- | --- | --- | --- | --- |")
SECTIONS = (("Detection", inference_stages.STAGES), ("Training", training_stages.STAGES))


def main() -> None:
    """Makes the weights, runs every stage and prints a table for each part."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(Path(folder) / "model.h5")
    for title, stages in SECTIONS:
        print(f"## {title}\n")
        print("\n".join(table((stage, stage(session)) for stage in stages)), "\n")


def open_session(path: Path) -> Session:
    """Makes the seeded weights, stores them at `path` and loads them into a new model."""
    recipe.write_h5(path, recipe.make_weights(recipe.read_shapes(), recipe.read_constants()))
    return Session(build_model(path))


def table(stages: Iterable[tuple[Stage, Iterable[Result]]]) -> Iterator[str]:
    """Yields the lines of a Markdown table; a difference beyond its gate is bold."""
    yield from HEADER
    for stage, results in stages:
        name = (stage.__doc__ or "").splitlines()[0].rstrip(".")
        for result in results:
            found = f"{result.difference:.2g}" if result.passed else f"**{result.difference:.2g}**"
            yield f"| {name} | {result.what} | {result.gate.unit} | {found} | {result.gate.limit:g} |"
            name = ""


if __name__ == "__main__":
    main()
