"""Files by path and by URL; `memory://` is a file system of fsspec in this process."""

import uuid

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.errors import UserError
from mrcnn.scale import storage


@pytest.fixture(params=["path", "url"])
def folder(request, tmp_path):
    """A new folder on disk, or a URL."""
    return str(tmp_path / "new") if request.param == "path" else f"memory://{uuid.uuid4().hex}"


def test_write_bytes_and_read_bytes_are_inverse_and_leave_no_other_file(folder):
    place = storage.joined(folder, "sub", "a.bin")
    assert not storage.exists(place)
    assert storage.names(storage.joined(folder, "sub")) == set()
    for data in (b"first", b"", b"second"):
        storage.write_bytes(place, data)
        assert storage.read_bytes(place) == data
    assert storage.exists(place)
    assert storage.names(storage.joined(folder, "sub")) == {"a.bin"}
    with storage.reading(place) as stream:
        stream.seek(3)
        assert stream.read() == b"ond"
    storage.remove(place)
    storage.remove(place)
    assert storage.names(storage.joined(folder, "sub")) == set()


def test_write_bytes_uploads_at_once_to_object_storage(monkeypatch):
    calls = []

    class Store:
        def __getattr__(self, name):
            return lambda *arguments, **options: calls.append((name, *arguments))

    monkeypatch.setattr(storage, "opened", lambda url: (Store(), "bucket/a"))
    storage.write_bytes("s3://bucket/a", b"x")
    assert calls == [("pipe_file", "bucket/a", b"x")]  # a rename would copy there


def test_read_bytes_names_a_missing_file(folder):
    with pytest.raises(UserError, match=r"^cannot read the image .*gone\.png: .*[Nn]o such file"):
        storage.read_bytes(storage.joined(folder, "gone.png"), what="image")
    with pytest.raises(UserError, match=r"^cannot read the list .*gone\.txt: no such file$"):
        with storage.reading(storage.joined(folder, "gone.txt"), what="list"):
            pass


@pytest.mark.parametrize(
    ("url", "reason"),
    [("s4://a/b", "Protocol not known: s4"), ("dropbox://a/b", "[Ii]nstall")],  # the second needs another package
)
def test_opened_names_what_is_missing(url, reason):
    with pytest.raises(UserError, match=f"^cannot open {url}: .*{reason}"):
        storage.opened(url)


def test_normalized_makes_paths_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.normalized("a/b") == f"{tmp_path}/a/b"
    assert storage.normalized(f"file://{tmp_path}/a") == f"{tmp_path}/a"
    assert storage.normalized("s3://bucket/a") == "s3://bucket/a"


def test_joined():
    assert storage.joined("/a/", "b", "c") == "/a/b/c"
    assert storage.joined("s3://a/", "b") == "s3://a/b"
