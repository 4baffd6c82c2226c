"""Two clients of the old API, written to its description alone: nothing of the service is imported here."""

import base64
import json
import zlib

import cv2
import numpy as np
import requests


class Client2020:
    """From March 2020 on: answers are not wrapped; optional values are form strings, later file parts."""

    def __init__(self, server_url):
        self._url = server_url.rstrip("/")

    def get_out_meta(self, meta=None, mode=None):
        given = {"meta": meta, "mode": mode}
        fields = {name: json.dumps(value) for name, value in given.items() if value is not None}
        return self._answer(requests.post(f"{self._url}/model/get_out_meta", data=fields, timeout=60))

    def inference(self, image, meta=None, mode=None, annotation=None, *, as_files=False):
        given = {"meta": meta, "mode": mode, "annotation": annotation}
        texts = {name: json.dumps(value) for name, value in given.items() if value is not None}
        files, fields = {"image": ("photo.png", image, "image/png")}, texts
        if as_files:
            files |= {name: (f"{name}.json", text) for name, text in texts.items()}
            fields = {}
        return self._answer(requests.post(f"{self._url}/model/inference", files=files, data=fields, timeout=60))

    @staticmethod
    def _answer(response):
        response.raise_for_status()
        return response.json()


class Client2019:
    """Until early March 2020: answers are wrapped, there are no modes and no suffix."""

    def __init__(self, server_url):
        self._url = server_url.rstrip("/")

    def get_output_meta(self):
        response = requests.post(f"{self._url}/model/get_output_meta", timeout=60)
        response.raise_for_status()
        return response.json()["output_meta"]

    def inference(self, image):
        response = requests.post(f"{self._url}/model/inference", files={"image": image}, timeout=60)
        response.raise_for_status()
        return response.json()["annotation"]


def decode_mask(label):
    """Decodes an object's bitmap as the old client library did: rows of 0 and 1, and its column and row."""
    png = zlib.decompress(base64.b64decode(label["bitmap"]["data"]))
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    return (pixels[..., 3] != 0).astype(int).tolist(), label["bitmap"]["origin"]
