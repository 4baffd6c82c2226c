"""Evaluates a model and writes its report: one HTML file that loads nothing."""

from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.config.inference import Mode
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.evaluate.run import Prepared
from mrcnn.events import EventLog
from mrcnn.report import style
from mrcnn.report.evaluation import overview, pictures, review, sections, training
from mrcnn.report.evaluation.review import Review

TITLE = "Evaluation"


def evaluate(
    prepared: Prepared, path: Path, *, model: str | Path, mode: Mode, batch_size: int, log: EventLog
) -> dict[str, Any]:
    """Computes the metrics of a model and writes its report; the file is replaced only when it is complete.

    Args:
        prepared: the loaded model and the data.
        path: of the HTML file; its folder is created.
        model: what names the model, as for `model_folder.read.read_model`: its run is described too.
        mode: the inference mode.
        batch_size: images, or regions of them, per batch.
        log: receives the progress and the messages.

    Returns:
        As `evaluate.run.evaluate`.

    Raises:
        UserError: as `evaluate.run.evaluate`, or the file cannot be written.
    """
    files.check_writable(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    collector = Collector()
    metrics = scoring.evaluate_prepared(prepared, mode=mode, batch_size=batch_size, log=log, watch=collector.add)
    facts = prepared.predictor.facts
    found = review.examine(
        collector.images, metrics, titles=facts.class_names, floor=float(facts.choices.score_threshold)
    )
    page = render(found, prepared, model=model)
    with files.writing("the report", path), files.replaced(path) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")
    log.info(f"report in {path}")
    return metrics


def render(found: Review, prepared: Prepared, *, model: str | Path) -> str:
    """Builds the page.

    Args:
        found: what was computed.
        prepared: the model and the data; the worst and the best images are read again.
        model: as for `evaluate`.
    """
    source = prepared.source
    made = training.find_run(model)
    shots = pictures.draw(found, source, facts=prepared.predictor.facts)
    contents = [
        ("threshold", "Score threshold", sections.score_threshold(found)),
        ("classes", "Classes", sections.classes(found)),
        ("sizes", "Sizes of objects", sections.sizes(found)),
        ("curves", "Precision and recall", sections.precision_recall(found)),
        ("errors", "Types of errors", sections.errors(found)),
        ("confusion", "Confusion matrix", sections.confused(found)),
        ("calibration", "Calibration", sections.calibrated(found)),
        ("images", "Worst and best images", pictures.images(found, source, shots)),
    ]
    if made.content:
        contents.append(("settings", "Settings of the training", training.settings(made)))
    if made.rows:
        contents.append(("learning", "Learning curves", training.learning(made)))
    size = prepared.predictor.facts
    epoch = f", epoch {made.epoch}" if made.epoch is not None else ""
    about = (
        f"Model `{model}`{epoch}; {source.kind} with {len(source.entries):,} images. Model input: min_dim "
        f"{size.min_dim}, max_dim {size.max_dim}."
    )
    return style.page(f"{TITLE}: {source.name}", about=about, contents=contents, top=overview.overview(found))
