"""The driver of the browser, without one."""

import threading
import time

from .browser import Browser


def test_a_download_is_read_when_it_is_whole(tmp_path):
    """The browser keeps the name with an empty file, and renames the written one to it."""
    browser = Browser.__new__(Browser)
    browser.downloads = tmp_path
    (tmp_path / "coco.json").touch()

    def finish():
        time.sleep(0.2)
        (tmp_path / "coco.json.crdownload").write_bytes(b"{}")
        (tmp_path / "coco.json.crdownload").rename(tmp_path / "coco.json")

    writer = threading.Thread(target=finish)
    writer.start()
    try:
        assert browser.downloaded("coco.json") == b"{}"
    finally:
        writer.join()
    assert not (tmp_path / "coco.json").exists()
