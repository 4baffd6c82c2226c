"""PointRend learns drawn figures by heart, and works in all that follows a training: minutes, so marked slow."""

import pytest

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_mode
from mrcnn.data.sources.source import DataPaths
from mrcnn.evaluate import run as scoring
from mrcnn.export import run as exporting
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.serve.service import Service
from tests import figures, projects
from tests.train import overfit
from tests.train.conftest import HeardLog

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains once: the folder and the rows of the history."""
    folder = tmp_path_factory.mktemp("pointrend")
    return folder, overfit.train(folder, overfit.config(epochs=8, mask_head="pointrend"))


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor.load(trained[0] / "out")


def test_train_overfits_the_masks_of_drawn_figures(trained):
    folder, rows = trained
    for name in ("mrcnn_mask_loss", "mrcnn_mask_point_loss"):
        assert float(rows[-1][name]) < float(rows[0][name]) / 4
    assert float(rows[-1]["val_mask_ap"]) >= 0.9
    metrics = scoring.evaluate_model(
        folder / "out",
        DataPaths(*figures.write_coco(folder / "again", images=overfit.BATCH)),
        tag=None,
        mode=scoring.FULL_IMAGE,
        names={"classes": None, "input_size": None},
        loading={"device": "cpu"},
        batch_size=4,
        log=HeardLog(),
    )
    print({name: metrics[name] for name in ("box_ap", "mask_ap", "mask_ap75", "boundary_ap")})
    assert metrics["mask_ap"] >= 0.9
    assert metrics["boundary_ap"] >= 0.7


def test_apply_of_pointrend_in_every_mode(predictor, tmp_path):
    source = sources.open_project(projects.make_every_shape(tmp_path / "source"))
    for mode in projects.MODES:
        config = projects.mode_config(mode)
        if mode == "bboxes":
            config["mode"]["from_classes"] = ["a bitmap"]
        summary = annotating.apply(
            predictor, source, tmp_path / mode, config=load_inference_config(config), log=HeardLog(),
            options=annotating.Options(),
        )  # fmt: skip
        assert (summary.images, summary.skipped) == (len(source.entries), [])


def test_export_of_pointrend_is_equal_to_the_live_model(trained, tmp_path):
    images = trained[0] / "val" / "img"
    result = exporting.export(trained[0] / "out", tmp_path / "saved_model", log=HeardLog(), images=images, device="cpu")
    assert not any(proof.failures for proof in result.proofs)
    assert result.proofs[0].paired


def test_service_of_pointrend_returns_masks(predictor):
    service = Service(predictor, batch_size=1, wait_seconds=0.001)
    image, (figure,) = figures.draw(0)
    try:
        found = service.annotate(image, Annotation(None), meta=ProjectMeta(), mode=load_mode({}))
    finally:
        service.close()
    area = int(found.labels[0].geometry.mask.sum())
    assert area == pytest.approx(int(figure.mask.sum()), rel=0.1)
