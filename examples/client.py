"""Sends an image to the service or to TensorFlow Serving and prints its objects; needs nothing but Python.

    python examples/client.py photo.jpg [URL [MODEL]]

URL is http://127.0.0.1:5000 unless given, MODEL the name of the model there, mrcnn unless given. Each line of the
output is an object: class id, score, and y1 x1 y2 x2 in pixels. TensorFlow Serving listens on port 8501.
"""

import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path


def main(image: str, url: str = "http://127.0.0.1:5000", model: str = "mrcnn") -> None:
    """Prints the objects of an image file, or ends with the reason why there are none."""
    encoded = base64.b64encode(Path(image).read_bytes()).decode()
    body = {"signature_name": "encoded", "inputs": {"encoded": {"b64": encoded}}}
    request = urllib.request.Request(f"{url}/v1/models/{model}:predict", data=json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            found = json.load(answer)["outputs"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{url} does not answer: {error.reason}")
    for class_id, score, box in zip(found["class_ids"], found["scores"], found["boxes"], strict=True):
        print(class_id, f"{score:.3f}", *(f"{side:.1f}" for side in box))


if __name__ == "__main__":
    main(*sys.argv[1:])
