import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.serve.service import RequestCancelled, Service

from .helpers import brightness_model, make_predictor


def grey(value, height=20, width=30):
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def service():
    made = Service(make_predictor(), batch_size=2, wait_seconds=0.001)
    yield made
    made.close()


def test_annotate_names_objects_as_the_mode_asks(service):
    mode = load_mode({"model_classes": {"save_classes": ["dog"], "add_suffix": "!"}})
    known = Annotation(None, (Tag("seen"),), description="kept")
    found = service.annotate(grey(204), known, meta=ProjectMeta(), mode=mode)
    assert (found.size_hw, found.tags, found.description) == ((20, 30), (Tag("seen"),), "kept")
    (label,) = found.labels
    assert (label.class_title, label.tags) == ("dog!", (Tag("confidence_model", 0.4),))  # 204 / 255 / 2
    assert label.geometry.mask.shape == (10, 30)


def test_annotate_renames_or_leaves_out_existing_objects(service):
    road, tree = (Label(title, Rectangle([[0, 0], [3, 3]])) for title in ("road", "tree"))
    meta = ProjectMeta((ClassMeta("road", "rectangle", "#112233"), ClassMeta("tree", "rectangle")))
    mode = load_mode({"existing_objects": {"save_names": ["road"], "add_suffix": "_old"}})
    found = service.annotate(grey(204), Annotation(None, labels=(tree, road)), meta=meta, mode=mode)
    assert sorted(label.class_title for label in found.labels) == ["cat_model", "dog_model", "road_old"]
    (new,) = (item for item in service.output_meta(meta, mode).classes if item.title == "road_old")
    assert (new.shape, new.color) == ("rectangle", "#112233")


def test_annotate_leaves_an_image_without_objects_empty(service):
    assert service.annotate(grey(0), None, meta=ProjectMeta(), mode=load_mode({})).labels == ()


def test_annotate_uses_the_name_of_the_confidence_tag():
    service = Service(make_predictor(), confidence_tag="score")
    assert [tag.name for tag in service.output_meta(ProjectMeta(), load_mode({})).tags] == ["score_model"]
    service.close()


def test_output_meta_adds_the_models_to_the_projects(service):
    meta = ProjectMeta((ClassMeta("road", "polygon"),), (TagMeta("seen"),))
    found = service.output_meta(meta, load_mode({}))
    assert [item.title for item in found.classes] == ["road", "cat_model", "dog_model"]
    assert [item.name for item in found.tags] == ["seen", "confidence_model"]


def test_annotate_refuses_a_taken_name_before_the_model_runs(service):
    meta = ProjectMeta((ClassMeta("cat_model", "polygon"),))
    with pytest.raises(UserError, match="class 'cat_model' has shape polygon"):
        service.annotate(grey(200), None, meta=meta, mode=load_mode({}))


def test_detect_all_keeps_the_order_of_many_images(service):
    found = list(service.detect_all([grey(value) for value in range(100, 120)]))
    assert [round(float(item.scores[0]) * 255) for item in found] == list(range(100, 120))
    assert list(service.detect_all([])) == []


def gated_service(gate, looked_at):
    predictor = make_predictor()
    working = predictor.predict_compact

    def predict(images, *, batch_size=None):
        assert gate.wait(30)
        looked_at.extend(images)
        return working(images, batch_size=batch_size)

    predictor.predict_compact = predict
    return Service(predictor, batch_size=1)


def test_request_cancelled_detect_and_annotate_stop_after_a_disconnect():
    gate, disconnect, looked_at = threading.Event(), Future(), []
    service = gated_service(gate, looked_at)
    mode = load_mode({"name": "sliding_window", "window": {"width": 3, "height": 2}})  # 10 x 10 windows
    with ThreadPoolExecutor(2) as threads:
        image = grey(200)
        first = threads.submit(service.annotate, image, None, meta=ProjectMeta(), mode=mode, disconnect=disconnect)
        second = threads.submit(service.detect, image, disconnect)
        disconnect.set_result(None)
        for future in (first, second):
            with pytest.raises(RequestCancelled):
                future.result(30)
        gate.set()
        service.close()
    assert len(looked_at) <= 1  # the one that the model had begun with


def test_detect_keeps_masks_in_their_boxes(service):
    found = service.detect(grey(200, 400, 600))
    assert [(mask.shape, mask.bits.nbytes) for mask in found.masks] == [((400, 600), 30_000), ((200, 600), 15_000)]


def test_annotate_of_several_callers_shares_batches():
    sizes, answers = [], {}
    service = Service(make_predictor(), batch_size=4, wait_seconds=0.2, on_batch=sizes.append)

    def ask(value):
        answers[value] = round(float(service.detect(grey(value)).scores[0]) * 255)

    threads = [threading.Thread(target=ask, args=(value,)) for value in range(100, 116)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    service.close()
    assert answers == {value: value for value in range(100, 116)}
    assert sum(sizes) == 16
    assert max(sizes) == 4


def test_detect_fails_for_one_image_only():
    def model(batch):
        if batch["images"].shape[0] is not None:
            raise AssertionError("traced for one size only")
        return brightness_model(batch)

    predictor = make_predictor(model)
    working = predictor.predict_compact

    def predict(images, *, batch_size=None):
        if any(image[0, 0, 0] == 13 for image in images):
            raise RuntimeError("out of memory")
        return working(images, batch_size=batch_size)

    predictor.predict_compact = predict
    service = Service(predictor, batch_size=4, wait_seconds=0.2)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(service.detect_all([grey(100), grey(13), grey(200)]))
    assert round(float(service.detect(grey(100)).scores[0]) * 255) == 100
    assert service.ready
    service.close()
    assert not service.ready
