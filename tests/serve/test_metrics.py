import subprocess
import sys
from pathlib import Path

from mrcnn.serve.metrics import FOLDER_VARIABLE, Metrics

ROOT = Path(__file__).parents[2]


def test_render_writes_what_was_counted():
    metrics = Metrics()
    metrics.requests.labels("/model/inference", "200").inc(3)
    metrics.seconds.labels("/model/inference").observe(0.3)
    metrics.batch_images.observe(3)
    text = metrics.render().decode()
    assert 'mrcnn_requests_total{path="/model/inference",status="200"} 3.0' in text
    assert 'mrcnn_request_seconds_bucket{le="0.25",path="/model/inference"} 0.0' in text
    assert 'mrcnn_request_seconds_bucket{le="0.5",path="/model/inference"} 1.0' in text
    assert 'mrcnn_batch_images_bucket{le="4.0"} 1.0' in text
    assert "mrcnn_requests_in_progress 0.0" in text
    assert "process_resident_memory_bytes" in text


def test_render_of_two_services_in_one_process_is_apart():
    first, second = Metrics(), Metrics()
    first.requests.labels("/", "200").inc()
    assert 'mrcnn_requests_total{path="/",status="200"}' not in second.render().decode()


def test_render_sums_workers(tmp_path):
    code = (
        "from mrcnn.serve.metrics import Metrics\n"
        "metrics = Metrics()\n"
        "metrics.requests.labels('/', '200').inc(2)\n"
        "metrics.in_progress.inc()\n"
        "print(metrics.render().decode())"
    )
    command = [sys.executable, "-c", code]
    environment = {FOLDER_VARIABLE: str(tmp_path), "PATH": ""}
    runs = [
        subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True) for _ in "ab"
    ]
    assert 'mrcnn_requests_total{path="/",status="200"} 2.0' in runs[0].stdout
    assert 'mrcnn_requests_total{path="/",status="200"} 4.0' in runs[1].stdout
    assert "mrcnn_requests_in_progress 1.0" in runs[1].stdout  # the first one's died with it
